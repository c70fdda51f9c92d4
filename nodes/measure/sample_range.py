"""SampleRange: least and greatest sample of an image, and how many samples are there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Known, Port, Process, Tile

Ranges = npt.NDArray[np.float64]
"""Of each channel: samples that are not missing, least, how many are that low, greatest, how many are that high."""


class SampleRange(Process, id="measure.sample_range"):
    """Find the range of an image's samples in a single pass, and how many samples stand at its ends.

    The Value, in physical units::

        {"channels": [{"count": samples that are not missing, "minimum": ..., "at_minimum": how many,
                       "maximum": ..., "at_maximum": how many}, ...]}

    An image more than half of whose samples are at the maximum is saturated or empty. A channel without samples has
    NaN for minimum and maximum. Alpha channels are left out.
    """

    inputs = (Port("image"),)
    outputs = (Port("measures", "measures", doc="the range of each channel"),)

    def measure(self, known: Known, image: Tile) -> Ranges:
        return np.stack([_range(channel) for channel in image[: known.of("image").nominal]])

    def merge(self, a: Ranges, b: Ranges) -> Ranges:
        return np.stack([_merged(x, y) for x, y in zip(a, b, strict=True)])

    def finish(self, partial: Ranges, known: Known) -> dict[str, Any]:
        return {
            "channels": [
                {
                    "count": int(count), "minimum": float(low), "at_minimum": int(lows),
                    "maximum": float(high), "at_maximum": int(highs),
                }
                for count, low, lows, high, highs in np.asarray(partial)
            ]
        }  # fmt: skip


def _range(channel: npt.NDArray[np.float32]) -> Ranges:
    samples = channel[np.isfinite(channel)]
    if not samples.size:
        return np.array([0.0, np.nan, 0.0, np.nan, 0.0])
    low, high = samples.min(), samples.max()
    counts = np.count_nonzero(samples == low), np.count_nonzero(samples == high)
    return np.array([samples.size, low, counts[0], high, counts[1]], np.float64)


def _merged(a: Ranges, b: Ranges) -> Ranges:
    if not a[0] or not b[0]:
        return a if a[0] else b
    low, high = min(a[1], b[1]), max(a[3], b[3])
    return np.array([
        a[0] + b[0], low, sum(x[2] for x in (a, b) if x[1] == low), high, sum(x[4] for x in (a, b) if x[3] == high)
    ])  # fmt: skip
