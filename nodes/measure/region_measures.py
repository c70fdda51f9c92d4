"""RegionMeasures: sky, noise, slope, colour and structure of a region."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Again, Box, Known, Port, Process, Summaries, param
from ._background import span
from ._planes import Plane
from ._region import halo_of, mask, window
from ._region_entries import FRACTIONS, Told, added_fluxes, figures, fluxes
from ._region_samples import REACH, merged, noise_of, placed, tell

_ORDER = Summaries(fractions=FRACTIONS)
_LAYERS, _FEWEST = 4, 2


class RegionMeasures(Process, id="measure.region_measures"):
    """Measure the samples of a region; MeasureRegion tells what, and how.

    Of colour images every channel is measured. Missing samples are left out, those outside the region serve only the
    starlet transform.
    """

    inputs = (
        Port("image", doc="the window around the region"),
        Port("where", "region", doc="the region, on the pixels of the image that the window was cut from"),
        Port("psf", "psf", optional=True, doc="RegionPsf of the region"),
        Port("frame_psf", "psf", optional=True, doc="RegionPsf of the whole image, for where stars were too few"),
        Port("stars", "stars", optional=True, doc="the stars in the region"),
    )
    outputs = (
        Port("measures", "measures", doc="all of them, by name"),
        Port("psf", "psf", doc="that of the region, or of the whole image in its place"),
    )
    maskable = False

    halo: int = param(default=64, low=0, high=4096, unit="px", doc="what the window was cut with")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box if _ordering(known) else box.grow(REACH, 0)

    def measure(self, known: Known, *tiles: Any) -> Any:
        frame, region = known.of("image"), known.values["where"]
        part = self._part(known)
        box = self.needs(known.box, "image", known)
        chosen = mask(region, box.shift(part.y0, part.x0))
        planes: list[Plane] = [np.ascontiguousarray(p) for p in tiles[0][: frame.nominal]]
        if _ordering(known):
            masked = np.where(chosen, np.stack(planes), np.float32(np.nan))
            return {"order": _ORDER.measure(masked, known.state and known.state["order"], box)}
        first = int(region["box"][0]) - part.y0 - known.box.y0, int(region["box"][1]) - part.x0
        channels = known.state["channels"]
        told = [
            tell(p, chosen, known.state["layers"], span(c["median"], c["mad"]), first)
            for p, c in zip(planes, channels, strict=True)
        ]
        rows = slice(REACH, REACH + known.box.height)
        place = known.box.shift(part.y0, part.x0)
        stars = fluxes(region, [p[rows] for p in planes], place)
        return {"told": [placed(t, place) for t in told], "stars": stars}

    def merge(self, a: Any, b: Any) -> Any:
        if "order" in a:
            return {"order": _ORDER.merge(a["order"], b["order"])}
        told = [merged(p, q) for p, q in zip(a["told"], b["told"], strict=True)]
        return {"told": told, "stars": added_fluxes(a["stars"], b["stars"])}

    def finish(self, partial: Any, known: Known) -> Any:
        if "order" in partial:
            found = _ORDER.finish(partial["order"], known.state and known.state["order"])
            if isinstance(found, Again):
                return Again({"order": found.state})
            return Again({"channels": [s.plain() for s in found], "layers": _LAYERS})
        layers, channels = known.state["layers"], known.state["channels"]
        noise = [noise_of(p, layers, _FEWEST) for p in partial["told"]]
        if any(n is None for n in noise):
            return Again({"channels": channels, "layers": layers - 1})
        psf = self._psf(known)
        region, frame = known.values["where"], known.of("image")
        values = Told(
            channels, partial["told"], [n for n in noise if n], partial["stars"], region, self._part(known), frame
        )
        told = figures(values, psf, known.values.get("stars"))
        return {"measures": told, "psf": psf}

    def value(self, port: str, measured: Any) -> Any:
        return None if measured is None else measured[port]

    def _psf(self, known: Known) -> Any:
        psf, wide = known.values.get("psf"), known.values.get("frame_psf")
        return wide if psf is not None and psf["few"] and wide is not None else psf

    def _part(self, known: Known) -> Box:
        region = known.values["where"]
        return window(region, halo_of(region, self.halo))


def _ordering(known: Known) -> bool:
    return known.state is None or "order" in known.state
