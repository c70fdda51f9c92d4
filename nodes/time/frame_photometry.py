"""FramePhotometry: sky, noise and the fluxes of the same stars in every frame of a series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, Known, Port, Process, Tile, param
from ._levels import SIDE, clipped_level, noise_of, thinned
from ._matched import FWHM
from ._photometry import SHAPED, fluxes, reach, reference_stars

_NOISE_PLACES = 4
"""Tiles of a frame in which its noise is measured, at most."""
_SKY = 1.75
"""Sky begins so many FWHM from a star."""
_DEFAULT_FWHM = 3.0


class FramePhotometry(Process, id="time.frame_photometry"):
    """Measure the sky, the noise and reference stars of each frame of a registered series, in one pass.

    Stars keep their places; each frame's flux of one is the height of a Gaussian of the stars' usual width, fitted
    with a constant. The sky is the median of what is left of the samples away from stars after clipping (4 sigma
    below, 2.5 above), in the whole frame or in each cell of a mesh; parts of large frames are measured apart and
    averaged. Noise is that of the multiresolution support in up to four places of 256 x 256 pixels. Of colour frames
    the sky is that of each channel, all else that of the mean of the channels.

    The Value holds arrays: ``level`` (frames, channels, mesh, mesh), ``sigma`` (frames), ``flux`` (frames, stars),
    ``shape`` (frames, brightest stars, 3: shift in rows and columns and second moment under the Gaussian),
    ``places`` (stars, 2: row and column) and the stars' ``fwhm``.
    """

    inputs = (
        Port("frames", many=True, doc="registered, linear frames"),
        Port("stars", "stars", doc="the stars of the field"),
    )
    outputs = (Port("photometry", "measures", doc="for SeriesTable"),)
    maskable = False
    draws = True

    mesh: int = param(default=1, low=1, high=64, doc="cells of the sky along a side")
    fwhm: float = param(default=0.0, low=0.0, high=64.0, unit="px", doc="width of the stars; 0: as the star list says")
    max_stars: int = param(default=100, low=1, high=1000, doc="reference stars at most, the brightest")
    least_snr: float = param(default=15.0, low=1.0, doc="least ratio of signal to noise of reference stars in *stars*")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(reach(self._width(known)), 0).overlap(known.frames["frames"][0].box)

    def measure(self, known: Known, *tiles: Any) -> Any:
        frames, box, first = tiles[0], known.box, known.frames["frames"][0]
        sigma, n = self._width(known) / FWHM, len(known.frames["frames"])
        seen = self.needs(box, "frames", known)
        places = self._stars(known)
        row = np.clip(np.rint(places[:, 0]), 0, first.height - 1)
        mine = np.nonzero((row >= box.y0) & (row < box.y1))[0]
        here, shaped = np.ascontiguousarray(places[mine]), int((mine < SHAPED).sum())
        own = slice(box.y0 - seen.y0, box.y1 - seen.y0)
        cells = self._cells(known, first)
        level, count = (np.zeros((n, first.nominal, self.mesh, self.mesh)) for _ in range(2))
        noise, found = np.full(n, np.nan), np.empty((n, len(mine), 4), np.float32)
        where = self._noise_box(box, first)
        star = np.empty((len(mine), 4))
        for i in range(n):
            tile: Tile = frames[i][: first.nominal]
            plane = np.ascontiguousarray(tile[0] if len(tile) == 1 else tile.mean(axis=0, dtype=np.float32))
            for at, (cell, sky) in cells.items():
                part = (slice(cell.y0 - seen.y0, cell.y1 - seen.y0), slice(cell.x0, cell.x1))
                for c in range(first.nominal):
                    samples = thinned(np.where(sky, tile[c][part], np.float32(np.nan))).ravel()
                    middle, kept = clipped_level(samples)
                    if kept:
                        level[i, c][at], count[i, c][at] = middle * kept, kept
            if where is not None:
                rows = slice(own.start + where.y0 - box.y0, own.start + where.y1 - box.y0)
                noise[i] = noise_of(plane[rows, where.x0 : where.x1])
            fluxes(plane, seen.y0, here, sigma, reach(self._width(known)), shaped, star)
            found[i] = star
        good = np.isfinite(noise)
        squares = [np.where(good, noise, 0.0) ** 2, good.astype(np.float64)]
        return {"level": level, "count": count, "noise": squares, "stars": [(mine, found)]}

    def merge(self, a: Any, b: Any) -> Any:
        return {
            "level": a["level"] + b["level"], "count": a["count"] + b["count"],
            "noise": [p + q for p, q in zip(a["noise"], b["noise"], strict=True)], "stars": [*a["stars"], *b["stars"]],
        }  # fmt: skip

    def finish(self, partial: Any, known: Known) -> dict[str, Any]:
        places, n = self._stars(known), len(known.frames["frames"])
        every = np.full((n, len(places), 4), np.nan, np.float32)
        for mine, found in partial["stars"]:
            every[:, mine] = found
        with np.errstate(invalid="ignore", divide="ignore"):
            level = partial["level"] / partial["count"]
            whole = partial["level"].sum(axis=(2, 3)) / partial["count"].sum(axis=(2, 3))
            sigma = np.sqrt(partial["noise"][0] / partial["noise"][1])
        return {
            "level": np.where(np.isfinite(level), level, whole[:, :, None, None]), "sigma": sigma,
            "flux": every[:, :, 0].astype(np.float64), "shape": every[:, :SHAPED, 1:].astype(np.float64),
            "places": places, "fwhm": self._width(known),
        }  # fmt: skip

    # -- what is measured where -------------------------------------------------------------------

    def _width(self, known: Known) -> float:
        told = self.fwhm or float(known.values["stars"].get("fwhm", math.nan))
        return told if math.isfinite(told) and told > 0.0 else _DEFAULT_FWHM

    def _stars(self, known: Known) -> npt.NDArray[np.float64]:
        return reference_stars(known.values["stars"], self.max_stars, self.least_snr)

    def _noise_box(self, box: Box, frame: Frame) -> Box | None:
        """Return the part of a tile in which noise is measured; None where it is not."""
        if (box.y0 * _NOISE_PLACES) // frame.height == (box.y1 * _NOISE_PLACES) // frame.height:
            return None
        height, width = min(SIDE, box.height), min(SIDE, box.width)
        y0, x0 = box.y0 + (box.height - height) // 2, box.x0 + (box.width - width) // 2
        return Box(y0, x0, y0 + height, x0 + width)

    def _cells(self, known: Known, frame: Frame) -> dict[tuple[int, int], tuple[Box, npt.NDArray[np.bool_]]]:
        """Return the cells of the mesh that meet the tile: their part of it, and where there is sky in it."""
        found = {}
        edges = [np.linspace(0, size, self.mesh + 1).astype(int) for size in (frame.height, frame.width)]
        for j in range(self.mesh):
            for i in range(self.mesh):
                cell = Box(int(edges[0][j]), int(edges[1][i]), int(edges[0][j + 1]), int(edges[1][i + 1]))
                part = cell.overlap(known.box)
                if not part.empty:
                    found[j, i] = part, self._sky(known, part)
        return found

    def _sky(self, known: Known, box: Box) -> npt.NDArray[np.bool_]:
        """Return which samples of *box* are away from stars."""
        stars = known.values["stars"]
        names, table = list(stars["columns"]), np.asarray(stars["table"], np.float64)
        far = _SKY * self._width(known)
        sky = np.ones((box.height, box.width), np.bool_)
        for y, x in table.reshape(-1, len(names))[:, [names.index("y"), names.index("x")]]:
            y0, y1 = max(box.y0, math.floor(y - far)), min(box.y1, math.ceil(y + far) + 1)
            x0, x1 = max(box.x0, math.floor(x - far)), min(box.x1, math.ceil(x + far) + 1)
            if y0 < y1 and x0 < x1:
                near = np.hypot(np.arange(y0, y1)[:, None] - y, np.arange(x0, x1)[None, :] - x) <= far
                sky[y0 - box.y0 : y1 - box.y0, x0 - box.x0 : x1 - box.x0] &= ~near
        return sky
