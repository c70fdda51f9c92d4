"""The starlet transform of a block of pixels (Starck, Fadili & Murtagh 2007, IEEE Trans. Image Process. 16, 297)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Block = npt.NDArray[np.float64]

LAYER_NOISE = (0.8907, 0.2007, 0.0856, 0.0413, 0.0205)
"""Standard deviation of each layer of white noise of standard deviation 1."""


def layers(block: Block, count: int) -> tuple[list[Block], Block]:
    """Return the first *count* layers of detail, finest first, and the smooth rest; all add up to *block*."""
    found, c = [], block
    for j in range(count):
        weights = np.zeros(4 * (1 << j) + 1)
        weights[:: 1 << j] = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
        smooth = ndimage.correlate1d(ndimage.correlate1d(c, weights, 0, mode="mirror"), weights, 1, mode="mirror")
        found.append(c - smooth)
        c = smooth
    return found, c
