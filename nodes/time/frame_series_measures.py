"""FrameSeriesMeasures: sky, transparency, noise and sharpness of every frame of a series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Box, Composite, Expand, ParameterError, Port, param
from .series_table import Comparing


class FrameSeriesMeasures(Composite, Comparing, id="time.frame_series_measures"):
    """Measure what changes from frame to frame of a registered series, before anything in it is said to vary.

    The table has a row a frame, in the order of the frames: ``gain`` (transparency; its median is 1), ``bg`` (level of
    the sky), ``sigma`` (noise of the frame once it is normalised), ``fwhm``, ``dx``, ``dy`` (width and shift of its
    stars, pixels), ``airmass`` (of the header), ``used`` (1 or 0), and ``pc1`` ... as many as `components`. Beside
    the columns stand ``sky`` (frames, channels, cells, cells), ``stars`` (place, weight and evidence of variation of
    each reference star), ``left_out``, ``gain_from`` and ``notes``, in sentences.

    Stars are found in a mean of frames spread over the series, and measured in each frame at the same place: the
    height of a Gaussian of their usual width. The transparency of a frame is the mean of its reference stars' fluxes
    over their medians, without those 5 robust sigmas off, weighted by the inverse robust variance; no star weighs more
    than four times what most do. With `trv` and times, stars that vary with that period are looked for in up to three
    rounds, judged by the noise at frequencies nearby, and left out: a star that varies would imprint its variation on
    all others. All stars are tested anew in each round.

    Frames with a transparency below 0.3 or more than three times the usual noise are left out.

    Errors: LRR-4 there is nothing to compare frames by.

    Made of SeriesSample, DetectStars, FramePhotometry, RegionLevels and SeriesTable.
    """

    inputs = (
        Port("frames", many=True, doc="registered, linear frames"),
        Port("times", "times", optional=True, doc="from TimeAxis; with trv, stars that vary are left out"),
        Port("stars", "stars", optional=True, doc="the stars of the field; none: they are found in a mean of frames"),
    )
    outputs = (Port("table", "table", doc="a row a frame"),)
    requires = "linear"
    maskable = False

    threshold: float = param(
        default=5.0, low=1.0, high=1000.0, usual=(3.0, 50.0), unit="sigma", doc="how far stars stand above the noise"
    )
    sample: int = param(default=21, low=1, high=1000, doc="frames in whose mean stars are looked for")
    max_stars: int = param(default=100, low=1, high=1000, doc="reference stars at most, the brightest")
    fwhm: float = param(default=0.0, low=0.0, high=64.0, unit="px", doc="width of the stars; 0: it is measured")
    mesh: int = param(default=1, low=1, high=64, doc="cells of the sky along a side; 1: one level a frame")
    reference: tuple[int, int, int, int] | None = param(
        default=None, doc="y0, x0, y1, x1 of a region of constant light, by which transparency is told without stars"
    )

    def check(self) -> None:
        super().check()
        if self.reference is not None and Box(*self.reference).empty:
            raise ParameterError(
                f"FrameSeriesMeasures: reference is y0, x0, y1, x1 with y0 < y1 and x0 < x1, got {self.reference}"
            )

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        frames, stars = feeds["frames"], feeds.get("stars")
        if stars is None:
            mean = add("time.series_sample", "mean", frames=frames, count=self.sample)["image"]
            stars = add("registration.detect_stars", "stars", image=mean, threshold=self.threshold)["stars"]
        seen = add(
            "time.frame_photometry", "photometry", frames=frames, stars=stars, mesh=self.mesh, fwhm=self.fwhm,
            max_stars=self.max_stars,
        )["photometry"]  # fmt: skip
        region = None
        if self.reference is not None and self.gain in ("auto", "region"):
            region = add("time.region_levels", "region", frames=frames, box=self.reference)["table"]
        settings = {name: getattr(self, name) for name in Comparing.params}
        table = add(
            "time.series_table", "table", frames=frames, photometry=seen, times=feeds.get("times"), region=region,
            **settings,
        )["table"]  # fmt: skip
        return {"table": table}
