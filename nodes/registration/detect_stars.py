"""DetectStars: where the stars of an image are, how bright and how wide."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Again, Box, Frame, Known, ParameterError, Port, Process, Tile, param
from ._detection import field_of, gain_of, heights, luminance, maxima, spread
from ._moments import COLUMNS, SATURATED, crests, measured
from ._star_table import FLAGS, X, Y, cleaned, flagged, medians, rounded

_SHARP, _BROAD = 1.0, 3.0
"""Sigmas of the smoothing for stars of 2 to 4 px FWHM and for those of 5 to 10 px."""

_EASE = 0.85
"""What the threshold is multiplied by in the broad search: with nine times fewer places where noise may look
like a star, 4.25 sigma let through about as much of it as 5 sigma do in the sharp one."""

_FEW, _PLAIN = 50, 5.0
"""A frame that shows fewer stars of so many sigmas is searched again for broad and faint ones. Whatever the
threshold: at three sigmas any number of maxima are noise, and say nothing about the stars."""


_NOTHING: dict[str, list[Any]] = {"tables": [], "noise": [], "background": [], "plain": []}


class DetectStars(Process, id="registration.detect_stars", version=4):
    """Find the stars of a linear image and measure place, flux and shape of each.

    The Value::

        {"columns": ["x", "y", "flux", "peak", "background", "fwhm", "eccentricity", "theta", "snr", "flags"],
         "table": float64 array (n, 10), brightest first (equal fluxes by y, then x),
         "found": ..., "noise": ..., "background": ..., "fwhm": ..., "eccentricity": ...,
         "width": ..., "height": ...}

    x, y
        Pixels of the full frame, storage order; the centre of the first pixel is (0.0, 0.0).
    flux, peak, background
        Physical units (those of the samples). Flux is the optimally weighted sum under the star's Gaussian
        profile, above the background; peak is the brightest sample above the background.
    fwhm, eccentricity, theta
        Pixels; sqrt(1 - b²/a²); degrees from the x axis towards the y axis, in [-90, 90). Of the Gaussian
        that matches the star's core.
    snr
        Flux over its error from the noise of the background alone.
    flags
        Sum of 1 saturated, 2 within four pixels of the image's edge, 4 another star (a tenth as bright or
        more) within two FWHM, 8 missing samples near the peak, 16 no shape could be found: the star is
        measured under a round window of the width typical of its neighbours.
    found
        How many stars there are, those that *max_stars* leaves out included.
    noise, background, fwhm, eccentricity
        Medians over the frame; the last two over unflagged stars (NaN without any). The noise is that of
        the mean over a star, scaled to one sample: where resampling made neighbours alike it is larger
        than their scatter, and *snr* remains true. Missing samples do not count; an image of nothing else has
        no stars, and NaN for all four.

    Colour images are searched on the mean of their channels, Bayer mosaics on the mean of every 2 x 2 samples
    (at every place, so that places have the accuracy of the full grid).

    A star is a local maximum of the smoothed image at least *threshold* times the local noise above the local
    background, wider than one hot pixel, and parted from brighter neighbours by a dip. Places are windowed
    centroids with an adaptive elliptical Gaussian window (Bernstein & Jarvis 2002, AJ 123, 583; the window of
    SExtractor's XWIN_IMAGE is the round case). Numbers are kept to 16 binary digits, places to 2^-14 pixels: less than
    the noise of any of them.
    """

    inputs = (Port("image"),)
    outputs = (Port("stars", "stars", doc="the star list, brightest first"),)

    structure_layers: int = param(
        default=5, low=4, high=7, doc="stars are measured within 2^(layers-1) px of their peak; FWHM up to half of it"
    )
    threshold: float = param(
        default=5.0, low=1.0, high=1000.0, usual=(2.0, 100.0), unit="sigma",
        doc="least height of a star in the smoothed image",
    )
    smoothing: float = param(
        default=0.0,
        low=0.0,
        high=4.0,
        unit="px",
        doc="sigma of the Gaussian under which stars are found; 0: 1 px, and 3 px where that shows few stars",
    )
    hot_pixel_filter: bool = param(default=True, doc="leave out maxima that are one sample wide")
    upper_limit: float = param(
        default=1.0, low=0.0, high=1.0, doc="leave out stars whose peak is above this part of the range"
    )
    saturation: float = param(
        default=0.95, low=0.0, high=1.0, doc="flag stars whose peak is at or above this part of the range"
    )
    max_stars: int = param(default=0, low=0, doc="keep the brightest so many; 0: all")

    def check(self) -> None:
        if 0.0 < self.smoothing < 0.5:
            raise ParameterError(f"DetectStars: smoothing must be 0 or at least 0.5 px, got {self.smoothing:g}")

    @property
    def radius(self) -> int:
        """How far a star's window reaches, in pixels of the searched plane."""
        return 1 << (self.structure_layers - 1)

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(self.radius + 4, 0).overlap(known.of(port).box)

    def measure(self, known: Known, *tiles: Any) -> Any:
        image: Tile = tiles[0]
        frame = known.of("image")
        lo, hi, wide = frame.lo, frame.hi, spread(frame)
        plane = luminance(image, frame)
        if plane.size == 0:
            return _NOTHING
        origin = self.needs(known.box, "image", known).y0
        rows = known.box.y0 - origin, min(known.box.y1 - origin, len(plane))
        smoothing = self._smoothing(known)
        field = field_of(plane, rows, smoothing, lo, hi)
        noise = field.mesh.sigma * gain_of(smoothing)
        if not np.isfinite(noise).all():
            return _NOTHING  # no sample of this tile is there
        ease = _EASE if known.state is not None else 1.0
        peaks = maxima(field, rows, ease * self.threshold, self.hot_pixel_filter)
        crest = crests(image[: frame.nominal], peaks, wide)
        peaks, crest = (found[crest <= lo + self.upper_limit * (hi - lo)] for found in (peaks, crest))
        edges = 0 if origin == 0 else -1, len(plane) if origin + len(image[0]) == frame.height else -1
        # The mean of two neighbours is wider by a quarter of a square pixel.
        table = measured(
            plane, peaks, self.radius, float(np.median(noise)), edges, 0.25 * (wide - 1), max(1.3, smoothing)
        )
        reached = crest >= lo + self.saturation * (hi - lo)
        table[:, FLAGS] = np.where(reached, table[:, FLAGS].astype(np.int64) | SATURATED, table[:, FLAGS])
        table[:, [X, Y]] += (0.5 * (wide - 1), origin + 0.5 * (wide - 1))
        plain = int((heights(field, peaks) >= ease * max(_PLAIN, self.threshold) - 1e-3).sum())
        return {
            "tables": [table], "noise": [noise.ravel()], "background": [field.mesh.level.ravel()], "plain": [plain],
        }  # fmt: skip

    def merge(self, a: Any, b: Any) -> Any:
        return {name: [*a[name], *b[name]] for name in a}

    def finish(self, partial: Any, known: Known) -> dict[str, Any] | Again:
        found, plain = self._value(partial, known.of("image")), sum(partial["plain"])
        if self.smoothing == 0.0 and known.state is None and plain < _FEW and np.isfinite(found["noise"]):
            return Again({"first": found, "plain": plain})
        if known.state is not None and known.state["plain"] >= plain:
            first: dict[str, Any] = known.state["first"]
            return first
        return found

    def _smoothing(self, known: Known) -> float:
        if self.smoothing:
            return self.smoothing
        return _SHARP if known.state is None else _BROAD

    def _value(self, partial: Any, frame: Frame) -> dict[str, Any]:
        table = np.concatenate([np.empty((0, len(COLUMNS))), *partial["tables"]])
        table = flagged(cleaned(rounded(table), float(spread(frame))))
        found = len(table)
        if self.max_stars:
            table = table[: self.max_stars]
        cells = {name: np.concatenate([np.empty(0), *partial[name]]) for name in ("noise", "background")}
        return {
            "columns": list(COLUMNS),
            "table": table,
            "found": found,
            **{name: float(np.median(c)) if c.size else float("nan") for name, c in cells.items()},
            **medians(table),
            "width": frame.width,
            "height": frame.height,
        }
