"""MasterFlat: flat frames into a master flat."""

from __future__ import annotations

from ._master import Master


class MasterFlat(Master, id="integration.master_flat"):
    """Average flat frames, each multiplied to the median of the first, without weights.

    Outliers are looked for in frames of equal flux: by percentiles below 6 frames, by winsorised sigmas up to 15,
    by line fits beyond; of fewer than 3 frames nothing is rejected. Frames are taken as they come: calibrate them
    first. Settings: PixInsight's WeightedBatchPreprocessing.
    """

    calibration = False
    preset = {"normalization": "multiplicative", "rejection_normalization": "equalize_fluxes"}
