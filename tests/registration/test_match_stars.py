"""MatchStars against simulated fields whose map is known, and against real frames solved by another program."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lerarlink import Graph
from lerarlink.engine.api import Known
from lerarlink.nodes.registration._maps import applied, composed
from lerarlink.nodes.registration._transform import inverted
from lerarlink.nodes.registration.match_stars import MatchStars

Floats = npt.NDArray[np.float64]
Map = Callable[[Floats, Floats], tuple[Floats, Floats]]
WIDTH, HEIGHT = 4000, 3000


def mapping(
    rotation: float = 3.0, scale: float = 1.0, flip: bool = False, shift: tuple[float, float] = (15.3, -22.7),
    barrel: float = 0.0, swirl: float = 0.0,
) -> Map:  # fmt: skip
    """Return the true map from reference to image."""
    angle = math.radians(rotation)
    c, s = math.cos(angle) * scale, math.sin(angle) * scale

    def move(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        dx, dy = x - WIDTH / 2, y - HEIGHT / 2
        shrink = 1 - barrel * (dx**2 + dy**2) / (WIDTH / 2) ** 2
        dx, dy = dx * shrink, dy * shrink
        if flip:
            dx = -dx
        dx, dy = dx + swirl * np.sin(y / 600 + 1), dy + swirl * np.cos(x / 700)
        return c * dx - s * dy + WIDTH / 2 + shift[0], s * dx + c * dy + HEIGHT / 2 + shift[1]

    return move


def star_list(table: Floats) -> dict[str, Any]:
    return {"columns": ["x", "y", "flux"], "table": table, "width": WIDTH, "height": HEIGHT, "noise": 1.0}


def fields(
    seed: int, move: Map, n: int = 2000, missing: float = 0.3, false: float = 0.3, noise: float = 0.05,
    shallower: float = 1.0, same: bool = True, largest: float = 1.0,
) -> tuple[dict[str, Any], dict[str, Any]]:  # fmt: skip
    """Return the star lists of reference and image: of each, stars are missing and false ones are added."""
    rng = np.random.default_rng(seed)
    side = 3 * WIDTH * max(1.0, largest)
    count = int(n * side**2 / (WIDTH * HEIGHT))

    def sky() -> tuple[Floats, Floats, Floats]:
        x, y = (rng.uniform(c - side / 2, c + side / 2, count) for c in (WIDTH / 2, HEIGHT / 2))
        return x, y, rng.pareto(1.2, count) + 1

    def seen(x: Floats, y: Floats, flux: Floats, brightest: int) -> dict[str, Any]:
        inside = (x >= 0) & (y >= 0) & (x < WIDTH) & (y < HEIGHT)
        x, y, flux = x[inside], y[inside], flux[inside]
        keep = np.argsort(-flux)[:brightest]
        keep = keep[rng.random(len(keep)) > missing]
        extra = int(len(keep) * false / (1 - false))
        table = np.column_stack([
            np.r_[x[keep] + rng.normal(0, noise, len(keep)), rng.uniform(0, WIDTH, extra)],
            np.r_[y[keep] + rng.normal(0, noise, len(keep)), rng.uniform(0, HEIGHT, extra)],
            np.r_[flux[keep] * np.exp(rng.normal(0, 0.15, len(keep))), rng.choice(flux[keep], extra)],
        ])  # fmt: skip
        return star_list(table[np.argsort(-table[:, 2])])

    x, y, flux = sky()
    reference = seen(x, y, flux, n)
    if not same:
        x, y, flux = sky()
    return reference, seen(*move(x, y), flux, int(n * shallower))


def matched(reference: dict[str, Any], image: dict[str, Any], **params: Any) -> dict[str, Any]:
    found: dict[str, Any] = MatchStars(**params).compute(Known(values={"stars": image, "reference": reference}))
    return found


def map_error(found: dict[str, Any], move: Map, margin: float = 0.0) -> float:
    """Return the rms distance between found and true map, over the part of the reference the image covers."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(margin, WIDTH - margin, 2000), rng.uniform(margin, HEIGHT - margin, 2000)
    tx, ty = move(x, y)
    inside = (tx > 0) & (ty > 0) & (tx < WIDTH) & (ty < HEIGHT)
    px, py = applied(found["inverse"], x, y)
    return float(np.sqrt(((px - tx) ** 2 + (py - ty) ** 2)[inside].mean()))


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "turned by 180 degrees": ({"rotation": 179.3}, {}, 850),
    "mirrored": ({"flip": True, "rotation": 20.0}, {}, 750),
    "scale 0.6": ({"scale": 0.6}, {"largest": 1 / 0.6}, 300),
    "scale 2.2": ({"scale": 2.2, "rotation": 40.0}, {}, 150),
    "scale 4": ({"scale": 4.0, "rotation": 40.0}, {}, 45),
    "half of all false, shallower": ({}, {"missing": 0.5, "false": 0.5, "shallower": 0.4}, 150),
    "overlap 50 %": ({"shift": (2000.0, 0.0)}, {}, 400),
    "overlap 20 %, 180 degrees": ({"shift": (3200.0, 0.0), "rotation": 180.0}, {}, 150),
    "overlap 12 %, a corner": ({"shift": (2600.0, 1980.0)}, {}, 80),
    "overlap 6 %, a corner": ({"shift": (3000.0, 2280.0)}, {}, 40),
    "barrel 0.5 %": ({"barrel": 0.005}, {}, 850),
    "10000 stars": ({}, {"n": 10000}, 4000),
    "25 stars": ({}, {"n": 25}, 7),
}


@pytest.mark.parametrize("seed", [1000, 1001])
@pytest.mark.parametrize("case", CASES)
def test_fields_are_matched_in_spite_of_missing_and_false_stars(case: str, seed: int) -> None:
    how, what, pairs = CASES[case]
    move = mapping(**how)
    found = matched(*fields(seed, move, **what))
    assert found["kind"] != "none"
    assert found["pairs"] >= pairs
    # Some fifty pairs tell a corner to a few hundredths of a pixel; at scale 4 a centroid error counts fourfold.
    assert map_error(found, move) < (0.1 if pairs > 10 else 0.3) * max(1.0, how.get("scale", 1.0))


@pytest.mark.parametrize("n", [8, 25, 100])
def test_fields_that_have_nothing_in_common_are_never_matched(n: int) -> None:
    for seed in range(20):
        found = matched(*fields(7000 + seed, mapping(), n=n, same=False))
        assert found["kind"] == "none", (seed, found)


def test_a_crowded_field_without_common_stars_is_not_matched() -> None:
    assert matched(*fields(7100, mapping(), n=2000, same=False))["kind"] == "none"


def test_residuals_are_those_of_the_centroids() -> None:
    """0.05 px along each axis in both lists."""
    found = matched(*fields(3, mapping(rotation=179.3)))
    assert found["rms"] == pytest.approx(math.sqrt(2) * 0.05, rel=0.03)
    assert found["kind"] == "rigid"
    assert found["rotation"] == pytest.approx(179.3, abs=0.001)
    assert found["scale"] == pytest.approx(1.0, abs=1e-5)


def test_scale_handedness_and_shift_are_told() -> None:
    found = matched(*fields(4, mapping(scale=1.25, flip=True, rotation=0.0, shift=(100.0, -50.0))))
    assert found["flipped"] is True
    assert found["scale"] == pytest.approx(1.25, abs=1e-4)
    # The simulated centre is at half the size, half a pixel from that of the pixel grid.
    assert found["shift"] == pytest.approx([100 + 0.5 + 0.625, -50 + 0.5 - 0.625], abs=0.02)


@pytest.mark.parametrize(("n", "bar"), [(350, 0.12), (3000, 0.03)])
def test_a_lens_with_barrel_and_a_local_field_is_recovered(n: int, bar: float) -> None:
    move = mapping(barrel=0.004, swirl=0.6)
    found = matched(*fields(5, move, n=n, false=0.1, missing=0.1))
    assert found["kind"] == "polynomial"
    assert found["degree"] >= 4
    assert map_error(found, move, margin=60) < bar


def test_a_perspective_is_taken_for_what_it_is() -> None:
    matrix = np.array([[1.001, 0.02, 5.0], [-0.02, 0.999, -3.0], [2e-6, -1e-6, 1.0]])

    def move(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        return applied([{"matrix": matrix}], x, y)

    found = matched(*fields(6, move))
    assert found["kind"] == "homography"
    assert map_error(found, move) < 0.02
    assert np.allclose(found["inverse"][0]["matrix"][2], matrix[2], rtol=0, atol=2e-8)


def test_a_model_asked_for_is_the_model_given() -> None:
    lists = fields(8, mapping(), n=400)
    for model in ("similarity", "affine", "homography", "polynomial"):
        found = matched(*lists, model=model, highest_degree=3)
        assert found["kind"] == model
        assert map_error(found, mapping(), margin=100) < 0.1


def test_bright_stars_count_more_than_faint_ones() -> None:
    rng = np.random.default_rng(1)
    n = 400
    place = rng.uniform(0, 3000, (n, 2))
    snr = np.where(np.arange(n) < 80, 200.0, 8.0)
    error = np.sqrt(2) * 3.0 / (2.355 * snr)
    lists = []
    for shift in (0.0, 10.0):
        xy = place + shift + rng.normal(0, 1, (n, 2)) * error[:, None]
        one = star_list(np.column_stack([xy, 1000.0 - np.arange(n), np.full(n, 3.0), snr]))
        lists.append({**one, "columns": ["x", "y", "flux", "fwhm", "snr"]})
    weighted = matched(*lists)
    plain = matched(*[{**one, "columns": ["x", "y", "flux", "width", "s"]} for one in lists])
    off = [float(np.hypot(*(f["inverse"][0]["matrix"][:2, 2] - 10))) for f in (weighted, plain)]
    assert weighted["kind"] == plain["kind"] == "shift"
    assert off[0] < 0.008
    assert off[0] < off[1] / 2


def test_the_map_back_undoes_the_map() -> None:
    for move in (mapping(rotation=70), mapping(barrel=0.005)):
        found = matched(*fields(9, move))
        x, y = np.random.default_rng(2).uniform(0, 3000, (2, 500))
        bx, by = applied(found["forward"], *applied(found["inverse"], x, y))
        assert float(np.hypot(bx - x, by - y).max()) < 0.01


def test_maps_composed_are_maps_applied_in_turn() -> None:
    bent = matched(*fields(10, mapping(barrel=0.004)))["inverse"]
    turn = [{"matrix": np.array([[0.0, -1.0, 3000.0], [1.0, 0.0, 2.0], [0.0, 0.0, 1.0]])}]
    x, y = np.random.default_rng(3).uniform(0, 3000, (2, 100))
    for first, then in ((bent, turn), (turn, bent), (turn, turn)):
        assert np.allclose(applied(composed(first, then), x, y), applied(then, *applied(first, x, y)), atol=1e-9)
    assert len(composed(turn, turn)) == 1
    back = composed(turn, inverted(turn, (0, 0, 1, 1)))
    assert np.allclose(back[0]["matrix"], np.eye(3), atol=1e-12)


def test_a_polynomial_does_not_run_away_beyond_its_stars() -> None:
    move = mapping(barrel=0.005, shift=(2600.0, 0.0))
    found = matched(*fields(11, move), model="polynomial")
    x, y = np.meshgrid(np.linspace(-4000, 8000, 50), np.linspace(-3000, 6000, 50))
    px, py = applied(found["inverse"], x, y)
    tx, ty = mapping(shift=(2600.0, 0.0))(x, y)
    assert float(np.hypot(px - tx, py - ty).max()) < 300


def test_what_cannot_be_registered_is_said() -> None:
    reference, image = fields(12, mapping(), n=50)
    few = {**image, "table": image["table"][:3]}
    assert "the image 3" in matched(reference, few)["why"]
    empty = {**image, "table": np.empty((0, 3))}
    assert matched(empty, image)["kind"] == "none"
    alone = {**image, "table": np.repeat(image["table"][:1], 9, axis=0)}
    assert matched(alone, {**alone, "table": alone["table"] + 1.0})["kind"] == "none"


def test_the_reference_lies_on_itself_however_few_its_stars() -> None:
    reference, _ = fields(12, mapping(), n=50)
    few = {**reference, "table": reference["table"][:2]}
    found = matched(few, few)
    assert found["kind"] == "shift"
    assert found["pairs"] == 2
    assert found["overlap"] == 1.0
    # Two frames without a star have that in common, and nothing else.
    empty = {**reference, "table": np.empty((0, 3))}
    assert matched(empty, empty)["kind"] == "none"


def test_a_dozen_faint_stars_tell_a_shift_and_no_more() -> None:
    """Centroids off by more than a pixel: whatever else such stars seem to tell is chance."""
    rng = np.random.default_rng(4)
    kinds = []
    for _ in range(20):
        places = rng.uniform(1000, 2000, (14, 2))
        lists = [star_list(np.column_stack([places + rng.normal(0, 1.2, (14, 2)), np.arange(14, 0, -1)])) for _ in "ab"]
        kinds.append(matched(*lists, tolerance=5.0)["kind"])
    assert kinds.count("shift") >= 17


def test_an_image_lies_on_itself_exactly() -> None:
    reference, _ = fields(13, mapping(), n=300)
    found = matched(reference, reference)
    assert found["kind"] == "shift"
    assert np.array_equal(found["inverse"][0]["matrix"], np.eye(3))


def frames_of(g: Graph, paths: list[Path], reference: Path) -> list[dict[str, Any]]:
    stars = g.add("DetectStars", image=g.add("ReadSeries", paths=tuple(map(str, paths))))
    wanted = g.add("DetectStars", image=g.add("ReadImage", path=str(reference)))
    found: list[dict[str, Any]] = g.add("MatchStars", stars=stars.output(), reference=wanted.output()).output().value()
    return found


SEESTAR = ((1, "0326-212629"), (2, "0409-225435"))


@pytest.mark.parametrize(
    ("folder", "names", "worst"),
    [
        ("seestar-m94", [f"night{n}_Light_M94_10.0s_IRCUT_2025{when}" for n, when in SEESTAR], 0.15),
        ("hatp32-microobservatory", ["HATP-32171220013343", "HATP-32171220082712"], 0.1),
    ],
)  # fmt: skip
def test_real_frames_agree_with_their_plate_solutions(
    real_data: Callable[[str], Path], folder: str, names: list[str], worst: float
) -> None:
    """Rotated by 70 degrees between nights; drifted by 130 px among hot pixels. Solutions are good to about 1 px."""
    solved = json.loads(real_data(f"{folder}/truth-astrometry.json").read_text())["frames"]
    truth = {f["file"]: f for f in solved}
    first = {"seestar-m94": "night1_Light_M94_10.0s_IRCUT_20250326-212046"}.get(folder, "HATP-32171220050912")
    paths = [real_data(f"{folder}/{name}.fits.fz") for name in names]
    start = truth[f"{first}.fits.fz"]
    for path, found in zip(paths, frames_of(Graph(), paths, real_data(f"{folder}/{first}.fits.fz")), strict=True):
        assert found["kind"] != "none", path
        assert found["rms"] < worst
        true = truth[path.name]
        x, y = (np.array([v]) for v in start["target_xy_px"])
        px, py = applied(found["inverse"], x, y)
        assert math.hypot(px[0] - true["target_xy_px"][0], py[0] - true["target_xy_px"][1]) < 0.5
        change = np.linalg.inv(true["cd_matrix_deg_per_px"]) @ np.asarray(start["cd_matrix_deg_per_px"])
        turned = math.degrees(math.atan2(change[1, 0], change[0, 0]))
        assert found["rotation"] == pytest.approx(turned, abs=0.2)
