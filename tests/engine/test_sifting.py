"""One pass after a look at some rows: the same order statistics as by two passes, whatever the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lerarlink.engine import sifting
from lerarlink.engine.process import Again
from lerarlink.engine.region import measure_tile_rows, strips, whole
from lerarlink.engine.summaries import Summaries, Summary

rng = np.random.default_rng(23)
SHAPE = (9000, 60)
FRACTIONS = (0.1, 0.5, 0.99)
SIFTING = Summaries(fractions=FRACTIONS, mad=True, moments=False)


@pytest.fixture(autouse=True)
def _small_images_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sifting, "LOOK", 1 << 13)
    monkeypatch.setattr(sifting, "_FEW", 256)
    monkeypatch.setattr("lerarlink.engine.region.MEASURE_TILE_SAMPLES", 60 * 50)


def taken(summaries: Summaries, image: np.ndarray) -> tuple[list[Summary], list[str], int]:
    """Return the summaries, what each pass was, and how many samples were seen."""
    box = whole(*image.shape[1:])
    state: Any = summaries.begin(box.height * box.width)
    passes, seen = [], 0
    while True:
        total = None
        for tile in strips(box, measure_tile_rows(box.width)):
            rows = summaries.needs(tile, state)
            seen += rows.height * rows.width
            part = summaries.measure(image[:, rows.y0 : rows.y1], state, tile)
            total = part if total is None else summaries.merge(total, part)
        passes.append("all" if state is None else next(iter(state)))
        result = summaries.finish(total, state)
        if not isinstance(result, Again):
            return result, passes, seen
        state = result.state


def _gaps() -> np.ndarray:
    image = rng.normal(1000, 10, SHAPE)
    image[rng.random(SHAPE) < 0.2] = np.nan
    image[0, :9] = np.inf, -np.inf, 3e38, -3e38, 0.0, -0.0, 1e-45, -1e-45, np.nan
    return image


CASES = {
    "sky": rng.normal(1000, 10, SHAPE),
    "gaps and extremes": _gaps(),
    "twelve bits": np.round(rng.normal(300, 20, SHAPE)),
    "one value": np.full(SHAPE, 7.0),
    "mostly zero": np.where(rng.random(SHAPE) < 0.8, rng.choice([0.0, -0.0], SHAPE), rng.random(SHAPE)),
    "two far levels": np.where(rng.random(SHAPE) < 0.5, 1.0, 1000.0),
    "noise about zero": rng.normal(0, 1, SHAPE),
    "a gradient over the rows": np.linspace(1, 2, SHAPE[0])[:, None] + rng.normal(0, 1e-4, SHAPE),
}


@pytest.mark.parametrize("name", CASES)
def test_median_mad_and_quantiles_are_those_of_numpy_for(name: str) -> None:
    plane = CASES[name].astype(np.float32)
    (s,), _, _ = taken(SIFTING, plane[None])
    x = plane[np.isfinite(plane)].astype(np.float64)
    assert (s.count, s.missing) == (x.size, plane.size - x.size)
    assert s.median == np.median(x)
    assert s.mad == np.median(np.abs(x - np.median(x)))
    assert s.quantiles == tuple(np.quantile(x, FRACTIONS))


def test_a_sky_takes_one_pass_and_a_sixteenth() -> None:
    _, passes, seen = taken(SIFTING, CASES["sky"].astype(np.float32)[None])
    assert passes == ["look", "sift"]
    assert seen == pytest.approx(CASES["sky"].size * 17 / 16, rel=0.01)


def test_rows_that_mislead_cost_passes_but_no_exactness() -> None:
    plane = CASES["sky"].astype(np.float32)
    for tile in strips(whole(*SHAPE), 50):
        rows = SIFTING.needs(tile, {"look": 1})
        plane[rows.y0 : rows.y1] += 500
    (s,), passes, _ = taken(SIFTING, plane[None])
    x = plane.astype(np.float64)
    assert passes[:3] == ["look", "sift", "all"]
    assert (s.median, s.mad) == (np.median(x), np.median(np.abs(x - np.median(x))))


def test_channels_are_told_apart_and_rows_without_samples_lead_to_all_rows() -> None:
    image = np.stack([CASES["sky"], np.full(SHAPE, np.nan)]).astype(np.float32)
    (sky, nothing), passes, _ = taken(SIFTING, image)
    assert sky.median == np.median(image[0].astype(np.float64))
    assert (nothing.count, nothing.missing) == (0, image[1].size)
    assert passes[:2] == ["look", "all"]


def test_small_images_and_wishes_for_moments_take_the_ordinary_passes() -> None:
    assert Summaries(moments=True).begin(1 << 40) is None
    assert Summaries(moments=False, above=0.0).begin(1 << 40) is None
    assert SIFTING.begin(1 << 10) is None
