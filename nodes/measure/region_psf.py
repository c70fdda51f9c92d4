"""RegionPsf: the point spread function by the stars of a region."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, Known, Port, Process, Tile, param
from ._celestial import scale_and_rotation
from ._psf_stack import FEWEST, MARGIN, MOST, Rows, Stars, entry, kernel_radius, shape, stacked, stamp, unknown
from ._region import halo_of, inside, inside_by, window


class RegionPsf(Process, id="measure.region_psf"):
    """Tell the shape of the stars in a region, and stack them to a kernel.

    Stars count that are fitted well, at least 30 noise sigmas high, below 0.8 of the range, without a neighbour of
    more than 5 % of their light within four FWHM, and in the region by three FWHM. The Value `psf` has entries
    (``value, unit, error, n, flags``)::

        fwhm, fwhm_x, fwhm_y    px: medians of the fits; along the long axis and across
        fwhm_sky                arcsec
        ellipticity, angle      1 - b/a of the median shape; degrees from the x axis towards the y axis
        beta                    exponent of the Moffat

    and ``kernel`` (float64, odd square, centred, sum 1: the weighted mean of the stars, each interpolated about its
    own centre), ``kernel_error``, ``count``, ``few`` (fewer than three stars: all entries are NaN, their flags say
    LRN-3, and so is the kernel), ``source`` (``region`` or ``frame``). Of colour images the mean of the channels is
    looked at. `stars` is the star list of the region in pixels of the image, with entries ``count`` and
    ``flux_median``.
    """

    inputs = (
        Port("image", doc="the window around the region, or the whole image"),
        Port("where", "region", doc="the region, on the pixels of the image that the window was cut from"),
        Port("stars", "stars", doc="the stars of the window"),
        Port("fits", "psf", doc="the functions fitted to them"),
    )
    outputs = (
        Port("psf", "psf", doc="shape and kernel"),
        Port("stars", "stars", doc="the stars in the region, in pixels of the image"),
    )
    maskable = False

    halo: int = param(default=64, low=0, high=4096, unit="px", doc="what the window was cut with")
    everywhere: bool = param(default=False, doc="whether the window is the whole image, and all stars of it count")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(40, 0).overlap(known.of("image").box)

    def measure(self, known: Known, *tiles: Any) -> Any:
        rows = self._chosen(known)
        if len(rows) < FEWEST:
            return []
        stars = self._stars(known)
        box, origin = known.box, self.needs(known.box, "image", known).y0
        radius = kernel_radius(float(np.median(stars.fit["fwhm"][rows])))
        plane = _luminance(tiles[0], known.of("image"))
        found = []
        for k in rows[:MOST]:
            x, y = float(stars.fit["x"][k]), float(stars.fit["y"][k])
            if box.y0 <= round(y) < box.y1:
                made = stamp(plane, x, y - origin, radius)
                if made is not None:
                    found.append([int(k), made - stars.fit["background"][k]])
        return found

    def merge(self, a: Any, b: Any) -> Any:
        return [*a, *b]

    def finish(self, partial: Any, known: Known) -> dict[str, Any]:
        rows, stars = self._chosen(known), self._stars(known)
        source = "frame" if self.everywhere else "region"
        listed = self._listed(known)
        if len(rows) < FEWEST:
            why = f"LRN-3: {len(rows)} stars that a point spread function can be measured by, {FEWEST} are wanted"
            psf = {**unknown(why), "kernel": entry(math.nan, flags=why), "kernel_error": None, "few": True}
        else:
            fit = {name: column[rows] for name, column in stars.fit.items()}
            at = fit["x"].mean(), fit["y"].mean()
            scale, _ = scale_and_rotation(known.of("image"), float(at[0]), float(at[1]))
            psf = {**shape(fit, scale), **_kernel(partial, stars), "few": False}
        return {"psf": {**psf, "count": len(rows), "source": source}, "stars": listed}

    def value(self, port: str, measured: Any) -> Any:
        return None if measured is None else measured[port]

    def _stars(self, known: Known) -> Stars:
        return Stars(known.values["stars"], known.values["fits"])

    def _offset(self, known: Known) -> tuple[int, int]:
        if self.everywhere:
            return 0, 0
        region = known.values["where"]
        part = window(region, halo_of(region, self.halo))
        return part.x0, part.y0

    def _chosen(self, known: Known) -> Rows:
        """Return the rows of the fits that count, brightest star first."""
        stars, frame = self._stars(known), known.of("image")
        good = stars.usable(*frame.known_bounds())
        if not self.everywhere and good.any():
            places = stars.places[good] + self._offset(known)
            good[good] = inside_by(known.values["where"], places, MARGIN * stars.fit["fwhm"][good])
        return np.asarray(np.flatnonzero(good), np.intp)

    def _listed(self, known: Known) -> dict[str, Any]:
        """Return the star list of the region."""
        stars, region = dict(known.values["stars"]), known.values["where"]
        columns = list(stars["columns"])
        table = np.array(stars["table"], np.float64).reshape(-1, len(columns))
        table[:, [columns.index("x"), columns.index("y")]] += self._offset(known)
        if not self.everywhere:
            table = table[inside(region, table[:, [columns.index("x"), columns.index("y")]])]
        flux = table[:, columns.index("flux")]
        n = len(table)
        middle = float(np.median(flux)) if n else math.nan
        error = 1.2533 * float(flux.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
        return {
            **stars, "table": table, "width": region["width"], "height": region["height"],
            "count": entry(n, "", 0.0, n), "flux_median": entry(middle, "image", error, n, "" if n else "no stars"),
        }  # fmt: skip


def _kernel(partial: Any, stars: Stars) -> dict[str, Any]:
    found = sorted(partial, key=lambda one: one[0])
    if len(found) < FEWEST:
        why = f"LRN-3: {len(found)} stars are whole, with all samples around them; {FEWEST} are wanted"
        return {"kernel": entry(math.nan, flags=why), "kernel_error": None}
    kernel, error = stacked([np.asarray(s) for _, s in found], [float(stars.fit["amplitude"][k]) for k, _ in found])
    return {"kernel": kernel, "kernel_error": error}


def _luminance(tile: Tile, frame: Frame) -> npt.NDArray[np.float32]:
    if frame.nominal == 1:
        return np.asarray(tile[0])
    return np.asarray(np.mean(tile[: frame.nominal], axis=0, dtype=np.float64), np.float32)
