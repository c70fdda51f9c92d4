"""MasterDark: dark frames into a master dark."""

from __future__ import annotations

from ._master import Master


class MasterDark(Master, id="integration.master_dark"):
    """Average dark frames (or dark flats), without normalisation, weights or range rejection.

    Outliers are rejected by percentiles below 6 frames and by winsorised sigmas from then on; of fewer than 3
    frames nothing is rejected. Settings: PixInsight's WeightedBatchPreprocessing.
    """

    preset = {
        "normalization": "no_normalization",
        "rejection_normalization": "no_rejection_normalization",
        "range_clip_low": False,
    }
