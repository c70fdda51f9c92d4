"""MasterBias: bias frames into a master bias."""

from __future__ import annotations

from ._master import Master


class MasterBias(Master, id="integration.master_bias"):
    """Average bias frames, without normalisation, weights or range rejection.

    Outliers are rejected by percentiles below 6 frames and by winsorised sigmas from then on; of fewer than 3
    frames nothing is rejected. Settings: PixInsight's WeightedBatchPreprocessing.
    """

    preset = {
        "normalization": "no_normalization",
        "rejection_normalization": "no_rejection_normalization",
        "range_clip_low": False,
    }
