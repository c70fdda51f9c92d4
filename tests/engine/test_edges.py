"""Boxes that reach over the edge of an image hold what the rule for edges says, pixel by pixel."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lerarlink.engine.process import Edge
from lerarlink.engine.pull import _filled, _indices
from lerarlink.engine.region import Box, whole

sides = st.integers(1, 12)
places = st.integers(-15, 15)


@pytest.mark.parametrize("edge", get_args(Edge))
@settings(max_examples=150, deadline=None)
@given(size=st.tuples(st.integers(1, 3), sides, sides), y=places, x=places, box=st.tuples(sides, sides))
def test_pixels_over_the_edge(edge: Edge, size: tuple[int, int, int], y: int, x: int, box: tuple[int, int]) -> None:
    image = np.arange(np.prod(size), dtype=np.float32).reshape(size)
    asked = Box(y, x, y + box[0], x + box[1])
    rows, columns = _indices(asked.y0, asked.y1, size[1], edge), _indices(asked.x0, asked.x1, size[2], edge)
    inner = Box(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
    tile = image[:, inner.y0 : inner.y1, inner.x0 : inner.x1]
    made = _filled(tile, inner, asked, asked.overlap(whole(*size[1:])), rows, columns)
    assert np.array_equal(made, image[:, rows[:, None], columns])
    assert made.flags.c_contiguous
