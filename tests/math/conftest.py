"""Run a process by hand: measure on a grid of strips, then make pixels strip by strip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.frame import Frame
from lerarlink.engine.fuse import run_pixel
from lerarlink.engine.process import Again, Known, Process
from lerarlink.engine.region import Box, strips


def frame_of(image: np.ndarray, **words: Any) -> Frame:
    channels, height, width = image.shape
    words.setdefault("color", "rgb" if channels >= 3 else "gray")
    return Frame(width=width, height=height, channels=channels, **words)


def measured(process: Process, known: Known, tiles: list[Any], rows: int) -> Any:
    if not process.measures(known):
        return None
    state = None
    while True:
        partial = None
        for box in strips(known.of("image").box, rows):
            now = replace(known, box=box, state=state)
            boxes = [process.needs(box, p.name, now) for p in process.inputs]
            part = process.measure(now, *(_cut(t, b) for t, b in zip(tiles, boxes, strict=True)))
            partial = part if partial is None else process.merge(partial, part)
        found = process.finish(partial, replace(known, state=state))
        if not isinstance(found, Again):
            return found
        state = found.state


def _cut(tile: Any, box: Any) -> Any:
    if tile is None:
        return None
    if isinstance(tile, tuple):
        boxes = [box] * len(tile) if isinstance(box, Box) else box
        return tuple(_cut(t, b) for t, b in zip(tile, boxes, strict=True))
    return np.ascontiguousarray(tile[:, box.y0 : box.y1, box.x0 : box.x1])


def run(
    process: Process, image: np.ndarray, images: tuple[np.ndarray, ...] = (), rows: int = 10_000, **words: Any
) -> np.ndarray:
    image = np.ascontiguousarray(image, np.float32)
    images = tuple(np.ascontiguousarray(i, np.float32) for i in images)
    before = [i.copy() for i in (image, *images)]
    frames: dict[str, Any] = {"image": frame_of(image, **words)}
    tiles: list[Any] = [image]
    if len(process.inputs) > 1:
        frames |= {"images": tuple(frame_of(i) for i in images)} if images else {}
        tiles.append(images or None)
    known = Known(frames=frames)
    out = process.frame(known)
    known = replace(known, frame=out, measured=measured(process, known, tiles, 7))
    made = []
    for box in strips(out.box, rows):
        now = replace(known, box=box)
        cut = [_cut(t, process.needs(box, p.name, now)) for t, p in zip(tiles, process.inputs, strict=True)]
        if process.answers("pixels"):
            made.append(process.pixels(now, *cut))
        else:
            made.append(run_pixel(process, now, cut[0]))
    for old, new in zip(before, (image, *images), strict=True):
        assert np.array_equal(old, new, equal_nan=True)
    result = np.concatenate(made, axis=1)
    assert result.dtype == np.float32 and result.shape == (out.channels, out.height, out.width)
    return result


@pytest.fixture
def render() -> Callable[..., np.ndarray]:
    return run


@pytest.fixture
def source_frame() -> Callable[..., Frame]:
    return frame_of


@pytest.fixture
def measure_by_hand() -> Callable[..., Any]:
    """Measure a process of one image on a grid of strips of 4 rows."""

    def value(process: Process, image: np.ndarray) -> Any:
        return measured(process, Known(frames={"image": frame_of(image)}), [image, None][: len(process.inputs)], 4)

    return value
