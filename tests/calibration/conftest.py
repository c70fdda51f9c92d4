"""Measuring in many small tiles."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def many_small_measuring_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in tiles of some 7 rows, so that small images are merged from many, and cells are cut by tiles."""
    monkeypatch.setattr("lerarlink.engine.region.MEASURE_TILE_SAMPLES", 600)
    monkeypatch.setattr("lerarlink.engine.region.MEASURE_BLOCK_SAMPLES", 1800)
