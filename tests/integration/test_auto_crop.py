"""AutoCrop against rectangles found by trying all, and against simulated dithers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lerarlink import Graph
from lerarlink.engine.api import Box, Frame, Known, ParameterError
from lerarlink.engine.errors import EngineError
from lerarlink.engine.store import Store
from lerarlink.nodes.integration.auto_crop import AutoCrop, largest


def read(g: Graph, path: Path, pixels: Any, **words: Any) -> Any:
    header = fits.Header([("LERBLO", 0.0), ("LERBHI", 1.0), ("ROWORDER", "TOP-DOWN"), *words.items()])
    fits.PrimaryHDU(np.asarray(pixels, np.float32), header).writeto(path)
    return g.add("ReadImage", name=path.stem, path=str(path))


def box_of(node: Any) -> tuple[int, ...]:
    return tuple(node.output("crop").value()["box"])


def overlaps(height: int, width: int, shifts: list[tuple[int, int]]) -> Any:
    """Return how many of frames shifted by (dy, dx) cover each pixel."""
    count = np.zeros((height, width))
    for dy, dx in shifts:
        count[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)] += 1
    return count


@pytest.mark.parametrize("seed", range(8))
def test_no_rectangle_within_the_spans_is_larger(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, last = rng.integers(0, 9, 14), rng.integers(6, 16, 14)
    sizes = {}
    for y0 in range(14):
        for y1 in range(y0 + 1, 15):
            x0, x1 = first[y0:y1].max(), last[y0:y1].min()
            if x1 > x0:
                sizes[y0, int(x0), y1, int(x1)] = (y1 - y0) * (x1 - x0)
    found = largest(np.stack([first, last]))
    assert found.height * found.width == max(sizes.values())
    assert tuple(found) in sizes


def test_dithered_frames_leave_their_common_part(tmp_path: Path) -> None:
    shifts = [(0, 0), (5, -3), (-7, 2), (1, 11), (2, 2)]
    coverage = overlaps(120, 160, shifts) / 5
    image = np.random.default_rng(0).normal(0.5, 0.1, coverage.shape)
    g = Graph()
    maps = [read(g, tmp_path / "c.fits", coverage)]
    node = g.add("AutoCrop", image=read(g, tmp_path / "i.fits", image), coverage=maps)
    assert box_of(node) == (5, 11, 113, 157)
    assert np.array_equal(node.output("image").image.compute()[0], image[5:113, 11:157].astype(np.float32))
    half = g.add("AutoCrop", image=g["i"], coverage=[g["c"]], threshold=0.6)
    assert box_of(half) == (2, 2, 120, 160)


def test_pixels_that_rejection_took_out_are_no_border(tmp_path: Path) -> None:
    coverage = overlaps(120, 160, [(0, 0), (6, 4)])
    rng = np.random.default_rng(1)
    coverage[rng.integers(8, 118, 300), rng.integers(8, 150, 300)] -= 1
    coverage[60, 70:90] = np.nan
    g = Graph()
    node = g.add("AutoCrop", image=read(g, tmp_path / "c.fits", coverage), coverage=[g["c"]])
    assert box_of(node) == (6, 4, 120, 160)


def test_turned_frames_leave_a_covered_rectangle(tmp_path: Path) -> None:
    y, x = np.mgrid[:200, :300] - np.array([99.5, 149.5])[:, None, None]
    c, s = np.cos(0.05), np.sin(0.05)
    turned = (np.abs(c * x - s * y) < 150) & (np.abs(s * x + c * y) < 100)
    g = Graph()
    node = g.add("AutoCrop", image=read(g, tmp_path / "c.fits", 1.0 + turned), coverage=[g["c"]])
    kept = Box(*box_of(node))
    assert turned[kept.y0 : kept.y1, kept.x0 : kept.x1].all()
    # The largest upright rectangle in a turned one of a x b, a > b, both ends free: known formula.
    a, b, sin, cos = 300.0, 200.0, np.sin(0.05), np.cos(0.05)
    w, h = (a * cos - b * sin) / np.cos(0.1), (b * cos - a * sin) / np.cos(0.1)
    assert kept.width * kept.height == pytest.approx(w * h, rel=0.02)


def test_several_maps_and_channels_are_all_covered(tmp_path: Path) -> None:
    g = Graph()
    one, two = np.ones((50, 60)), np.full((3, 50, 60), 7.0)
    one[:4] = 0.2
    two[1, :, 55:] = 0.0
    maps = [read(g, tmp_path / "one.fits", one), read(g, tmp_path / "two.fits", two)]
    image = read(g, tmp_path / "i.fits", np.ones((50, 60)))
    found = g.add("AutoCrop", image=image, coverage=maps)
    assert box_of(found) == (4, 0, 50, 55)
    assert box_of(g.add("AutoCrop", image=image, coverage=maps, margin=3)) == (7, 3, 47, 52)
    same = g.add("AutoCrop", image=maps[1], crop=found.output("crop"))
    assert same.output("image").image.compute().shape == (3, 46, 55)


def test_without_a_map_missing_borders_go(tmp_path: Path) -> None:
    pixels = np.ones((40, 50))
    pixels[:, :6] = np.nan
    pixels[33:] = np.nan
    pixels[20, 20] = np.nan
    g = Graph()
    assert box_of(g.add("AutoCrop", image=read(g, tmp_path / "i.fits", pixels))) == (0, 6, 33, 50)


def test_the_sky_stays_where_it_was(tmp_path: Path) -> None:
    words = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX1": 30.0, "CRPIX2": 20.0,
        "CD1_1": -1e-3, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1e-3,
    }  # fmt: skip
    pixels = np.ones((40, 50))
    pixels[:5] = np.nan
    pixels[:, :7] = np.nan
    g = Graph()
    node = g.add("AutoCrop", image=read(g, tmp_path / "i.fits", pixels, **words))
    node.output("crop").value()
    g.add("WriteImage", name="out", image=node.output("image"), path=str(tmp_path / "o.fits"))
    g.run()
    header = fits.getheader(tmp_path / "o.fits")
    assert (header["NAXIS1"], header["NAXIS2"]) == (43, 35)
    kept = WCS(header).pixel_to_world_values(3, 4)
    assert np.allclose(kept, WCS(fits.Header(words)).pixel_to_world_values(10, 9), atol=1e-12)


def test_strips_and_threads_do_not_matter_to_a_crop(tmp_path: Path) -> None:
    coverage = overlaps(120, 160, [(0, 0), (5, -3)])
    g = Graph()
    node = g.add("AutoCrop", image=read(g, tmp_path / "c.fits", coverage), coverage=[g["c"]])
    whole = node.output("image").image.compute(strip_samples=10**9, store=Store(tmp_path / "a"))
    thin = node.output("image").image.compute(strip_samples=200, workers=3, store=Store(tmp_path / "b"))
    assert whole.tobytes() == thin.tobytes()


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    g = Graph()
    nowhere = g.add("AutoCrop", image=read(g, tmp_path / "z.fits", np.zeros((9, 9))), coverage=[g["z"]])
    with pytest.raises(EngineError, match="coverage 0 is nowhere above 0"):
        nowhere.output("crop").value()
    narrow = g.add("AutoCrop", image=read(g, tmp_path / "o.fits", np.ones((9, 9))), margin=5)
    with pytest.raises(EngineError, match="9x9 px is covered everywhere"):
        narrow.output("crop").value()
    image = Frame(width=9, height=9)
    with pytest.raises(ParameterError, match="coverage 1 is 8x9, the image 9x9"):
        AutoCrop().frame(Known(frames={"image": image, "coverage": (image, Frame(width=8, height=9))}))
    with pytest.raises(ParameterError, match="mosaic"):
        AutoCrop().frame(Known(frames={"image": Frame(width=9, height=9, cfa="RGGB")}))
    told = {"box": [0, 0, 4, 4], "height": 9, "width": 8}
    with pytest.raises(ParameterError, match="found on images of 8x9, this one is 9x9"):
        AutoCrop().frame(Known(frames={"image": image}, values={"crop": told}, measured=told))


def test_a_trail_from_border_to_border_is_no_border(tmp_path: Path) -> None:
    coverage = overlaps(120, 160, [(0, 0), (5, -3), (-7, 2), (1, 11), (2, 2)]) / 5
    whole = coverage.copy()
    y, x = np.mgrid[:120, :160]
    coverage[np.abs(y - 60 - 0.1 * x) < 3] -= 0.2  # nearly along the rows
    coverage[np.abs(x - 40 - 0.2 * y) < 3] -= 0.2
    g = Graph()
    image = read(g, tmp_path / "i.fits", np.ones(whole.shape))
    boxes = [
        box_of(g.add("AutoCrop", image=image, coverage=[read(g, tmp_path / f"{n}.fits", c)]))
        for n, c in (("whole", whole), ("crossed", coverage))
    ]
    assert boxes[0] == boxes[1] == (5, 11, 113, 157)
