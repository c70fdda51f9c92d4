"""Crop, Flip, Transpose and Rotate against numpy slicing, with colour filters and the sky moving along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerarlink.engine.errors import ParameterError
from lerarlink.engine.frame import Frame
from lerarlink.engine.process import Known, Process
from lerarlink.nodes.geometry.crop import Crop
from lerarlink.nodes.geometry.flip import Flip
from lerarlink.nodes.geometry.rotate import Rotate
from lerarlink.nodes.geometry.transpose import Transpose

Render = Callable[..., np.ndarray]
MOVES: dict[str, tuple[Process, Callable[[np.ndarray], np.ndarray]]] = {
    "crop": (Crop(left=3, top=2, right=1, bottom=4), lambda a: a[:, 2:-4, 3:-1]),
    "box": (Crop(box=(1, 2, 7, 9)), lambda a: a[:, 1:7, 2:9]),
    "horizontal": (Flip(axis="horizontal"), lambda a: a[:, :, ::-1]),
    "vertical": (Flip(axis="vertical"), lambda a: a[:, ::-1]),
    "transpose": (Transpose(), lambda a: a.transpose(0, 2, 1)),
    "90": (Rotate(angle=90), lambda a: np.rot90(a, 1, (1, 2))),
    "180": (Rotate(angle=180), lambda a: np.rot90(a, 2, (1, 2))),
    "270": (Rotate(angle=270), lambda a: np.rot90(a, 3, (1, 2))),
}


def image_of(height: int, width: int) -> np.ndarray:
    a = np.arange(2 * height * width, dtype=np.float32).reshape(2, height, width)
    a[0, height // 2, width // 2] = np.nan
    return a


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize(("rows", "columns"), [(100, 100), (1, 100), (3, 2)])
def test_pixels_go_where_numpy_puts_them(render: Render, move: str, rows: int, columns: int) -> None:
    process, truth = MOVES[move]
    image = image_of(11, 13)
    np.testing.assert_array_equal(render(process, image, rows, columns), truth(image))


@given(
    move=st.sampled_from(sorted(set(MOVES) - {"crop", "box"})),
    height=st.integers(1, 9), width=st.integers(1, 9), rows=st.integers(1, 9),
)  # fmt: skip
def test_any_size_and_any_strip_gives_the_same(move: str, height: int, width: int, rows: int) -> None:
    process, truth = MOVES[move]
    image = image_of(height, width)
    source = Frame(width=width, height=height, channels=2)
    out = process.frame(Known(frames={"image": source}))
    made = []
    for y in range(0, out.height, rows):
        box = out.box._replace(y0=y, y1=min(y + rows, out.height))
        known = Known(frames={"image": source}, frame=out, box=box)
        need = process.needs(box, "image", known)
        made.append(process.pixels(known, image[:, need.y0 : need.y1, need.x0 : need.x1]))
    np.testing.assert_array_equal(np.concatenate(made, axis=1), truth(image))


def test_a_bottom_up_file_turns_the_other_way_in_storage(render: Render) -> None:
    image = image_of(5, 7)
    turned = render(Rotate(angle=90), image, orientation="bottom-up")
    np.testing.assert_array_equal(turned, np.rot90(image, -1, (1, 2)))
    # What is displayed, rows reversed before and after, turns counter-clockwise.
    np.testing.assert_array_equal(turned[:, ::-1], np.rot90(image[:, ::-1], 1, (1, 2)))


@pytest.mark.parametrize("cell", ["RGGB", "GBRG", "".join("RGB"[(i * 7 + i // 6) % 3] for i in range(36))])
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize(("height", "width"), [(11, 13), (12, 14), (13, 12)])
def test_the_colour_of_every_pixel_moves_with_it(cell: str, move: str, height: int, width: int) -> None:
    process, truth = MOVES[move]
    side = round(len(cell) ** 0.5)
    letters = np.array([ord(c) for c in cell]).reshape(side, side)
    mosaic = np.tile(letters, (8, 8))[:height, :width]
    out = process.frame(Known(frames={"image": Frame(width=width, height=height, cfa=cell)}))
    assert out.cfa is not None
    new = np.tile(np.array([ord(c) for c in out.cfa]).reshape(side, side), (8, 8))
    np.testing.assert_array_equal(truth(mosaic[None])[0], new[: out.height, : out.width])


@pytest.mark.parametrize("orientation", ["top-down", "bottom-up"])
@pytest.mark.parametrize("move", MOVES)
def test_the_sky_moves_with_the_pixels(render: Render, move: str, orientation: Any) -> None:
    """A marked pixel's FITS position relative to CRPIX, through CD, is the same place before and after."""
    process, _ = MOVES[move]
    words = {"CRPIX1": 4.0, "CRPIX2": 6.5, "CD1_1": 0.1, "CD1_2": 0.02, "CD2_1": -0.03, "CD2_2": 0.2}
    cards = tuple((k, v, "") for k, v in words.items())
    image = np.zeros((1, 11, 13), np.float32)
    image[0, 5, 7] = 1
    source = Frame(width=13, height=11, wcs=cards, orientation=orientation)
    out = process.frame(Known(frames={"image": source}))
    moved = render(process, image, orientation=orientation)
    _, (y,), (x,) = np.nonzero(moved)

    def sky(found: dict[str, Any], x: float, y: float) -> tuple[float, float]:
        dx, dy = x + 1 - found["CRPIX1"], y + 1 - found["CRPIX2"]
        return found["CD1_1"] * dx + found["CD1_2"] * dy, found["CD2_1"] * dx + found["CD2_2"] * dy

    assert sky({k: v for k, v, _ in out.wcs}, x, y) == pytest.approx(sky(words, 7, 5), abs=1e-12)


def test_two_mirrors_are_a_half_turn(render: Render) -> None:
    image = image_of(4, 6)
    twice = render(Flip(axis="vertical"), render(Flip(axis="horizontal"), image))
    np.testing.assert_array_equal(twice, render(Rotate(angle=180), image))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"box": (0, 0, 12, 5)}, ["rows 0:12", "11 rows", "13 columns"]),
        ({"left": 7, "right": 6}, ["left 7", "right 6", "13 columns"]),
        ({"top": 20}, ["top 20", "11 rows"]),
    ],
)
def test_a_crop_out_of_the_image_names_both_sizes(parameters: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ParameterError) as caught:
        Crop(**parameters).frame(Known(frames={"image": Frame(width=13, height=11)}))
    assert all(w in str(caught.value) for w in words)


@pytest.mark.parametrize("parameters", [{"box": (5, 0, 5, 9)}, {"box": (0, 0, 4, 4), "left": 1}, {"left": -1}])
def test_a_crop_that_cannot_be_meant_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        Crop(**parameters)
