"""IntegerResample against numpy on reshaped blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.errors import ParameterError
from lerarlink.engine.frame import Frame
from lerarlink.engine.process import Known
from lerarlink.nodes.geometry.integer_resample import IntegerResample

Render = Callable[..., np.ndarray]
TRUTH: dict[str, Any] = {
    "average": np.nanmean, "median": np.nanmedian, "maximum": np.nanmax, "minimum": np.nanmin,
}  # fmt: skip


def noise(height: int, width: int) -> np.ndarray:
    a = np.random.default_rng(5).normal(500, 100, (3, height, width)).astype(np.float32)
    a[0, 1, 1:3] = np.nan
    return a


@pytest.mark.parametrize("mode", TRUTH)
@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("rows", [100, 1, 3])
def test_a_block_becomes_its_statistic(render: Render, mode: str, n: int, rows: int) -> None:
    image = noise(23, 17)
    h, w = 23 // n, 17 // n
    blocks = image[:, : h * n, : w * n].astype(float).reshape(3, h, n, w, n).transpose(0, 1, 3, 2, 4)
    truth = TRUTH[mode](blocks.reshape(3, h, w, n * n), axis=-1)
    out = render(IntegerResample(zoom_factor=-n, downsampling_mode=mode), image, rows, 4)
    np.testing.assert_allclose(out, truth, rtol=1e-7)


def test_a_block_without_samples_is_missing(render: Render) -> None:
    image = noise(8, 8)
    image[1, 2:4, 4:6] = [[np.nan, np.inf], [-np.inf, np.nan]]
    for mode in TRUTH:
        out = render(IntegerResample(downsampling_mode=mode), image)
        assert np.isnan(out[1, 1, 2]) and np.isfinite(out).sum() == out.size - 1


@pytest.mark.parametrize("n", [2, 3])
def test_enlarging_repeats(render: Render, n: int) -> None:
    image = noise(5, 7)
    truth = image.repeat(n, axis=1).repeat(n, axis=2)
    for rows, columns in ((100, 100), (1, 2), (4, 5)):
        np.testing.assert_array_equal(render(IntegerResample(zoom_factor=n), image, rows, columns), truth)


@pytest.mark.parametrize("n", [0, 1, -1])
def test_no_zoom_is_the_image_even_of_a_mosaic(render: Render, n: int) -> None:
    image = noise(4, 4)[:1]
    np.testing.assert_array_equal(render(IntegerResample(zoom_factor=n), image, cfa="RGGB"), image)


def test_mosaics_and_tiny_images_are_refused() -> None:
    with pytest.raises(ParameterError, match="Debayer"):
        IntegerResample().frame(Known(frames={"image": Frame(width=8, height=8, cfa="RGGB")}))
    with pytest.raises(ParameterError, match="9 x 9 pixels do not fit into an image of 20 x 8"):
        IntegerResample(zoom_factor=-9).frame(Known(frames={"image": Frame(width=20, height=8)}))


def test_the_solution_follows_the_pixel_edges() -> None:
    cards = (("CRPIX1", 0.5, ""), ("CRPIX2", 6.5, ""), ("CDELT1", 1.0, ""), ("CDELT2", 1.0, ""))
    known = Known(frames={"image": Frame(width=20, height=10, wcs=cards)})
    reduced = {k: v for k, v, _ in IntegerResample(zoom_factor=-3).frame(known).wcs}
    assert reduced == {"CRPIX1": 0.5, "CRPIX2": 2.5, "CDELT1": 3.0, "CDELT2": 3.0}
    enlarged = {k: v for k, v, _ in IntegerResample(zoom_factor=2).frame(known).wcs}
    assert enlarged == {"CRPIX1": 0.5, "CRPIX2": 12.5, "CDELT1": 0.5, "CDELT2": 0.5}
