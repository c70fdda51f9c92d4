"""The temporal resonance vector: what is written comes back, and what cannot be is told with its column."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerarlink.engine.errors import ParameterError
from lerarlink.engine.trv import Quantity, Trv, TrvError, format, parse

TIMES = ("ms", "s", "min", "h", "d")
FREQUENCIES = ("Hz", "mHz", "uHz", "c/d")


def numbers(low: str = "0.001", high: str = "99999") -> st.SearchStrategy[Decimal]:
    return st.decimals(low, high, allow_nan=False, places=4).map(lambda d: d.normalize())


def quantities(units: tuple[str, ...]) -> st.SearchStrategy[Quantity]:
    return st.builds(Quantity.of, numbers(), st.sampled_from(units))


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["center", "tolerance", "range", "seed"]))
    if kind == "seed":
        return {"seed": draw(st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,12}", fullmatch=True))}
    units = draw(st.sampled_from([TIMES, FREQUENCIES]))
    if kind == "center":
        return {"center": draw(quantities(units))}
    unit = draw(st.sampled_from(units))
    a, b = sorted(draw(st.lists(numbers(), min_size=2, max_size=2, unique=True)))
    if kind == "range":
        return {"low": Quantity.of(a, unit), "high": Quantity.of(b, unit)}
    return {"center": Quantity.of(b, unit), "tolerance": Quantity.of(a, unit)}


T0 = st.one_of(
    st.datetimes().filter(lambda d: d.year >= 1000).map(lambda d: d.isoformat()),
    st.decimals("2400000", "2499999", places=5).map(str),
    quantities(TIMES).map(str),
)


@st.composite
def vectors(draw: st.DrawFn) -> Trv:
    shape = draw(st.sampled_from([None, "harmonic", "box"]))
    return Trv(
        **draw(bodies()),
        harmonics=draw(st.none() | st.integers(1, 8)),
        t0=draw(st.none() | T0),
        barycentric=draw(st.sampled_from([None, "on", "off", "auto"])),
        oversample=draw(st.none() | st.integers(3, 20)),
        shape=shape,
        duration=draw(st.none() | quantities(TIMES)) if shape == "box" else None,
    )


@given(vectors())
def test_what_is_written_comes_back(trv: Trv) -> None:
    text = format(trv)
    assert parse(text) == trv
    assert format(parse(text)) == text
    assert text.isascii()


@given(vectors().filter(lambda v: v.seed is None))
def test_the_ends_hold_the_middle(trv: Trv) -> None:
    low, high = trv.hertz
    assert 0.0 < low <= 1.0 / trv.period * (1 + 1e-12)
    assert 1.0 / trv.period <= high * (1 + 1e-12)
    assert trv.seconds == (1.0 / high, 1.0 / low)


@given(st.text("[TRV:]14.8shd;=+-±()bx ", max_size=24))
def test_any_text_parses_or_is_refused_with_its_column(text: str) -> None:
    try:
        assert parse(format(parse(text))) == parse(text)
    except TrvError as e:
        assert 1 <= e.column <= len(text) + 1
        assert str(e).startswith("TRV-1:")


@pytest.mark.parametrize(
    ("text", "shortest", "longest"),
    [
        ("[TRV:14.8s]", 14.75, 14.85),
        ("[TRV:14.80s]", 14.795, 14.805),
        ("[TRV:15 min]", 870.0, 930.0),
        ("[TRV:14.8s ± 5ms]", 14.795, 14.805),
        ("[TRV:14.8s+-0.2s]", 14.6, 15.0),
        ("[TRV:0.4d..10d]", 34560.0, 864000.0),
        ("[TRV:2c/d..4c/d]", 21600.0, 43200.0),
        ("[TRV:100mHz]", 1 / 0.1005, 1 / 0.0995),
        ("[TRV:5µHz]", 1 / 5.5e-6, 1 / 4.5e-6),
    ],
)
def test_periods_mean_what_their_digits_say(text: str, shortest: float, longest: float) -> None:
    assert parse(text).seconds == pytest.approx((shortest, longest), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "column", "wanted"),
    [
        ("", 1, "begins with"),
        ("[TRV:]", 6, "a number with a unit"),
        ("[TRV:14.8]", 10, "a unit wanted"),
        ("[TRV:14.8parsec]", 10, "a unit wanted"),
        ("[TRV:14.8s", 11, "']' wanted"),
        ("[TRV:14.8s] and", 12, "nothing may follow"),
        ("[TRV:0s]", 6, "above 0"),
        ("[TRV:14.8s±20s]", 12, "smaller than 14.8s"),
        ("[TRV:14.8s±1Hz]", 12, "unit of time"),
        ("[TRV:5s..3s]", 10, "a range rises"),
        ("[TRV:5s..1Hz]", 10, "unit of time"),
        ("[TRV:seed()]", 6, "the name of a region"),
        ("[TRV:14.8s;foo=1]", 12, "an option wanted"),
        ("[TRV:14.8s;h=9]", 14, "1 .. 8"),
        ("[TRV:14.8s;os=2]", 15, "3 .. 20"),
        ("[TRV:14.8s;h=1;h=2]", 16, "said twice"),
        ("[TRV:14.8s;t0=2017-13-01]", 15, "the calendar"),
        ("[TRV:14.8s;t0=noon]", 15, "a time wanted"),
        ("[TRV:14.8s;dur=3h]", 18, "shape=box"),
        ("[TRV:14.8s;bary=maybe]", 17, "on, off, auto"),
    ],
)
def test_errors_tell_the_column(text: str, column: int, wanted: str) -> None:
    with pytest.raises(TrvError, match="TRV-1") as e:
        parse(text)
    assert (e.value.column, wanted in e.value.wanted) == (column, True), str(e.value)
    assert str(pickle.loads(pickle.dumps(e.value))) == str(e.value)


def test_a_region_is_resolved_by_the_period_that_it_shows() -> None:
    trv = parse("[TRV:seed(core);h=2;os=7]")
    with pytest.raises(ParameterError, match="region 'core'"):
        _ = trv.hertz
    found = trv.with_center(14.803, 0.002)
    assert format(found) == "[TRV:14.803s+-0.002s;h=2;os=7]"
    assert parse(format(found)) == found
