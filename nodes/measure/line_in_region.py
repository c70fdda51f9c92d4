"""LineInRegion: the straight line between the samples of two images in a region."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...engine.api import Known, ParameterError, Port, Process
from ._region import halo_of, mask, window

Floats = npt.NDArray[np.float64]

# Of larger regions every second, third ... row and column counts.
_MOST = 1_000_000
_FEWEST = 64
_ROUNDS = 8
_KAPPA = 3.0


class Line(NamedTuple):
    """A line: slope, intercept at 0, their standard errors, the pairs it was fitted to, and why it is not known."""

    slope: float
    slope_error: float
    offset: float
    offset_error: float
    n: int
    flags: str


class LineInRegion(Process, id="measure.line_in_region"):
    """Fit ``reference = offset + scale * image`` to the samples of a region; RegionLine tells how."""

    inputs = (
        Port("image", doc="the window around the region"),
        Port("reference", doc="the same window of the reference"),
        Port("where", "region", doc="the region, on the pixels of the images that the windows were cut from"),
        Port("measures", "measures", doc="RegionMeasures of the image"),
        Port("reference_measures", "measures", doc="RegionMeasures of the reference"),
    )
    outputs = (Port("measures", "measures", doc="scale and offset of each channel"),)
    maskable = False

    def measure(self, known: Known, *tiles: Any) -> Any:
        frames, region = (known.of("image"), known.of("reference")), known.values["where"]
        if not frames[0].same_size(frames[1]) or frames[0].nominal != frames[1].nominal:
            raise ParameterError(
                f"RegionLine: image and reference want one size and as many channels, got {frames[0].width}x"
                f"{frames[0].height}x{frames[0].nominal} and {frames[1].width}x{frames[1].height}x{frames[1].nominal}"
            )
        part = window(region, halo_of(region, 64))
        place = known.box.shift(part.y0, part.x0)
        chosen = mask(region, place)
        step = max(1, math.ceil(math.sqrt(float(region["size"]) / _MOST)))
        chosen[np.arange(place.y0, place.y1) % step != 0] = False
        chosen[:, np.arange(place.x0, place.x1) % step != 0] = False
        told = []
        for c in range(frames[0].nominal):
            x, y = (tile[c].astype(np.float64) for tile in tiles[:2])
            good = chosen & np.isfinite(x) & np.isfinite(y)
            told.append(np.stack([_normal(x[good], frames[0]), _normal(y[good], frames[1])]))
        return told

    def merge(self, a: Any, b: Any) -> Any:
        return [np.concatenate([p, q], axis=1) for p, q in zip(a, b, strict=True)]

    def finish(self, partial: Any, known: Known) -> Any:
        noise = [
            _each(known.values[port]["noise"]["sigma"]["value"], known.of(image))
            for port, image in (("measures", "image"), ("reference_measures", "reference"))
        ]
        found = [line(x, y, noise[0][c], noise[1][c]) for c, (x, y) in enumerate(partial)]
        return {"line": {"scale": _entry(found, 0), "offset": _entry(found, 2)}}


def _entry(found: list[Line], at: int) -> dict[str, Any]:
    """Return the figure *at* of the lines of all channels, with its error."""
    value, error = ([f[k] for f in found] if len(found) > 1 else found[0][k] for k in (at, at + 1))
    flags = "; ".join(dict.fromkeys(f.flags for f in found if f.flags))
    return {"value": value, "unit": "", "error": error, "n": min(f.n for f in found), "flags": flags}


def _normal(samples: Floats, frame: Any) -> Floats:
    lo, hi = frame.known_bounds()
    return np.asarray((samples - lo) / (hi - lo))


def _each(sigma: Any, frame: Any) -> list[float]:
    lo, hi = frame.known_bounds()
    return [float(s) / (hi - lo) for s in (sigma if isinstance(sigma, list | tuple) else [sigma])]


def line(x: Floats, y: Floats, sx: float, sy: float) -> Line:
    """Fit ``y = offset + slope * x``.

    The line of least squares where both have errors of known ratio (Deming 1943, "Statistical Adjustment of Data"),
    of the pairs within three robust deviations from it: found again until they are the same, eight times at most.

    Parameters
    ----------
    x, y
        Pairs of samples, finite.
    sx, sy
        Standard deviations of their noise; not finite: as large as the other's.
    """
    known = [s for s in (sx, sy) if math.isfinite(s) and s >= 0.0]
    sx, sy = ((s if math.isfinite(s) else known[0] if known else 1.0) for s in (sx, sy))
    kept = np.ones(len(x), bool)
    for _ in range(_ROUNDS + 1):
        n = int(kept.sum())
        if n < _FEWEST:
            return _unknown(n, f"LRN-4: {n} pairs of samples, {_FEWEST} are wanted")
        mx, my = float(x[kept].mean()), float(y[kept].mean())
        u, v = x[kept] - mx, y[kept] - my
        xx, yy, xy = float(u @ u) / n, float(v @ v) / n, float(u @ v) / n
        slope = _slope(xx, yy, xy, sx * sx, sy * sy)
        if not math.isfinite(slope):
            return _unknown(n, "LRN-4: the two images share no structure here")
        offset = my - slope * mx
        left = np.abs(y - offset - slope * x)
        spread = 1.4826 * float(np.median(left[kept]))
        # Of all pairs anew: a first line that outliers turned must not throw good ones away for good.
        again = left <= _KAPPA * spread if spread > 0.0 else kept
        if np.array_equal(again, kept):
            break
        kept = again
    left = v - slope * u
    true = max(xx - sx * sx, 1e-3 * xx)
    error = math.sqrt(float(left @ left) / n / (n * true)) if true > 0.0 else math.nan
    return Line(slope, error, offset, math.hypot(error * mx, spread / math.sqrt(n)), n, "")


def _unknown(n: int, why: str) -> Line:
    return Line(math.nan, math.nan, math.nan, math.nan, n, why)


def _slope(xx: float, yy: float, xy: float, vx: float, vy: float) -> float:
    """Return the slope that variances and covariance of the samples tell, with *vx* and *vy* those of their noise."""
    if xy * xy <= 1e-4 * xx * yy or xy <= 0.0:
        return math.nan
    if vx == 0.0 and vy == 0.0:
        vx, vy = xx, yy
    # Of the two forms the one that does not divide by a small number.
    d = vx * yy - vy * xx
    root = math.sqrt(d * d + 4.0 * vx * vy * xy * xy)
    return (d + root) / (2.0 * vx * xy) if d >= 0.0 and vx > 0.0 else 2.0 * vy * xy / (root - d)
