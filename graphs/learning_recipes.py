"""Named sets of parameter links for LEARN: what each sets, in which processes, from which measures.

In expressions ``{m}`` stands for the node that measures the region, ``{w}`` for that of the second region.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..engine.links.parameter import ParameterLink


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named set of links.

    Attributes
    ----------
    name, doc
        What it is called, and what it does, in a line.
    sets
        Process id -> parameter -> link.
    inserts
        The process that is put behind a node whose own process has none of these parameters; empty: that is refused.
    line
        What is measured is not the region of one image but the line between two (RegionLine).
    through
        The process that makes one image of a series, of which the region is measured; empty: the image itself.
    """

    name: str
    doc: str
    sets: Mapping[str, Mapping[str, ParameterLink]]
    inserts: str = ""
    line: bool = False
    through: str = ""


def _link(
    expr: str, unit: str = "", clamp: tuple[float, float] | None = None, fallback: str = ""
) -> ParameterLink:
    return ParameterLink(expr=expr, unit=unit, clamp=clamp, fallback=fallback)


_TOLERANCE = {"tolerance": _link("max(0.5, 5*1.414*{m}.psf.fwhm/(2.355*30))", clamp=(0.5, 10.0))}
_ALL = (
    Recipe(
        "background-neutralisation",
        "the sky of the region becomes gray",
        {
            "color.background_neutralization": {"background": _link("{m}.bg.median")},
            "color.channel_levels": {"offset": _link("{m}.bg.median - min({m}.bg.median)")},
        },
        "color.channel_levels",
    ),
    Recipe(
        "linear-fit",
        "the image is scaled like a reference, by the line between both in the region",
        {
            "color.channel_levels": {"factor": _link("{m}.line.scale"), "offset": _link("-{m}.line.offset")},
        },
        "color.channel_levels",
        line=True,
    ),
    Recipe(
        "white-reference",
        "what the second region shows above the sky of the first becomes white",
        {
            "color.channel_levels": {
                "factor": _link(
                    "({w}.signal.mean[1] - {m}.bg.median[1]) / ({w}.signal.mean - {m}.bg.median)", clamp=(0.01, 100.0)
                ),
                "offset": _link("{m}.bg.median*(self.factor - 1)"),
            }
        },
        "color.channel_levels",
    ),
    Recipe(
        "gradient",
        "the slope of the region's sky is taken out, its level at the region's centre kept",
        {
            "color.channel_levels": {
                "slope_x": _link("{m}.gradient.dx", unit="image/px"),
                "slope_y": _link("{m}.gradient.dy", unit="image/px"),
                "x0": _link("{m}.region.x", unit="px"),
                "y0": _link("{m}.region.y", unit="px"),
            }
        },
        "color.channel_levels",
    ),
    Recipe(
        "stretch",
        "the region's sky becomes a quarter as bright as white",
        {
            "stretch.histogram_transformation": {
                "shadows": _link("clamp(mean({m}.bg.median) - 2.8*mean({m}.bg.mad), 0, 1)"),
                "midtones": _link("mtf(0.25, mean({m}.bg.median) - self.shadows)", clamp=(1e-6, 0.999999)),
            }
        },
        "stretch.histogram_transformation",
    ),
    Recipe(
        "denoise",
        "what the region tells to be noise is made smaller; by gain and read noise, where it has light enough for them",
        {
            "restoration.multiscale_noise_reduction": {
                "noise": _link("{m}.noise.sigma"),
                "gain": _link("mean({m}.noise.gain)", fallback="0"),
                "read_noise": _link("mean({m}.noise.read*{m}.noise.gain)", fallback="0"),
            }
        },
        "restoration.multiscale_noise_reduction",
    ),
    Recipe(
        "deconvolution",
        "kernel, noise and iterations by the stars and the sky of the region",
        {
            "restoration.deconvolution": {
                "kernel": _link("{m}.psf.kernel"),
                "noise": _link("max({m}.noise.sigma)"),
                "iterations": _link("clamp(round(6*{m}.psf.fwhm), 10, 60)", unit="px"),
            }
        },
        "restoration.deconvolution",
    ),
    Recipe(
        "star-detection",
        "stars as wide as those of the region are looked for",
        {
            "registration.detect_stars": {
                "smoothing": _link("clamp({m}.psf.fwhm/2.355, 0.5, 4)", unit="px"),
                "structure_layers": _link("5 if {m}.psf.fwhm <= 8 else 6 if {m}.psf.fwhm <= 16 else 7"),
            }
        },
    ),
    Recipe(
        "registration",
        "the tolerance is five times the error of places of faint stars as wide as those of the region",
        {"registration.star_alignment": _TOLERANCE, "registration.match_stars": _TOLERANCE},
    ),
    Recipe(
        "lerar-reference",
        "a stable star or area tells the transparency of each frame of a series",
        {
            "time.frame_series_measures": {"reference": _link("{m}.region.box")},
        },
        through="time.series_sample",
    ),
)
RECIPES: dict[str, Recipe] = {r.name: r for r in _ALL}
