"""Taking mosaics apart and putting them together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lerarlink.engine.errors import EngineError

PORTS = ("cfa_00", "cfa_01", "cfa_10", "cfa_11")
WORDS = (("CTYPE1", "RA---TAN", ""), ("CTYPE2", "DEC--TAN", ""), ("CRPIX1", 5.5, ""), ("CRPIX2", 3.5, ""),
         ("CRVAL1", 10.0, ""), ("CRVAL2", 20.0, ""), ("CD1_1", -0.001, ""), ("CD1_2", 0.0002, ""),
         ("CD2_1", 0.0002, ""), ("CD2_2", 0.001, ""))  # fmt: skip
RAW = np.random.default_rng(3).normal(100, 10, (10, 14)).astype(np.float32)


@pytest.mark.parametrize("cut", [0, 1])
def test_each_plane_has_the_samples_of_its_place(mosaic: Any, cut: int) -> None:
    image = mosaic(RAW[: 10 - cut, : 14 - cut], cfa="RGGB")
    split = image._graph.add("SplitCFA", image=image)
    for port in PORTS:
        y, x = int(port[-2]), int(port[-1])
        got = split.output(port).image.compute(strip_samples=1)
        assert np.array_equal(got[0], RAW[y : 10 - 2 * cut : 2, x : 14 - 2 * cut : 2])
        assert split.output(port).image.frame.cfa is None


def test_merging_what_was_split_gives_the_mosaic_back(mosaic: Any) -> None:
    image = mosaic(RAW, cfa="GBRG", wcs=WORDS)
    g = image._graph
    split = g.add("SplitCFA", image=image)
    merged = g.add("MergeCFA", cfa_pattern="GBRG", **{p: split.output(p) for p in PORTS})
    for samples in (1, 3 * 14, 10**6):
        assert np.array_equal(merged.compute(strip_samples=samples)[0], RAW)
    assert merged.image.frame == image.image.frame


def test_every_sample_keeps_its_place_on_the_sky(mosaic: Any) -> None:
    image = mosaic(RAW, cfa="GBRG", wcs=WORDS)
    split = image._graph.add("SplitCFA", image=image)

    def sky(cards: Any, x: float, y: float) -> Any:
        return WCS(fits.Header([(k, v) for k, v, _ in cards])).pixel_to_world_values(x, y)

    for port in PORTS:
        y, x = int(port[-2]), int(port[-1])
        cards = split.output(port).image.frame.wcs
        np.testing.assert_allclose(sky(cards, 4, 2), sky(WORDS, 8 + x, 4 + y), rtol=0, atol=1e-11)


def test_planes_of_different_sizes_are_refused(mosaic: Any) -> None:
    one = mosaic(RAW)
    other = mosaic(RAW[:8], graph=one._graph)
    with pytest.raises(EngineError, match="cfa_10 is 14x8"):
        _ = one._graph.add("MergeCFA", cfa_00=one, cfa_01=one, cfa_10=other, cfa_11=one).image.frame


def test_missing_samples_keep_their_places(mosaic: Any) -> None:
    holed = RAW.copy()
    holed[3, 4:7] = np.nan
    image = mosaic(holed, cfa="RGGB")
    split = image._graph.add("SplitCFA", image=image)
    counts = [int(np.isnan(split.output(p).image.compute()).sum()) for p in PORTS]
    assert counts == [0, 0, 2, 1]
    merged = image._graph.add("MergeCFA", **{p: split.output(p) for p in PORTS})
    assert np.array_equal(merged.compute()[0], holed, equal_nan=True)
