"""What can be learnt of a whole image tile by tile: moments, extremes, exact medians, quantiles and MADs.

A process that needs such numbers makes a `Summaries` and hands its three questions on::

    _SKY = Summaries(mad=True)

    def measure(self, known, image):
        return _SKY.measure(image, known.state, known.box)

    def merge(self, a, b):
        return _SKY.merge(a, b)

    def finish(self, partial, known):
        summaries = _SKY.finish(partial, known.state)
        if isinstance(summaries, Again):
            return summaries
        return {"median": [s.median for s in summaries]}

Every result is exact for the samples counted (no sampling, no binning), for any data. Partial measures are
plain data and numpy arrays of at most a few MiB a channel, whatever the size of the image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from . import sifting
from .order import Cells, Wanted, Windows, first_cells, search, split
from .process import Again, Tile
from .region import Box, sampled_rows
from .tile_counts import dense, first_pass, merged, refining_pass

Partial = list[dict[str, Any]]
"""One dict a channel."""

_INF = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is known of one channel. Every float is NaN when no sample was counted.

    Attributes
    ----------
    count, missing, outside
        Samples counted; not finite; finite but outside the limits asked for.
    mean, variance
        Variance about the mean with divisor n - 1; 0 for a single sample.
    total, total_absolute, total_square
        Sums of the samples, of their absolute values and of their squares.
    minimum_at, maximum_at
        Row and column of the first occurrence; (-1, -1) when no sample was counted.
    mad
        Median absolute deviation from the median, not scaled to a standard deviation.
    quantiles
        In the order asked for.
    bend, low_mad, high_mad
        See `order.Wanted`.
    """

    count: int
    missing: int
    outside: int
    mean: float = math.nan
    variance: float = math.nan
    total: float = math.nan
    total_absolute: float = math.nan
    total_square: float = math.nan
    minimum: float = math.nan
    maximum: float = math.nan
    minimum_at: tuple[int, int] = (-1, -1)
    maximum_at: tuple[int, int] = (-1, -1)
    median: float = math.nan
    mad: float = math.nan
    quantiles: tuple[float, ...] = ()
    bend: float = math.nan
    low_mad: float = math.nan
    high_mad: float = math.nan

    def plain(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return asdict(self)


class Summaries:
    """The passes that summarise each channel of an image.

    Parameters
    ----------
    fractions, mad, bend, sides
        The order statistics asked for besides the median; see `order.Wanted`.
    above, below
        Only samples strictly between these physical values are counted.
    moments
        Whether moments, extremes and their places are wanted; without them, large images take one pass instead
        of two, and only `Summary.count`, `missing`, `median`, `mad` and `quantiles` are told.
    """

    def __init__(
        self,
        *,
        fractions: tuple[float, ...] = (),
        mad: bool = True,
        bend: float | None = None,
        sides: bool = False,
        above: float = -_INF,
        below: float = _INF,
        moments: bool = True,
    ) -> None:
        self.wanted = Wanted(fractions=fractions, mad=mad, bend=bend, sides=sides)
        self.above, self.below = above, below
        plain = bend is None and not sides and above == -_INF and below == _INF
        self._sifts = plain and not moments

    def begin(self, area: int) -> Any:
        """Return the state of the first pass over an image of *area* pixels, to be handed on where there is none."""
        return {"look": area} if self._sifts and sifting.looks(area) else None

    def looks(self, state: Any) -> bool:
        """Return whether the pass that *state* asks for only looks at some rows."""
        return state is not None and "look" in state

    def needs(self, box: Box, state: Any) -> Box:
        """Return which rows of measuring tile *box* `measure` wants in the pass that *state* asks for."""
        return sampled_rows(box) if self.looks(state) else box

    def measure(self, tile: Tile, state: Any, box: Box) -> Partial:
        """Return what *tile* (any channels of what `needs` says of *box*) tells in the pass that *state* asks for."""
        if self.looks(state):
            return [{"look": [sifting.looked(plane, box, state["look"])]} for plane in tile]
        if state is not None and "sift" in state:
            return [
                sifting.sifted(plane, Windows(*w), state["area"]) for plane, w in zip(tile, state["sift"], strict=True)
            ]
        if state is None or "all" in state:
            return [first_pass(plane, self.above, self.below, box) for plane in tile]
        return [refining_pass(plane, s) for plane, s in zip(tile, state["channels"], strict=True)]

    def merge(self, a: Partial, b: Partial) -> Partial:
        """Return what both tell; may change and return *a*. *a* comes before *b* in the image."""
        return [merged(p, q) for p, q in zip(a, b, strict=True)]

    def finish(self, partial: Partial, state: Any) -> Again | list[Summary]:
        """Return the summary of each channel, or `Again` for a further pass."""
        if self.looks(state):
            return self._looked(partial, state["look"])
        if state is not None and "sift" in state:
            found = [self._sifted(p, Windows(*w)) for p, w in zip(partial, state["sift"], strict=True)]
            return Again({"all": True}) if None in found else [s for s in found if s is not None]
        if state is None or "all" in state:
            channels = [self._begin(p) for p in partial]
        else:
            channels = [self._go_on(p, s) for p, s in zip(partial, state["channels"], strict=True)]
        if any(c["found"] is None for c in channels):
            return Again({"channels": channels})
        return [Summary(**c["known"], **c["found"]) for c in channels]

    def _looked(self, partial: Partial, area: int) -> Again:
        samples = [np.concatenate(p["look"]) for p in partial]
        found = [sifting.windows(x, self.wanted.fractions, self.wanted.mad) for x in samples]
        if any(w is None for w in found):
            return Again({"all": True})
        return Again({"sift": [tuple(w) for w in found if w is not None], "area": area})

    def _sifted(self, p: Mapping[str, Any], windows: Windows) -> Summary | None:
        """Return the summary, or None where a window was missed."""
        if p["below"][-1] == 0:
            return None
        return summary_of(sifting.cells(p, windows, dense(p)), int(p["size"]), self.wanted)

    def _begin(self, p: Mapping[str, Any]) -> dict[str, Any]:
        if p["count"] == 0:
            return _channel(_counts(p), {"quantiles": (math.nan,) * len(self.wanted.fractions)})
        bins = np.asarray(p["bins"], np.int64)
        cells = first_cells(bins, p["first"], p["minimum"], p["maximum"])
        return _channel(_counts(p) | _moments(p), *search(cells, self.wanted))

    def _go_on(self, p: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
        if state["found"] is not None:
            return dict(state)
        windows = Windows(*state["windows"])
        cells = split(Cells(*state["cells"]), windows, dense(p))
        return _channel(state["known"], *search(cells, self.wanted))


def summary_of(cells: Cells, size: int, wanted: Wanted) -> Summary | None:
    """Return what *cells* tell of *size* samples, those in no cell missing; None where that is too little."""
    found = search(cells, wanted)[0]
    count = int(cells.held.sum())
    return None if found is None else Summary(count=count, missing=size - count, outside=0, **found)


def _channel(known: Any, found: Any, cells: Any = (), windows: Any = ()) -> dict[str, Any]:
    if found is not None:
        cells, windows = (), ()
    return {"known": known, "found": found, "cells": tuple(cells), "windows": tuple(windows)}


def _counts(p: Mapping[str, Any]) -> dict[str, Any]:
    return {name: int(p[name]) for name in ("count", "missing", "outside")}


def _moments(p: Mapping[str, Any]) -> dict[str, Any]:
    n, mean = p["count"], p["mean"]
    return {
        "mean": mean,
        "variance": p["square"] / (n - 1) if n > 1 else 0.0,
        "total": n * mean,
        "total_absolute": p["absolute"],
        "total_square": p["square"] + n * mean * mean,
        "minimum": p["minimum"],
        "maximum": p["maximum"],
        "minimum_at": tuple(p["minimum_at"]),
        "maximum_at": tuple(p["maximum_at"]),
    }
