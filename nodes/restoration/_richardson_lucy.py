"""Richardson-Lucy and Van Cittert iterations on one block, regularised by the starlet layers of what is left over.

Richardson (1972, JOSA 62, 55), Lucy (1974, AJ 79, 745); regularised residuals: Murtagh, Starck & Bijaoui (1995,
A&AS 112, 179).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from ._starlet import LAYER_NOISE, Block, layers

Missing = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Plan:
    """What is done with each block.

    Attributes
    ----------
    kernel
        Square, odd, sum 1.
    iterations
        How many.
    van_cittert
        Whether corrections are added instead of multiplied.
    thresholds, amounts
        For each starlet layer of the residual: coefficients below so many sigma lose this part. Empty: none.
    deringing
        Whether dark rings are held up.
    """

    kernel: Block
    iterations: int
    van_cittert: bool = False
    thresholds: Sequence[float] = ()
    amounts: Sequence[float] = ()
    deringing: bool = False


class _Blur:
    """Convolution with the kernel, and its adjoint, on blocks of one shape."""

    def __init__(self, kernel: Block, shape: tuple[int, int]) -> None:
        # Room for the kernel, so that one side of the block does not run into the other.
        self.shape, r = shape, len(kernel) // 2
        self.pad = r
        self.size = tuple(fft.next_fast_len(n + 2 * r, real=True) for n in shape)
        wide = np.zeros(self.size)
        wide[: len(kernel), : len(kernel)] = kernel
        self.transform = fft.rfft2(np.roll(wide, (-r, -r), (0, 1)), workers=1)

    def __call__(self, block: Block, *, adjoint: bool = False) -> Block:
        p = self.pad
        beyond = [(p, n - s - p) for n, s in zip(self.size, self.shape, strict=True)]
        wide = fft.rfft2(np.pad(block, beyond, mode="edge"), workers=1)
        wide *= self.transform.conj() if adjoint else self.transform
        made = fft.irfft2(wide, self.size, workers=1)
        return np.asarray(made[p : p + self.shape[0], p : p + self.shape[1]])


def noise_of(block: Block, missing: Missing) -> float:
    """Return the noise of a block, by the median absolute value of its first starlet layer."""
    (w,), _ = layers(block, 1)
    seen = np.abs(w[~missing])
    return 1.4826 * float(np.median(seen)) / LAYER_NOISE[0] if seen.size else 0.0


def deconvolved(block: Block, missing: Missing, noise: float | None, plan: Plan) -> Block:
    """Return a block as it was before the blur.

    Parameters
    ----------
    block
        Samples above black; what is missing is filled in any way.
    missing
        What does not count.
    noise
        Standard deviation of the noise; None: it is measured.
    """
    sigma = noise_of(block, missing) if noise is None else noise
    # Light is positive; samples about a black sky are not. A constant goes through a blur unchanged.
    raised = max(0.0, 5.0 * sigma - float(block.min())) + 1e-9
    seen = block + raised
    blur, floor = _Blur(plan.kernel, (block.shape[0], block.shape[1])), 1e-3 * raised
    least = _least(seen, missing, sigma, len(plan.kernel)) if plan.deringing else None
    u = seen.copy()
    for _ in range(plan.iterations):
        model = blur(u)
        rest = np.where(missing, 0.0, seen - model)
        rest = _significant(rest, sigma, plan)
        if plan.van_cittert:
            u = u + rest
        else:
            model = np.maximum(model, floor)
            u = u * blur(np.maximum(1.0 + rest / model, 0.0), adjoint=True)
        if least is not None:
            u = np.maximum(u, least)
    return u - raised


def _significant(rest: Block, sigma: float, plan: Plan) -> Block:
    """Return the residual less what its starlet layers hold of noise."""
    if not plan.thresholds:
        return rest
    details, smooth = layers(rest, len(plan.thresholds))
    for w, threshold, amount, of_noise in zip(details, plan.thresholds, plan.amounts, LAYER_NOISE, strict=False):
        smooth = smooth + np.where(np.abs(w) < threshold * sigma * of_noise, (1.0 - amount) * w, w)
    return smooth


def _least(seen: Block, missing: Missing, sigma: float, reach: int) -> Block:
    """Return how dark a pixel may become: two sigma below the darkest place within the kernel's reach."""
    smooth = ndimage.uniform_filter(seen, 5, mode="nearest")
    found = ndimage.minimum_filter(np.where(missing, np.inf, smooth), reach, mode="nearest")
    return np.asarray(np.where(np.isfinite(found), found - 2.0 * sigma, -np.inf))
