"""ImageDifference against numpy on whole arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine.errors import GraphError
from lerarlink.engine.graph import Node

Pixels = npt.NDArray[np.float32]


def difference(tmp_path: Path, a: Pixels, b: Pixels) -> Node:
    g = Graph()
    for name, pixels in (("a", a), ("b", b)):
        fits.writeto(tmp_path / f"{name}.fits", pixels)
        g.add("ReadImage", name=name, path=str(tmp_path / f"{name}.fits"))
    return g.add("ImageDifference", image=g["a"], reference=g["b"])


def noise(shape: tuple[int, ...], seed: int) -> Pixels:
    return np.random.default_rng(seed).normal(0.4, 0.1, shape).astype(np.float32)


def test_figures_are_those_of_numpy(tmp_path: Path) -> None:
    a, b = noise((3, 130, 70), 1), noise((3, 130, 70), 2)
    a[0, 5, 6], b[1, 100, 2] = np.nan, np.nan
    value = difference(tmp_path, a, b).value()
    for x, y, told in zip(a, b, value["channels"], strict=True):
        d = x.astype(np.float64) - y
        sizes = np.abs(x - y)
        assert told["count"] == np.isfinite(d).sum()
        assert told["missing_in_one"] == np.isnan(d).sum()
        assert told["mean"] == pytest.approx(np.nanmean(d), rel=1e-12)
        assert told["rms"] == pytest.approx(np.sqrt(np.nanmean(d**2)), rel=1e-6)
        assert told["maximum"] == np.nanmax(sizes)
        assert sizes[tuple(told["maximum_at"])] == told["maximum"]
        for p, v in told["percentiles"]:
            assert v == pytest.approx(np.nanpercentile(sizes.astype(np.float64), p), rel=1e-6)
    assert (value["equal"], value["box"]) == (False, [0, 0, 130, 70])


def test_the_box_is_that_of_what_changed(tmp_path: Path) -> None:
    a = noise((200, 90), 3)
    b = a.copy()
    b[40, 17] += 1.0
    b[170, 33] = np.nan
    value = difference(tmp_path, a, b).value()
    (told,) = value["channels"]
    assert (value["equal"], value["box"]) == (False, [40, 17, 171, 34])
    assert (told["changed"], told["missing_in_one"], told["maximum_at"]) == (2, 1, [40, 17])
    assert told["percentiles"][0][1] == 0.0


def test_an_image_equals_itself_with_what_is_missing(tmp_path: Path) -> None:
    a = noise((50, 40), 4)
    a[10:20, 5] = np.nan
    node = difference(tmp_path, a, a)
    value = node.value()
    assert (value["equal"], value["box"], value["channels"][0]["maximum"]) == (True, None, 0.0)
    np.testing.assert_array_equal(node.compute()[0], a - a)


def test_sizes_that_differ_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="wanted images of one size, got 30 x 40 x 1 and 30 x 41 x 1"):
        difference(tmp_path, noise((40, 30), 1), noise((41, 30), 1)).value()
