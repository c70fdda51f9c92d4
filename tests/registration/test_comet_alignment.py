"""Alignment on a moving object: the comet rests, the stars trail."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine.api import Frame, Known, ParameterError, Word
from lerarlink.nodes.registration._maps import applied
from lerarlink.nodes.registration._sky_motion import pixels_an_hour
from lerarlink.nodes.registration.comet_motion import CometMotion
from lerarlink.nodes.registration.comet_transform import moved

Floats = npt.NDArray[np.float64]
HEIGHT, WIDTH = 240, 320
HOURS = (0.0, 0.25, 0.5, 0.85)
PLACE, VELOCITY = (120.0, 140.0), (40.0, -22.0)
# Degrees and shifts of the frames; one is on the other side of the meridian.
POSES = [(0.0, 0.0, 0.0), (0.3, 6.4, -3.7), (179.8, -4.2, 5.1), (-0.2, 2.6, 8.8)]


def posed(pose: tuple[float, float, float], x: Floats, y: Floats) -> tuple[Floats, Floats]:
    c, s = math.cos(math.radians(pose[0])), math.sin(math.radians(pose[0]))
    cx, cy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    return c * (x - cx) - s * (y - cy) + cx + pose[1], s * (x - cx) + c * (y - cy) + cy + pose[2]


def taken(at: int) -> Floats:
    rng = np.random.default_rng(3)
    x, y = rng.uniform(-20, WIDTH + 20, 90), rng.uniform(-20, HEIGHT + 20, 90)
    # No star where the comet passes, so that its centroid is its own.
    x = np.where(np.hypot((x - 137) / 2, y - 131) < 22, x + 140, x)
    x, y = np.append(x, PLACE[0] + VELOCITY[0] * HOURS[at]), np.append(y, PLACE[1] + VELOCITY[1] * HOURS[at])
    peak = np.append(np.minimum(200 * (rng.pareto(1.2, 90) + 1), 9000), 3000.0)
    x, y = posed(POSES[at], x, y)
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    image = np.random.default_rng(50 + at).normal(500, 4, (HEIGHT, WIDTH))
    for sx, sy, p in zip(x, y, peak, strict=True):
        image += p * np.exp(-((u - sx) ** 2 + (v - sy) ** 2) / (2 * 1.2**2))
    return image


@pytest.fixture
def night(tmp_path: Path) -> tuple[Graph, Any]:
    paths = []
    for at, hours in enumerate(HOURS):
        header = fits.Header()
        header["DATE-OBS"] = (dt.datetime(2025, 1, 1, 23, 40) + dt.timedelta(hours=hours)).isoformat()
        header["EXPTIME"] = 60.0
        paths.append(tmp_path / f"light{at}.fits")
        fits.PrimaryHDU(np.round(taken(at)).astype(np.uint16), header).writeto(paths[-1])
    g = Graph()
    return g, g.add("ReadSeries", paths=tuple(map(str, paths)))


def peak_near(image: Floats, x: float, y: float, reach: int = 12) -> tuple[float, float, float]:
    """Return place and height of the brightest spot, by the centroid of its core."""
    part = image[int(y) - reach : int(y) + reach + 1, int(x) - reach : int(x) + reach + 1] - 500.0
    i, j = np.unravel_index(np.argmax(part), part.shape)
    core = part[i - 3 : i + 4, j - 3 : j + 4]
    v, u = np.mgrid[-3:4, -3:4]
    return (
        int(x) - reach + j + float((u * core).sum() / core.sum()),
        int(y) - reach + i + float((v * core).sum() / core.sum()),
        float(part.max()),
    )


def test_the_comet_is_sharp_and_the_stars_are_not(night: tuple[Graph, Any]) -> None:
    g, series = night
    stars = g.add("StarAlignment", images=series, reference_index=0)
    last = (3, PLACE[0] + VELOCITY[0] * HOURS[3], PLACE[1] + VELOCITY[1] * HOURS[3])
    comet = g.add(
        "CometAlignment", images=series, transforms=stars.output("transform"), reference=stars.output("reference"),
        positions=((0, *PLACE), last),
    )  # fmt: skip
    way = comet.output("motion").value()
    assert way["velocity"] == pytest.approx(VELOCITY, abs=1e-9)
    assert way["epoch"] == "2025-01-01T23:40:30"
    assert way["hours"] == pytest.approx(HOURS)
    frames = [comet.output("image").image[i].compute()[0] for i in range(4)]
    for image in frames:
        x, y, height = peak_near(image, *PLACE)
        assert math.hypot(x - PLACE[0], y - PLACE[1]) < 0.06
        assert height > 2700
    stacks = [np.nanmean([n.output("image").image[i].compute()[0] for i in range(4)], axis=0) for n in (stars, comet)]
    assert peak_near(stacks[1], *PLACE)[2] > 2700
    assert peak_near(stacks[0], *PLACE)[2] < 1000
    # Of the stars, bright in the one stack, a fourth is left at any place of the other.
    bright = np.unravel_index(np.argmax(stacks[0]), stacks[0].shape)
    assert stacks[1][bright] - 500 < 0.4 * (stacks[0][bright] - 500)


def test_a_rate_and_places_in_the_images_as_they_came_say_the_same(night: tuple[Graph, Any]) -> None:
    g, series = night
    stars = g.add("StarAlignment", images=series, reference_index=0)
    given = {"images": series, "transforms": stars.output("transform"), "reference": stars.output("reference")}
    raw = []
    for at in (1, 2, 3):
        x, y = (np.array([PLACE[k] + VELOCITY[k] * HOURS[at]]) for k in (0, 1))
        px, py = posed(POSES[at], x, y)
        raw.append((at, float(px[0]), float(py[0])))
    by_place = g.add("CometMotion", name="by-place", positions=tuple(raw), positions_in="images", anchor=2, **given)
    found = by_place.output().value()
    assert found["velocity"] == pytest.approx(VELOCITY, abs=0.2)
    assert found["place"] == pytest.approx([PLACE[k] + VELOCITY[k] * HOURS[2] for k in (0, 1)], abs=0.05)
    assert 0.0 < found["rms"] < 0.1
    by_rate = g.add("CometAlignment", name="by-rate", rate_x=VELOCITY[0], rate_y=VELOCITY[1], anchor=2, **given)
    shifts = [t["comet"] for t in by_rate.output("transform").value()]
    assert shifts[2] == [0.0, 0.0]
    assert shifts[0] == pytest.approx([-20.0, 11.0])


def test_the_map_of_the_comet_is_that_of_the_stars_further_on() -> None:
    matrix = np.array([[0.9, -0.1, 5.0], [0.1, 0.9, -3.0], [0.0, 0.0, 1.0]])
    bend = {"matrix": matrix, "domain": [0.0, 0.0, 99.0, 79.0], "coefficients": np.full((2, 3, 3), 0.01)}
    transform = {
        "kind": "polynomial", "inverse": [bend], "forward": [{"matrix": np.linalg.inv(matrix)}],
        "width": 100, "height": 80, "reference_width": 100, "reference_height": 80, "shift": [0.0, 0.0], "overlap": 1.0,
    }  # fmt: skip
    found = moved(transform, 7.0, -4.0)
    x, y = np.array([20.0, 60.0]), np.array([30.0, 50.0])
    for a, b in zip(applied(found["inverse"], x, y), applied([bend], x + 7.0, y - 4.0), strict=True):
        assert a == pytest.approx(b, abs=1e-12)
    back = applied(found["forward"], x, y)
    for a, b, d in zip(back, applied(transform["forward"], x, y), (7.0, -4.0), strict=True):
        assert a == pytest.approx(b - d, abs=1e-12)
    assert found["overlap"] < 1.0


def test_the_rate_on_the_sky_is_that_of_astropys_wcs() -> None:
    """North is 20 degrees off the rows, east to the left, 1.5 seconds of arc a pixel."""
    from astropy.wcs import WCS

    a, scale = math.radians(20.0), 1.5 / 3600
    solution = {
        "CRVAL1": 150.0, "CRVAL2": 30.0, "CRPIX1": 500.0, "CRPIX2": 400.0,
        "CD1_1": -scale * math.cos(a), "CD1_2": scale * math.sin(a),
        "CD2_1": scale * math.sin(a), "CD2_2": scale * math.cos(a),
    }  # fmt: skip
    header = fits.Header([("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), *solution.items()])
    vx, vy = pixels_an_hour(tuple((k, v, "") for k, v in solution.items()), 90.0, 300.0, "test")
    sky = WCS(header)
    start, end = (sky.pixel_to_world(499.0 + k * vx, 399.0 + k * vy) for k in (0, 1))
    assert start.separation(end).arcsec == pytest.approx(90.0, abs=0.01)
    assert start.position_angle(end).deg == pytest.approx(300.0, abs=0.01)
    # The same solution by steps and turn (the older form, and the one with PC).
    turned = WCS(header).wcs
    steps = (("CDELT1", -scale, ""), ("CDELT2", scale, ""))
    pc = tuple((f"PC{i + 1}_{j + 1}", turned.cd[i, j] / (-scale, scale)[i], "") for i in (0, 1) for j in (0, 1))
    assert pixels_an_hour((*steps, *pc), 90.0, 300.0, "test") == pytest.approx([vx, vy])
    old = fits.Header([("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("CRVAL1", 150.0), ("CRVAL2", 30.0),
                       ("CRPIX1", 500.0), ("CRPIX2", 400.0), ("CDELT1", -scale), ("CDELT2", scale),
                       ("CROTA2", 20.0)])  # fmt: skip
    vx, vy = pixels_an_hour((*steps, ("CROTA2", 20.0, "")), 90.0, 300.0, "test")
    start, end = (WCS(old).pixel_to_world(499.0 + k * vx, 399.0 + k * vy) for k in (0, 1))
    assert start.position_angle(end).deg == pytest.approx(300.0, abs=0.01)


def timed(*hours: float | None) -> tuple[Frame, ...]:
    start = dt.datetime(2025, 1, 1, 20)
    return tuple(
        Frame(width=9, height=9)
        if h is None
        else Frame(width=9, height=9, words=(("start_time", Word((start + dt.timedelta(hours=h)).isoformat(), "")),))
        for h in hours
    )


@pytest.mark.parametrize(
    ("params", "hours", "said"),
    [
        ({}, (0.0, 1.0), "where the comet goes is not said"),
        ({"rate_x": 1.0}, (0.0, None, None), "image 1, 2 has none"),
        ({"rate_x": 1.0, "anchor": 2}, (0.0, 1.0), r"anchor must lie in \[0, 1\] for 2 images, got 2"),
        ({"positions": ((0, 1.0, 1.0),)}, (0.0, 1.0), "different times are wanted, got 1 of one time"),
        ({"positions": ((0, 1.0, 1.0), (1, 3.0, 1.0))}, (0.5, 0.5), "different times are wanted, got 2 of one time"),
        ({"positions": ((0, 1.0, 1.0), (5, 3.0, 1.0))}, (0.0, 0.5), "of images 0 to 1, got 5"),
        ({"sky_rate": 10.0}, (0.0, 0.5), "wants a celestial solution"),
    ],
)
def test_what_is_missing_is_said(params: dict[str, Any], hours: tuple[float, ...], said: str) -> None:
    frames = timed(*hours)
    known = Known(frames={"images": frames, "reference": frames[0]}, values={"transforms": ({"kind": "shift"},) * 9})
    with pytest.raises(ParameterError, match=said):
        CometMotion(**params).compute(known)


def test_two_statements_about_the_motion_are_one_too_many() -> None:
    with pytest.raises(ParameterError, match="one of positions, rate_x and rate_y, and sky_rate is wanted, got 2"):
        CometMotion(rate_x=3.0, sky_rate=4.0)


def test_a_place_in_an_image_that_could_not_be_registered_is_refused() -> None:
    transforms = ({"kind": "none", "why": "clouds"}, {"kind": "shift", "forward": [{"matrix": np.eye(3)}]})
    known = Known(frames={"images": timed(0.0, 1.0), "reference": timed(0.0)[0]}, values={"transforms": transforms})
    motion = CometMotion(positions=((0, 1.0, 1.0), (1, 2.0, 2.0)), positions_in="images")
    with pytest.raises(ParameterError, match="image 0, which could not be registered: clouds"):
        motion.compute(known)
