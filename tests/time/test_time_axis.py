"""TimeAxis: times from headers and tables, what is refused, and the way of light."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine.api import julian_dates, seconds_of
from lerarlink.engine.errors import EngineError, ParameterError

Cards = dict[str, Any]


@pytest.fixture
def axis(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Return a function from headers of frames to their times."""

    def build(headers: Sequence[Cards], **params: Any) -> dict[str, Any]:
        paths = []
        for i, cards in enumerate(headers):
            paths.append(tmp_path / f"f{i}.fits")
            header = fits.Header([(k, v) for k, v in cards.items()])
            fits.PrimaryHDU(np.zeros((4, 5), np.int16), header).writeto(paths[-1], overwrite=True)
        g = Graph()
        found = g.add("TimeAxis", frames=g.add("ReadSeries", paths=tuple(map(str, paths))), **params).value()
        assert isinstance(found, dict)
        return found

    return build


def starts(*seconds: float, **more: Any) -> list[Cards]:
    return [{"DATE-OBS": f"2025-01-15T20:00:{s:06.3f}", "EXPTIME": 2.0, **more} for s in seconds]


def test_the_middle_is_half_an_exposure_after_the_start(axis: Callable[..., Any]) -> None:
    v = axis(starts(0.0, 5.0, 10.25))
    assert v["epoch"] == "2025-01-15T00:00:00"
    assert v["times_ns"] == [72001 * 10**9, 72006 * 10**9, 72011 * 10**9 + 250_000_000]
    assert (v["scale"], v["reference"], v["exposure_s"]) == ("utc", "topocentric", [2.0] * 3)
    assert v["source"] == "DATE-OBS + exposure/2"


@pytest.mark.parametrize(
    ("cards", "expected", "source"),
    [
        ({"DATE-AVG": "2025-01-15T20:00:09.5"}, 72009.5, "DATE-AVG"),
        ({"MJD-AVG": 60690.83344907407}, 72010.0, "MJD-AVG"),
        ({"DATE-BEG": "2025-01-15T20:00:07", "DATE-OBS": "2025-01-15"}, 72008.0, "DATE-BEG + exposure/2"),
        ({"DATE-OBS": "2025-01-15", "TIME-OBS": "20:00:07"}, 72008.0, "DATE-OBS + exposure/2"),
        ({"DATE-OBS": "2025-01-15T13:00:07-0700"}, 72008.0, "DATE-OBS + exposure/2"),
        ({"MJD-OBS": 60690.83341435185}, 72008.0, "MJD-OBS + exposure/2"),
    ],
)
def test_times_are_taken_from_the_best_word(
    axis: Callable[..., Any], cards: Cards, expected: float, source: str
) -> None:
    v = axis([{"EXPTIME": 2.0, **cards}])
    assert seconds_of(v)[0] == pytest.approx(expected, abs=2e-3)
    assert v["source"] == source


def test_the_middle_counts_before_the_start(axis: Callable[..., Any]) -> None:
    v = axis([{"DATE-AVG": "2025-01-15T20:00:09", "DATE-OBS": "2025-01-15T20:00:00", "EXPTIME": 2.0}])
    assert seconds_of(v).tolist() == [72009.0]


@pytest.mark.parametrize(
    ("system", "scale", "shift"),
    [("UTC", "utc", 0.0), ("TT", "tai", -32.184), ("GPS", "tai", 19.0), ("TDB", "tdb", 0.0)],
)
def test_clocks_are_kept_or_converted(axis: Callable[..., Any], system: str, scale: str, shift: float) -> None:
    v = axis(starts(40.0, TIMESYS=system))
    assert v["scale"] == scale
    assert seconds_of(v)[0] == pytest.approx(72041.0 + shift, abs=1e-9)


def test_clocks_that_are_not_known_are_refused(axis: Callable[..., Any]) -> None:
    with pytest.raises(EngineError, match="scale 'ut1' cannot be converted"):
        axis(starts(0.0, TIMESYS="UT1"))
    with pytest.raises(EngineError, match="one scale and reference wanted, got image 0 utc topocentric, image 1 tdb"):
        axis([*starts(0.0), *starts(5.0, TIMESYS="TDB")])


@pytest.mark.parametrize(
    ("seconds", "quantum"),
    [((0.0, 5.001, 10.0), 0.001), ((0.0, 5.0, 11.0), 1.0), ((0.0, 5.0, 10.0), 0.001), ((0.0, 5.5, 10.0), 0.5)],
)
def test_the_quantum_is_what_the_stamps_tell(
    axis: Callable[..., Any], seconds: Sequence[float], quantum: float
) -> None:
    assert axis(starts(*seconds))["quantum_s"] == pytest.approx(quantum)


def test_frames_without_time_are_named(axis: Callable[..., Any]) -> None:
    with pytest.raises(EngineError, match=r"TIME-1: 4 of 5 frames.*image 1, image 2, image 3 \(m.fit\) and 1 more"):
        axis([*starts(0.0), {}, {"DATE-OBS": "2025-01-15"}, {"FILENAME": "m.fit"}, {}])


def test_frames_of_one_time_are_refused_or_dropped(axis: Callable[..., Any]) -> None:
    with pytest.raises(EngineError, match="TIME-2: images of one time: 0 and 1"):
        axis(starts(0.0, 0.0, 5.0))
    v = axis(starts(0.0, 0.0, 5.0), on_duplicate="drop")
    assert v["order"] == [0, 2]
    assert len(v["times_ns"]) == 3
    assert "left out: 1" in v["notes"][0]


def test_frames_out_of_order_are_refused_or_sorted(axis: Callable[..., Any]) -> None:
    with pytest.raises(EngineError, match="TIME-2: image 1 was taken 5 s before image 0"):
        axis(starts(5.0, 0.0, 10.0))
    v = axis(starts(5.0, 0.0, 10.0), on_disorder="sort")
    assert v["order"] == [1, 0, 2]
    assert np.diff(seconds_of(v)).tolist() == [5.0, 5.0]


def test_a_clock_that_was_set_back_is_found(axis: Callable[..., Any]) -> None:
    with pytest.raises(EngineError, match=r"TIME-3.*image 2 begins 1.5 s before image 1 ends"):
        axis(starts(0.0, 5.0, 5.5, 10.0))
    assert len(axis(starts(0.0, 5.0, 5.5, 10.0), on_clock_step="keep")["order"]) == 4


def test_a_step_of_coarse_stamps_is_found(axis: Callable[..., Any]) -> None:
    """Whole seconds, a cadence of 5 s, and once 8 s: no multiple, and coarse for a period of 14.8 s."""
    seconds = (0, 5, 10, 15, 20, 28, 33, 38, 43, 48)
    with pytest.raises(EngineError, match=r"TIME-3.*8 s before image 5 are no multiple of the cadence"):
        axis(starts(*map(float, seconds)), trv="[TRV:14.8s]")
    assert axis(starts(*map(float, seconds)))["quantum_s"] == 1.0
    assert axis(starts(*map(float, seconds)), trv="[TRV:1h]")["quantum_s"] == 1.0


def test_an_unknown_exposure_is_told(axis: Callable[..., Any]) -> None:
    v = axis([{"DATE-OBS": "2025-01-15T20:00:00.5"}])
    assert v["exposure_s"] == [0.0]
    assert "no exposure is known" in v["notes"][0]


# -- tables -----------------------------------------------------------------------------------------


def test_a_table_tells_by_name_what_headers_do_not(axis: Callable[..., Any], tmp_path: Path) -> None:
    table = tmp_path / "times.csv"
    table.write_text("filename,time,exposure\nsub/f2.fits,2025-01-15T20:00:31.25,4\nf0.fits,60690.75,\n")
    names = ("a/f0.fits", "f1.fits", "f2.fits")
    v = axis([{}, *starts(20.0), *starts(30.0)], table=str(table), names=names, on_disorder="sort")
    assert seconds_of(v).tolist() == [64800.0, 72021.0, 72031.25]
    assert v["exposure_s"] == [0.0, 2.0, 4.0]
    assert v["source"] == "table, DATE-OBS + exposure/2"


def test_a_table_without_names_has_a_row_a_frame(axis: Callable[..., Any], tmp_path: Path) -> None:
    table = tmp_path / "times.csv"
    table.write_text("# mine\nf0;2458107.7101\nf1;2458107.7201\n")
    assert axis([{}, {}], table=str(table))["epoch"] == "2017-12-20T00:00:00"
    with pytest.raises(EngineError, match="2 rows for 1 frames"):
        axis([{}], table=str(table))
    table.write_text("name\tbjd_tdb\nx\t2458107.7101\n")
    v = axis([{}], table=str(table))
    assert (v["scale"], v["reference"]) == ("tdb", "barycentric")
    assert julian_dates(v, seconds_of(v))[0] == pytest.approx(2458107.7101, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "is empty"), ("f0,noon\n", "got 'noon'"), ("f0,123.5\n", "got '123.5'"),
     ("f0,2025-01-15T20:00:00,long\n", "got 'long'"),
     ("f0,2025-01-15T20:00:00\nf0,2025-01-15T20:00:01\n", "'f0' two times")],
)  # fmt: skip
def test_tables_that_do_not_fit_are_refused(axis: Callable[..., Any], tmp_path: Path, text: str, told: str) -> None:
    table = tmp_path / "times.csv"
    table.write_text(text)
    with pytest.raises(EngineError, match=told):
        axis([{}], table=str(table), names=("f0",))


# -- the way of light -------------------------------------------------------------------------------

SITE, TARGET = (-110.88, 31.68, 2300.0), (31.04273, 46.68785)


def heliocentric_delay(julian_date: float, ra: float, dec: float) -> float:
    """Seconds by which light reaches the Sun later than Earth, by the low-precision Sun of the Astronomical Almanac."""
    n = julian_date - 2451545.0
    g = math.radians(357.528 + 0.9856003 * n)
    longitude = math.radians(280.460 + 0.9856474 * n + 1.915 * math.sin(g) + 0.020 * math.sin(2 * g))
    distance = 1.00014 - 0.01671 * math.cos(g) - 0.00014 * math.cos(2 * g)
    tilt = math.radians(23.439 - 4e-7 * n)
    sun = np.array([math.cos(longitude), math.cos(tilt) * math.sin(longitude), math.sin(tilt) * math.sin(longitude)])
    a, d = math.radians(ra), math.radians(dec)
    star = np.array([math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)])
    return float(-distance * (sun @ star) * 499.004784)


def test_barycentric_times_agree_with_the_suns_place(axis: Callable[..., Any]) -> None:
    headers = [{"DATE-OBS": f"2017-12-20T{h:02}:00:00.1", "EXPTIME": 60.0} for h in range(1, 10)]
    plain, bary = axis(headers, barycentric="off"), axis(headers, barycentric="on", site=SITE, target=TARGET)
    assert (bary["scale"], bary["reference"], bary["notes"]) == ("tdb", "barycentric", [])
    light = seconds_of(bary) - seconds_of(plain) - 69.184  # TDB - UTC in 2017, to 2 ms
    told = np.array([heliocentric_delay(d, *TARGET) for d in julian_dates(plain, seconds_of(plain))])
    # The Sun is up to 4.5 light seconds from the barycentre; over a night that hardly changes.
    assert np.abs(light - told).max() < 4.5
    assert np.ptp(light - told) < 0.1
    assert np.ptp(light) > 1.0


def test_the_correction_is_made_where_it_matters(axis: Callable[..., Any]) -> None:
    words = {"SITELAT": 31.68, "SITELONG": -110.88, "RA": 31.04273, "DEC": 46.68785, "EXPTIME": 60.0}
    headers = [{"DATE-OBS": f"2017-12-20T{h:02}:00:00.1", **words} for h in range(1, 10)]
    assert axis(headers, trv="[TRV:100s]")["reference"] == "barycentric"
    slow = axis(headers, trv="[TRV:2.150008d]")
    assert (slow["reference"], "changes by" in slow["notes"][0]) == ("topocentric", True)
    assert axis(headers, trv="[TRV:100s;bary=off]")["reference"] == "topocentric"
    assert axis(headers, trv="[TRV:2.150008d;bary=on]")["reference"] == "barycentric"
    assert "no period" in axis(headers)["notes"][0]
    assert "target and site unknown" in axis(starts(0.0), trv="[TRV:100s]")["notes"][0]
    with pytest.raises(EngineError, match="wants target and site"):
        axis(starts(0.0), barycentric="on")


def test_times_of_the_barycentre_stay(axis: Callable[..., Any]) -> None:
    v = axis(starts(0.0, TIMESYS="TDB", TREFPOS="BARYCENTER"), barycentric="on")
    assert (v["reference"], seconds_of(v)[0]) == ("barycentric", 72001.0)


def test_years_beyond_the_tables_of_earths_turn_are_doubtful(axis: Callable[..., Any]) -> None:
    headers = [{"DATE-OBS": "2049-06-01T20:00:00.5", "EXPTIME": 1.0}]
    v = axis(headers, barycentric="on", site=SITE, target=TARGET)
    assert any("barycentric correction is degraded" in n for n in v["notes"])


def test_the_centre_of_a_solution_is_the_target(axis: Callable[..., Any]) -> None:
    wcs = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": TARGET[0], "CRVAL2": TARGET[1], "CRPIX1": 3.0,
           "CRPIX2": 2.5, "CDELT1": -0.001, "CDELT2": 0.001}  # fmt: skip
    cards = {"DATE-OBS": "2017-12-20T05:00:00.1", "EXPTIME": 60.0, "SITELAT": 31.68, "SITELONG": -110.88}
    by_wcs = axis([{**cards, **wcs, "RA": 120.0, "DEC": 5.0}], barycentric="on")
    given = axis([cards], barycentric="on", target=TARGET)
    assert by_wcs["times_ns"] == pytest.approx(given["times_ns"], abs=100)


@pytest.mark.parametrize(
    ("params", "told"),
    [({"trv": "[TRV:5]"}, "TRV-1"), ({"names": ("a",)}, "no table"), ({"target": (10.0, 91.0)}, "target must lie"),
     ({"site": (0.0, 91.0, 0.0)}, "site must lie")],
)  # fmt: skip
def test_parameters_that_do_not_fit_are_refused(params: dict[str, Any], told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        Graph().add("TimeAxis", frames=(), **params)


def test_a_transits_night_has_its_times(real_data: Callable[[str], Path]) -> None:
    """The first two and the last of 142 frames; their MJD-OBS is rounded to 0.001 d, DATE-OBS is local."""
    folder = real_data("hatp32-microobservatory")
    files = sorted(folder.glob("*.fz"))
    assert len(files) == 142
    chosen = [*files[:2], files[71], files[-1]]
    g = Graph()
    frames = g.add("ReadSeries", paths=tuple(map(str, chosen)))
    v = g.add("TimeAxis", frames=frames).value()
    told = []
    for path in chosen:
        header = fits.getheader(path, 1)
        told.append(np.datetime64(header["UT-OBS"].removesuffix("-0000")) + np.timedelta64(30, "s"))
    since = [(t - np.datetime64(v["epoch"])) / np.timedelta64(1, "ns") for t in told]
    assert v["times_ns"] == since
    assert v["quantum_s"] == pytest.approx(0.001)
    bary = g.add("TimeAxis", frames=frames, barycentric="on", site=SITE, target=TARGET, name="bary").value()
    assert julian_dates(bary, seconds_of(bary))[0] == pytest.approx(2458107.5699, abs=1e-4)
