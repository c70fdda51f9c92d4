"""A night of real mosaics: corrected and debayered as one series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lerarlink.engine.graph import Graph

NAMES = ("20250326-212046", "20250326-212131")


def test_a_series_is_corrected_and_debayered_frame_by_frame(real_data: Callable[[str], Path]) -> None:
    paths = [str(real_data(f"seestar-m94/night1_Light_M94_10.0s_IRCUT_{n}.fits.fz")) for n in NAMES]
    g = Graph()
    series = g.add("ReadSeries", paths=tuple(paths))
    fixed = g.add("CosmeticCorrection", image=series, hot_auto_check=True, hot_auto_value=8.0)
    colour = g.add("Debayer", image=fixed, debayer_method="superpixel")
    assert len(colour.image) == 2
    for n, path in enumerate(paths):
        alone = Graph()
        raw = alone.add("ReadImage", path=path)
        one = alone.add("CosmeticCorrection", image=raw, hot_auto_check=True, hot_auto_value=8.0)
        before, after = raw.compute()[0], one.compute()[0]
        changed = before != after
        assert 0 < changed.mean() < 2e-3
        assert (after[changed] < before[changed]).all()
        got = colour.image[n].compute()
        assert np.array_equal(got[0], after[::2, 1::2]), "the cell is GRBG"
        assert np.array_equal(got[2], after[1::2, ::2])
