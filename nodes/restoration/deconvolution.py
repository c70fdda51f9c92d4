"""Deconvolution: an image as it was before it was blurred, as far as its noise tells."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, Known, ParameterError, Port, Process, Tile, param
from ._mosaic import FADE, blocks, reached, weight
from ._richardson_lucy import Missing, Plan, deconvolved
from ._starlet import LAYER_NOISE, Block

_HALO = 64
_LARGEST = 129

Algorithm = Literal["richardson_lucy", "van_cittert"]


class Deconvolution(Process, id="restoration.deconvolution"):
    """Sharpen a linear image by the point spread function it was blurred with.

    The iterations of Richardson and Lucy (or Van Cittert), with I the image, P the point spread function::

        u <- u P^T * ((P * u + R) / (P * u))        u <- u + R

    where R is what is left over, I - P * u, less the noise in it: coefficients of its starlet layers below
    `noise_threshold` sigmas lose the part `noise_reduction`. So structures grow that stand above the noise, and the
    number of iterations matters little.

    The point spread function is that of `kernel`, or of the linked `psf`, or an ellipse told by numbers::

        exp(-(r / sigma)^shape / shape)

    with the half axes `sigma` and `sigma` x `aspect_ratio`. Channels are treated one by one. Samples may come to lie
    above the range; missing ones stay missing, and do not count around them.

    Blocks of 256 px with 64 px around them are deconvolved on a grid that is fixed to the image, and cross-faded over
    16 px. Parameters and defaults: PixInsight's Deconvolution; its formulas for deringing are not published, here
    dark rings are held up at two sigma below the darkest place, smoothed over 5 px, within the kernel's reach.
    """

    inputs = (
        Port("image"),
        Port("psf", "psf", optional=True, doc="the point spread function, with a kernel, as RegionPsf gives it"),
    )
    requires = "linear"
    dear = True

    algorithm: Algorithm = param(
        default="richardson_lucy", choices=("richardson_lucy", "van_cittert"), doc="corrections multiply, or add"
    )
    iterations: int = param(default=10, low=1, high=500, usual=(10, 100), doc="how many")
    kernel: tuple[tuple[float, ...], ...] | None = param(
        default=None, doc="rows of the point spread function, an odd square of numbers; none: that linked, or sigma"
    )
    sigma: float = param(default=2.0, low=0.1, high=15.0, usual=(0.5, 6.0), unit="px", doc="standard deviation")
    shape: float = param(default=2.0, low=0.5, high=10.0, usual=(1.0, 4.0), doc="2 is a Gaussian; greater: flatter")
    aspect_ratio: float = param(default=1.0, low=0.1, high=1.0, doc="short half axis over the long one")
    rotation_angle: float = param(
        default=0.0, low=-360.0, high=360.0, unit="deg", doc="of the long axis, from the x axis towards the y axis"
    )
    regularization: bool = param(default=True, doc="keep noise out of the corrections")
    noise_threshold: tuple[float, ...] = param(
        default=(3.0, 2.0), low=0.0, high=10.0, unit="sigma", doc="one for each starlet layer, finest first"
    )
    noise_reduction: tuple[float, ...] = param(
        default=(1.0, 0.7), low=0.0, high=1.0, doc="what coefficients below the threshold lose, layer by layer"
    )
    noise: tuple[float, ...] | None = param(
        default=None, low=0.0, high=1.0,
        doc="standard deviation of the noise in the image's range, for all channels or each; none: that of each block",
    )  # fmt: skip
    deringing: bool = param(default=False, doc="hold up dark rings around bright stars")

    def check(self) -> None:
        if len(self.noise_threshold) != len(self.noise_reduction) or len(self.noise_threshold) > len(LAYER_NOISE):
            raise ParameterError(
                f"Deconvolution: noise_threshold and noise_reduction have one number for each of up to "
                f"{len(LAYER_NOISE)} layers, got {len(self.noise_threshold)} and {len(self.noise_reduction)}"
            )
        if self.kernel is not None:
            _kernel(np.array([list(r) for r in self.kernel], dtype=object), "kernel")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        frame = known.of("image")
        return reached(box, frame.height, frame.width, _HALO)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image: Tile = tiles[0]
        frame, box = known.of("image"), known.box
        given, plan = self.needs(box, "image", known), self._plan(known)
        made = np.empty((len(image), box.height, box.width), np.float32)
        for c, plane in enumerate(image):
            own = plane[box.y0 - given.y0 :, box.x0 - given.x0 :][: box.height, : box.width]
            if c >= frame.nominal:
                made[c] = own
                continue
            found = self._channel(plane, given, box, frame, self._noise_of(c, frame), plan)
            made[c] = np.where(np.isfinite(own), found, np.nan)
        return made

    def _channel(
        self, plane: npt.NDArray[np.float32], given: Box, box: Box, frame: Frame, noise: float | None, plan: Plan
    ) -> Block:
        """Return the pixels of *box*, put together of blocks."""
        total = np.zeros((box.height, box.width))
        for block in blocks(box, frame.height, frame.width):
            wide = block.grow(_HALO)
            at = wide.shift(-given.y0, -given.x0)
            part = plane[at.y0 : at.y1, at.x0 : at.x1].astype(np.float64) - frame.lo
            missing = ~np.isfinite(part)
            seen = block.grow(FADE // 2).overlap(box)
            if seen.empty or missing.all():
                continue
            found = deconvolved(_filled(part, missing), missing, noise, plan)
            inner = seen.shift(-wide.y0, -wide.x0)
            across = weight(block.x0, block.x1, seen.x0, seen.x1, frame.width)
            down = weight(block.y0, block.y1, seen.y0, seen.y1, frame.height)
            put = seen.shift(-box.y0, -box.x0)
            total[put.y0 : put.y1, put.x0 : put.x1] += (
                down[:, None] * across[None, :] * found[inner.y0 : inner.y1, inner.x0 : inner.x1]
            )
        return total + frame.lo

    def _plan(self, known: Known) -> Plan:
        regular = self.regularization
        return Plan(
            self._own_kernel(known), self.iterations, self.algorithm == "van_cittert",
            self.noise_threshold if regular else (), self.noise_reduction if regular else (), self.deringing,
        )  # fmt: skip

    def _noise_of(self, channel: int, frame: Frame) -> float | None:
        if self.noise is None:
            return None
        if len(self.noise) not in (1, frame.nominal):
            raise ParameterError(
                f"Deconvolution: noise has one number or one for each of {frame.nominal} channels, "
                f"got {len(self.noise)}"
            )
        lo, hi = frame.known_bounds()
        return (self.noise[0] if len(self.noise) == 1 else self.noise[channel]) * (hi - lo)

    def _own_kernel(self, known: Known) -> Block:
        if self.kernel is not None:
            return _kernel(np.array([list(r) for r in self.kernel], dtype=object), "kernel")
        psf = known.values.get("psf")
        if psf is None:
            return self._ellipse()
        kernel = psf.get("kernel")
        if kernel is None or isinstance(kernel, dict):
            why = kernel["flags"] if kernel else "it was fitted to single stars, not stacked"
            raise ParameterError(
                f"Deconvolution: the linked psf has no kernel ({why}); link that of a MeasureRegion with stars in "
                "its region, or give sigma"
            )
        return _kernel(np.asarray(kernel), "the linked psf's kernel")

    def _ellipse(self) -> Block:
        reach = max(3, min(_LARGEST // 2, math.ceil(self.sigma * (9.2 * self.shape) ** (1.0 / self.shape))))
        v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
        c, s = math.cos(math.radians(self.rotation_angle)), math.sin(math.radians(self.rotation_angle))
        r = np.hypot(u * c + v * s, (v * c - u * s) / self.aspect_ratio) / self.sigma
        made = np.exp(-(r**self.shape) / self.shape)
        return np.asarray(made / made.sum())


def _kernel(given: Any, what: str) -> Block:
    """Return a kernel of sum 1.

    Raises
    ------
    ParameterError
        It is not square, its side is even or too long, or its sum is not above zero.
    """
    sides = {len(r) for r in given}
    side = len(given)
    if sides != {side} or side % 2 == 0 or side > _LARGEST:
        raise ParameterError(
            f"Deconvolution: {what} is a square with an odd side up to {_LARGEST} px, got {side} rows of "
            f"{', '.join(map(str, sorted(sides)))}"
        )
    made = np.asarray(given, np.float64)
    if not np.isfinite(made).all() or not made.sum() > 0.0:
        raise ParameterError(f"Deconvolution: {what} has a sum above zero, got {float(made.sum()):g}")
    return np.asarray(made / made.sum())


def _filled(part: Block, missing: Missing) -> Block:
    """Return a block with its median in place of missing samples."""
    return np.where(missing, np.median(part[~missing]), part) if missing.any() else part
