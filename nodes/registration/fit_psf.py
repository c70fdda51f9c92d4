"""FitPsf: the point spread function of each star."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ...engine.api import Box, Known, Port, Process, Tile, param
from ._detection import luminance, spread
from ._mesh import Table
from ._psf_fit import COLUMNS, FREE, GAUSSIAN, UNUSABLE, fit_stars
from ._star_table import rounded

Function = Literal[
    "gaussian", "moffat", "moffat10", "moffat8", "moffat6", "moffat4", "moffat25", "moffat15", "lorentzian", "auto"
]

_BETAS: dict[str, tuple[float, ...]] = {
    "gaussian": (GAUSSIAN,),
    "moffat": (FREE,),
    "moffat10": (10.0,),
    "moffat8": (8.0,),
    "moffat6": (6.0,),
    "moffat4": (4.0,),
    "moffat25": (2.5,),
    "moffat15": (1.5,),
    "lorentzian": (1.0,),
    "auto": (2.5, 4.0, 6.0, 10.0),
}

_PLACES = tuple(COLUMNS.index(name) for name in ("star", "x", "y"))

_WIDEST = 40
"""Most rows that a fit may reach from its star."""


class FitPsf(Process, id="registration.fit_psf", version=3):
    """Fit a Gaussian or Moffat function to the brightest unsaturated stars.

    The Value::

        {"columns": ["star", "x", "y", "background", "amplitude", "fwhm_x", "fwhm_y", "theta", "beta",
                     "eccentricity", "fwhm", "fwtm_x", "fwtm_y", "flux", "mean_flux", "residual", "status"],
         "table": float64 array (n, 17), in the order of the star list,
         "function": ..., "fwhm": ..., "eccentricity": ..., "beta": ..., "residual": ..., "count": ...}

    star
        Row of the star list.
    fwhm_x, fwhm_y, fwhm
        Along the long axis, across it, and the square root of their product, in pixels; fwtm: at a tenth of
        the maximum.
    theta
        Direction of the long axis, degrees from the x axis towards the y axis.
    beta
        Exponent of the Moffat; infinity for a Gaussian.
    flux, mean_flux
        Light above the fitted background within the ellipse of the full width at a tenth of the maximum
        times *growth_factor*; the same over the ellipse's area.
    residual
        Mean absolute deviation of the samples within that ellipse from the function.
    status
        0 converged, 1 stopped before it did.

    The last entries are medians over the converged fits (NaN without any) and their number. Stars that no
    function fits are left out. Functions, widths and flux: PixInsight's DynamicPSF; Moffat (1969, A&A 3, 455).
    """

    inputs = (Port("image"), Port("stars", "stars", doc="the stars of this image"))
    outputs = (Port("psf", "psf", doc="the fitted functions"),)

    function: Function = param(
        default="moffat4", choices=tuple(_BETAS), doc="moffat: beta is fitted too; auto: the best of 2.5, 4, 6 and 10"
    )
    circular: bool = param(default=False, doc="fit round functions")
    growth_factor: float = param(default=1.0, low=0.5, high=4.0, doc="size of the ellipse in which flux is summed")
    max_psf_fits: int = param(default=8000, low=1, high=1 << 20, doc="fit the brightest so many stars")
    min_snr: float = param(default=10.0, low=0.0, doc="leave fainter stars out")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(self._halo(known), 0).overlap(known.of("image").box)

    def measure(self, known: Known, *tiles: Any) -> Any:
        image: Tile = tiles[0]
        frame = known.of("image")
        wide = spread(frame)
        plane = luminance(image, frame)
        halo, box = self._halo(known), known.box
        rows = self._chosen(known.values["stars"])
        every = _rows(known.values["stars"])
        # The tile that holds a star's nearest row owns it.
        row = np.clip(np.rint(rows[:, 2]), 0, frame.height - 1)
        rows = rows[(row >= box.y0) & (row < box.y1)]
        near = every[(every[:, 2] > box.y0 - 3 * halo) & (every[:, 2] < box.y1 + 3 * halo)]
        shift = np.array([0.0, 0.5, 0.5, 0.0]) * (wide - 1)
        origin = self.needs(box, "image", known).y0
        table = fit_stars(
            plane, origin, rows - shift, near - shift, halo - 2, _BETAS[self.function], self.circular,
            self.growth_factor, 0.25 * (wide - 1),
        )  # fmt: skip
        table[:, 1:3] += 0.5 * (wide - 1)
        return [table[table[:, -1] < UNUSABLE]]

    def merge(self, a: Any, b: Any) -> Any:
        return [*a, *b]

    def finish(self, partial: Any, known: Known) -> dict[str, Any]:
        table = rounded(np.concatenate([np.empty((0, len(COLUMNS))), *partial]), _PLACES)
        table = table[np.argsort(table[:, 0], kind="stable")]
        good = table[table[:, -1] == 0]
        names = ("fwhm", "eccentricity", "beta", "residual")
        typical = {n: float(np.median(good[:, COLUMNS.index(n)])) if len(good) else math.nan for n in names}
        return {
            "columns": list(COLUMNS), "table": table, "function": self.function, **typical, "count": len(good),
        }  # fmt: skip

    def _chosen(self, stars: Mapping[str, Any]) -> Table:
        """Return number, x, y, FWHM of the stars to be fitted: bright, unsaturated, whole."""
        table, columns = np.asarray(stars["table"], np.float64), list(stars["columns"])
        flags = table[:, columns.index("flags")].astype(np.int64)
        # 1 saturated, 2 at the edge, 8 samples missing, 16 no star's shape.
        usable = (flags & (1 | 2 | 8 | 16) == 0) & (table[:, columns.index("snr")] >= self.min_snr)
        chosen: Table = _rows(stars)[usable][: self.max_psf_fits]
        return chosen

    def _halo(self, known: Known) -> int:
        rows = self._chosen(known.values["stars"])
        widest = float(rows[:, 3].max()) if len(rows) else 0.0
        return min(_WIDEST, max(6, math.ceil(3.5 * widest) + 3))


def _rows(stars: Mapping[str, Any]) -> Table:
    table, columns = np.asarray(stars["table"], np.float64), list(stars["columns"])
    picked = table[:, [columns.index(n) for n in ("x", "y", "fwhm")]]
    return np.column_stack([np.arange(float(len(table))), picked])
