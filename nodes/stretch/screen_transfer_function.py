"""ScreenTransferFunction: how an image wants to be shown; its pixels stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...engine.api import Again, Box, Known, Port, Process, Summaries, Summary, Tile, param
from ._mtf import IDENTITY, display_rows

_SUMMARIES = Summaries(mad=True, moments=False)


class ScreenTransferFunction(Process, id="stretch.screen_transfer_function", version=1):
    """Find the automatic stretch for showing an image; a Value for displays, never in the way of pixels.

    Per channel, with the exact median and sigma = 1.4826 MAD in [0, 1]: shadows are clipped at
    ``median + shadows_clipping sigma``, and the midtones balance brings what is left of the median to
    `target_background`. An image whose medians are above 1/2 is stretched from its highlights instead. Linked
    channels share the means of their clipping points and medians, which keeps their colour.

    The Value holds ``rows`` (shadows, highlights, midtones, low and high range of each nominal channel),
    ``linked``, and the physical values ``lo`` and ``hi`` of 0 and 1. Link it to HistogramTransformation to
    stretch pixels. Formulas and defaults: PixInsight's AutoStretch.
    """

    inputs = (Port("image"),)
    outputs = (Port("display", "display", doc="one row of stretch parameters for each channel"),)
    statistics = _SUMMARIES.wanted

    shadows_clipping: float = param(
        default=-2.8, low=-10.0, high=10.0, usual=(-5.0, -1.0), unit="sigma",
        doc="where shadows are clipped, from the median",
    )
    target_background: float = param(
        default=0.25, low=0.0, high=1.0, usual=(0.05, 0.5), doc="brightness the median is brought to"
    )
    linked: bool = param(default=True, doc="one row for all channels, which keeps their balance")
    boosted: bool = param(default=False, doc="a stronger stretch, by the two factors below")
    boost_clipping: float = param(default=0.75, low=0.0, high=1.0, doc="factor of the shadows clipping when boosted")
    boost_background: float = param(default=2.0, low=1.0, high=10.0, doc="factor of the target background when boosted")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return _SUMMARIES.needs(box, _state(known))

    def looks(self, known: Known) -> bool:
        return _SUMMARIES.looks(_state(known))

    def measure(self, known: Known, image: Tile) -> Any:
        return _SUMMARIES.measure(image[: known.of("image").nominal], _state(known), known.box)

    def merge(self, a: Any, b: Any) -> Any:
        return _SUMMARIES.merge(a, b)

    def finish(self, partial: Any, known: Known) -> Any:
        found = _SUMMARIES.finish(partial, _state(known))
        return found if isinstance(found, Again) else self.summarised(known, found)

    def summarised(self, known: Known, found: list[Summary]) -> dict[str, Any]:
        lo, hi = known.of("image").known_bounds()
        return {"linked": self.linked, "rows": self._rows(found, lo, hi), "lo": lo, "hi": hi}

    def _rows(self, summaries: Sequence[Summary], lo: float, hi: float) -> list[list[float]]:
        """Return the row of each channel; one without a finite sample is shown as it is and counts for nothing."""
        clipping, background = self.shadows_clipping, self.target_background
        if self.boosted:
            clipping *= self.boost_clipping
            background = min(1.0, background * self.boost_background)
        seen = [s for s in summaries if s.count]
        medians = [(s.median - lo) / (hi - lo) for s in seen]
        sigmas = [1.4826 * s.mad / (hi - lo) for s in seen]
        rows = iter(display_rows(medians, sigmas, clipping, background, self.linked))
        return [list(next(rows) if s.count else IDENTITY) for s in summaries]


def _state(known: Known) -> Any:
    image = known.of("image")
    return known.state or _SUMMARIES.begin(image.width * image.height)
