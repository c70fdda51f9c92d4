"""The mean by which a master flat is divided, so that calibrated frames keep their level."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...engine.api import Again, Known, ParameterError, Port, Process, param
from . import _cfa
from ._masters import conversion, linked, must_fit, samples, told
from ._trimmed_mean import TrimmedMean

Pattern = Literal["auto", "RGGB", "BGGR", "GBRG", "GRBG", "GRGB", "GBGR", "RGBG", "BGRG"]


class FlatScale(Process, id="calibration.flat_scale"):
    """Find the trimmed mean of a master flat: per channel, or per filter colour of a mosaic.

    ``max(1, floor(flat_scale_clipping_factor N))`` samples are left out at either end; the mean of the
    rest is exact. With *raw_flat* the flat is first calibrated: ``flat - bias - k dark``.

    Method: PixInsight's ImageCalibration, master flat scaling factors.
    """

    inputs = (
        Port("flat", doc="the master flat"),
        Port("bias", optional=True, doc="the master bias"),
        Port("dark", optional=True, doc="the master dark"),
        Port("dark_scale", "measures", optional=True, doc="from DarkScale, of this flat; unlinked: k = 1"),
    )
    outputs = (Port("measures", "measures", doc="the scale of each channel or filter colour"),)

    flat_scale_clipping_factor: float = param(
        default=0.05, low=0.0, high=0.25, doc="share of samples left out at either end"
    )
    separate_cfa_flat_scaling_factors: bool = param(
        default=True, doc="one scale for each filter colour of a mosaic, which makes its white balance neutral"
    )
    raw_flat: bool = param(default=False, doc="bias and dark are still inside the flat")
    bias_in_dark: bool = param(default=False, doc="the bias is still inside the dark")
    enable_cfa: bool = param(default=True, doc="heed colour filter mosaics")
    cfa_pattern: Pattern = param(
        default="auto", choices=_cfa.PATTERNS, doc="the filter pattern; auto: from the frames, which must agree"
    )

    def measure(self, known: Known, *tiles: Any) -> Any:
        must_fit(linked(known, "flat", "bias", "dark"), "FlatScale")
        flat = self._field(known, *tiles).astype(np.float32)
        pattern = self._pattern(known)
        return self._mean.measure(_parts(flat, pattern, known.box.y0), known.state, known.box)

    def merge(self, a: Any, b: Any) -> Any:
        return self._mean.merge(a, b)

    def finish(self, partial: Any, known: Known) -> dict[str, Any] | Again:
        found = self._mean.finish(partial, known.state)
        if isinstance(found, Again):
            return found
        pattern = self._pattern(known)
        names = _cfa.COMPONENTS if pattern else [f"channel {c}" for c in range(len(found))]
        for name, scale in zip(names, found, strict=True):
            if not scale > 0.0:
                raise ParameterError(f"FlatScale: the mean of {name} of the flat must be above 0, got {scale:g}")
        return {"scale": found, "pattern": pattern or ""}

    @property
    def _mean(self) -> TrimmedMean:
        return TrimmedMean(self.flat_scale_clipping_factor, "FlatScale")

    def _pattern(self, known: Known) -> str | None:
        frames = linked(known, "flat", "dark")
        pattern = _cfa.pattern_of(frames, self.enable_cfa, self.cfa_pattern, "FlatScale")
        mosaic = self.separate_cfa_flat_scaling_factors and frames["flat"].nominal == 1
        return pattern if mosaic else None

    def _field(self, known: Known, flat: Any, bias: Any, dark: Any) -> npt.NDArray[np.float64]:
        """Return the flat, calibrated where it is raw."""
        field = samples(flat, known.of("flat"))
        if not self.raw_flat:
            return field
        b: Any = 0.0 if bias is None else samples(bias, known.of("bias"))
        if bias is not None:
            field -= conversion(known, "bias", "flat") * b
        if dark is not None:
            d = samples(dark, known.of("dark"))
            if self.bias_in_dark and bias is not None:
                d -= conversion(known, "bias", "dark") * b
            d *= conversion(known, "dark", "flat")
            k = told(known, "dark_scale", "k", "DarkScale") if "dark_scale" in known.values else [1.0]
            field -= np.array(k)[:, None, None] * d
        return field


def _parts(flat: npt.NDArray[np.float32], pattern: str | None, top: int) -> list[npt.NDArray[np.float32]]:
    """Return the channels, or the samples of each filter colour of a mosaic whose first row is *top*."""
    if pattern is None:
        return list(flat)
    cell = _cfa.components(pattern)
    rows, columns = flat.shape[1:]
    seen = cell[(np.arange(top, top + rows) % len(cell))[:, None], np.arange(columns) % len(cell)]
    return [flat[0][seen == colour][None] for colour in range(len(_cfa.COMPONENTS))]
