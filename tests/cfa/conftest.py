"""Mosaics given by arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lerarlink.engine.graph import Graph


@pytest.fixture
def mosaic(given: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that adds a mosaic to a graph, a new one if none is given, and returns its node."""

    def add(pixels: Any, graph: Graph | None = None, **words: Any) -> Any:
        return given(graph or Graph(), pixels, **{"color": "gray", **words})

    return add
