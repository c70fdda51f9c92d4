"""Run a geometric process by hand: frame, needs, pixels, strip by strip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.frame import Frame
from lerarlink.engine.process import Known, Process
from lerarlink.engine.region import strips


def frame_of(image: np.ndarray, **words: Any) -> Frame:
    channels, height, width = image.shape
    return Frame(width=width, height=height, channels=channels, color="rgb" if channels >= 3 else "gray", **words)


def run(process: Process, image: np.ndarray, rows: int = 10_000, columns: int = 10_000, **words: Any) -> np.ndarray:
    """The output, made in boxes of *rows* by *columns*; the input must stay as it was."""
    image = np.ascontiguousarray(image, np.float32)
    source = frame_of(image, **words)
    before = image.copy()
    out = process.frame(Known(frames={"image": source}))
    result = np.full((out.channels, out.height, out.width), -99, np.float32)
    for strip in strips(out.box, rows):
        for x0 in range(0, out.width, columns):
            box = strip._replace(x0=x0, x1=min(out.width, x0 + columns))
            known = Known(frames={"image": source}, frame=out, box=box)
            need = process.needs(box, "image", known)
            assert source.box.contains(need), f"{need} reaches out of {source}"
            tile = image[:, need.y0 : need.y1, need.x0 : need.x1].copy()
            made = process.pixels(known, tile)
            assert made.dtype == np.float32 and made.flags.c_contiguous
            assert not np.shares_memory(made, tile)
            result[:, box.y0 : box.y1, box.x0 : box.x1] = made
    assert np.array_equal(image, before, equal_nan=True)
    return result


@pytest.fixture
def render() -> Callable[..., np.ndarray]:
    return run


@pytest.fixture
def source_frame() -> Callable[..., Frame]:
    return frame_of
