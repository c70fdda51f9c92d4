"""Regions carried from image to image: through crops, turns, resampling, registration and celestial solutions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lerarlink import Graph
from lerarlink.engine.api import Known, Port, Process, param
from lerarlink.engine.errors import EngineError


class TurnedTransform(Process, id="test.turned_transform"):
    """A transform that turns and scales, about the first pixel, and moves."""

    inputs = ()
    outputs = (Port("transform", "transform"),)
    degrees: float = param(default=0.0, doc="angle")
    scale: float = param(default=1.0, doc="image pixels a reference pixel")
    dx: float = param(default=0.0, doc="columns")
    dy: float = param(default=0.0, doc="rows")

    def compute(self, known: Known) -> Any:
        c, s = (self.scale * f(math.radians(self.degrees)) for f in (math.cos, math.sin))
        matrix = np.array([[c, -s, self.dx], [s, c, self.dy], [0.0, 0.0, 1.0]])
        return {
            "kind": "affine", "inverse": [{"matrix": matrix}], "forward": [{"matrix": np.linalg.inv(matrix)}],
        }  # fmt: skip


def corners(region: dict[str, Any]) -> Any:
    """Return the places where a dense polygon turns."""
    points = np.asarray(region["polygons"][0])
    edges = np.roll(points, -1, axis=0) - points
    before = np.roll(edges, 1, axis=0)
    turns = before[:, 0] * edges[:, 1] - before[:, 1] * edges[:, 0]
    return points[np.abs(turns) > 1e-6 * np.abs(edges).max() ** 2]


def region_of(graph: Graph, image: Any, area: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = graph.add("Region", image=image, area=area, **more).value()
    return found


def test_a_region_goes_through_crop_half_size_turn_and_flip_and_back(given: Callable[..., Any]) -> None:
    g = Graph()
    first = given(g, np.zeros((200, 300)), bounds=(0.0, 1.0))
    crop = g.add("Crop", image=first, left=20, top=10, right=20, bottom=10)
    half = g.add("Resample", image=crop, x_size=0.5, y_size=0.5)
    turn = g.add("Rotate", image=half, angle=90)
    flip = g.add("Flip", image=turn)
    there = region_of(g, flip, "rect 100,60,64,48", anchor=first)
    assert there["coverage"] == pytest.approx(1.0)
    assert there["size"] == pytest.approx(64 * 48 / 4, rel=0.005)
    text = "polygon " + " ".join(f"{x!r},{y!r}" for x, y in corners(there).tolist())
    back = region_of(g, first, text, anchor=flip)
    found = corners(back)
    wanted = np.array([(99.5, 59.5), (163.5, 59.5), (163.5, 107.5), (99.5, 107.5)])
    away = np.hypot(*(found[:, None] - wanted[None]).transpose(2, 0, 1)).min(axis=0)
    assert away.max() < 0.01


def test_a_turned_region_lies_where_the_registration_says(given: Callable[..., Any]) -> None:
    g = Graph()
    first = given(g, np.zeros((300, 300)), bounds=(0.0, 1.0))
    turned = g.add(TurnedTransform, degrees=37.0, scale=2.0, dx=120.0, dy=-60.0)
    warped = g.add(
        "Warp", image=first, transform=turned.output(), reference=given(g, np.ones((150, 150)), bounds=(0.0, 1.0))
    )
    there = region_of(g, warped, "rect 90,80,60,50", anchor=first)
    c, s = 2.0 * math.cos(math.radians(37.0)), 2.0 * math.sin(math.radians(37.0))
    matrix = np.linalg.inv(np.array([[c, -s], [s, c]]))
    wanted = (np.array([(89.5, 79.5), (149.5, 79.5), (149.5, 129.5), (89.5, 129.5)]) - (120.0, -60.0)) @ matrix.T
    away = np.hypot(*(corners(there)[:, None] - wanted[None]).transpose(2, 0, 1)).min(axis=0)
    assert away.max() < 0.01
    assert there["size"] == pytest.approx(60 * 50 / 4, rel=0.005)


def solution(angle: float, scale: float, pixel: tuple[float, float], bent: float = 0.0) -> fits.Header:
    """Return a celestial solution; *bent*: quadratic SIP terms, px at 100 px from the reference."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    h = fits.Header()
    h["CTYPE1"], h["CTYPE2"] = ("RA---TAN-SIP", "DEC--TAN-SIP") if bent else ("RA---TAN", "DEC--TAN")
    h["CRVAL1"], h["CRVAL2"], h["CRPIX1"], h["CRPIX2"] = 202.47, 47.2, *pixel
    k = scale / 3600.0
    h["CD1_1"], h["CD1_2"], h["CD2_1"], h["CD2_2"] = -k * c, k * s, k * s, k * c
    if bent:
        a = bent / 1e4
        h["A_ORDER"], h["B_ORDER"] = 2, 2
        h["A_2_0"], h["A_1_1"], h["B_0_2"], h["B_2_0"] = a, -0.5 * a, 0.7 * a, 0.3 * a
    return h


def solved(tmp_path: Any, g: Graph, name: str, shape: tuple[int, int], header: fits.Header) -> Any:
    header = header.copy()
    header["LERBLO"], header["LERBHI"], header["ROWORDER"] = 0.0, 1.0, "TOP-DOWN"
    fits.PrimaryHDU(np.zeros(shape, np.float32), header).writeto(tmp_path / f"{name}.fits")
    return g.add("ReadImage", name=name, path=str(tmp_path / f"{name}.fits"))


def test_a_region_goes_by_celestial_solutions_with_sip_and_back(tmp_path: Any) -> None:
    g = Graph()
    plain, bent = solution(0.0, 1.0, (150.5, 120.5)), solution(37.0, 2.0, (90.5, 90.5), bent=1.5)
    first, second = solved(tmp_path, g, "first", (240, 300), plain), solved(tmp_path, g, "second", (180, 180), bent)
    there = region_of(g, second, "rect 100,90,80,60", anchor=first)
    start = np.array([(99.5, 89.5), (179.5, 89.5), (179.5, 149.5), (99.5, 149.5)])
    sky = WCS(plain).all_pix2world(start, 0)
    wanted = WCS(bent).all_world2pix(sky, 0, tolerance=1e-7)
    points = np.asarray(there["polygons"][0])
    away = np.hypot(*(points[:, None] - wanted[None]).transpose(2, 0, 1)).min(axis=0)
    assert away.max() < 0.01
    text = "polygon " + " ".join(f"{x!r},{y!r}" for x, y in points.tolist())
    back = np.asarray(region_of(g, first, text, anchor=second)["polygons"][0])
    assert np.hypot(*(back[:, None] - start[None]).transpose(2, 0, 1)).min(axis=0).max() < 0.01


def chain(tmp_path: Any, g: Graph) -> tuple[Any, Any, Any, Any]:
    """Return an image, what a turn by 37 degrees, half the size and a crop make of it, another image of that sky whose
    solution bends, and the map of pixels from the first to the crop."""
    first = solved(tmp_path, g, "first", (300, 300), solution(0.0, 1.0, (150.5, 150.5)))
    turned = g.add(TurnedTransform, degrees=37.0, scale=1.0, dx=120.0, dy=-60.0)
    c, s = math.cos(math.radians(37.0)), math.sin(math.radians(37.0))
    back = np.linalg.inv(np.array([[c, -s], [s, c]]))
    x, y = back @ (149.5 - 120.0, 149.5 + 60.0) + 1.0
    ground = solved(tmp_path, g, "ground", (300, 300), solution(37.0, 1.0, (float(x), float(y))))
    warped = g.add("Warp", name="warped", image=first, transform=turned.output(), reference=ground)
    half = g.add("Resample", name="half", image=warped, x_size=0.5, y_size=0.5)
    crop = g.add("Crop", name="crop", image=half, left=20, top=10, right=20, bottom=10)
    bent = solved(tmp_path, g, "bent", (260, 260), solution(-11.0, 1.7, (120.5, 130.5), bent=1.2))

    def there(points: Any) -> Any:
        on_warped = (np.asarray(points) - (120.0, -60.0)) @ back.T
        return (on_warped + 0.5) / 2.0 - 0.5 - (20.0, 10.0)

    return first, crop, bent, there


def test_a_region_goes_through_turn_scale_crop_and_a_bent_sky_and_back(tmp_path: Any) -> None:
    g = Graph()
    first, crop, bent, _ = chain(tmp_path, g)
    text, image = "rect 100,90,60,50", first
    for nearer in (crop, bent, first):
        found = region_of(g, nearer, text, anchor=image)
        assert found["coverage"] == pytest.approx(1.0)
        text = "polygon " + " ".join(f"{x!r},{y!r}" for x, y in np.asarray(found["polygons"][0]).tolist())
        image = nearer
    start = np.array([(99.5, 89.5), (159.5, 89.5), (159.5, 139.5), (99.5, 139.5)])
    points = np.asarray(found["polygons"][0])
    assert np.hypot(*(points[:, None] - start[None]).transpose(2, 0, 1)).min(axis=0).max() < 0.01
    assert found["size"] == pytest.approx(60 * 50, rel=0.005)


def test_coverage_is_right_at_the_end_of_a_chain(tmp_path: Any) -> None:
    g = Graph()
    first, crop, _, there = chain(tmp_path, g)
    frame = crop.image.frame
    y, x = np.mgrid[0:1000, 0:1000] / 1000.0 * 100.0
    for left, top in ((150.0, 230.0), (170.0, 150.0), (0.0, 100.0)):
        u, v = there(np.stack([x.ravel() + left - 0.45, y.ravel() + top - 0.45], axis=1)).T
        inside = (u > -0.5) & (u < frame.width - 0.5) & (v > -0.5) & (v < frame.height - 0.5)
        assert 0.2 < inside.mean() < 0.95, "the region should lie partly beyond the frame"
        found = region_of(g, crop, f"rect {left:g},{top:g},100,100", anchor=first, min_coverage=0.1)
        assert found["coverage"] == pytest.approx(inside.mean(), abs=0.005)


def test_coverage_is_the_part_of_the_area_that_lies_on_the_image(given: Callable[..., Any]) -> None:
    g = Graph()
    image = given(g, np.zeros((100, 120)), bounds=(0.0, 1.0))
    assert region_of(g, image, "rect 100,20,40,40")["coverage"] == pytest.approx(0.5, abs=0.005)
    half = region_of(g, image, "circle 60,-0.5,20")
    assert half["coverage"] == pytest.approx(0.5, abs=0.005)
    assert half["size"] == pytest.approx(math.pi * 200.0, rel=0.005)
    ring = region_of(g, image, "annulus 60,50,10,20")
    assert ring["size"] == pytest.approx(math.pi * 300.0, rel=0.005)


def test_the_sky_and_parts_of_the_frame_are_anchors_too(tmp_path: Any) -> None:
    g = Graph()
    header = solution(20.0, 1.5, (100.5, 80.5), bent=0.8)
    image = solved(tmp_path, g, "solved", (160, 200), header)
    ra, dec = WCS(header).all_pix2world([[120.0, 60.0]], 0)[0]
    disc = region_of(g, image, f"sky circle {float(ra)!r},{float(dec)!r},30")
    assert (disc["x"], disc["y"]) == pytest.approx((120.0, 60.0), abs=0.2)
    assert disc["size"] == pytest.approx(math.pi * 400.0, rel=0.05)
    part = region_of(g, image, "relative rect 0.25,0.5,0.5,0.25")
    assert part["box"] == [80, 50, 120, 150]


def test_without_a_path_and_without_solutions_it_is_refused(given: Callable[..., Any]) -> None:
    g = Graph()
    one, other = (given(g, np.full((50, 60), v), bounds=(0.0, 1.0)) for v in (0.0, 1.0))
    with pytest.raises(EngineError, match=r"LRN-2: no path of processes .* solve them first"):
        region_of(g, one, "rect 10,10,20,20", anchor=other)
