"""How many samples of an image stand where: enough to tell the order statistics of what rises with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import sifting
from .chains import Chain
from .fuse import run_links
from .order import Cells, Wanted, Windows, keys_of, values_of
from .params import param
from .ports import Port
from .process import Again, Known, Process, Tile
from .region import Box
from .summaries import Summaries, Summary, summary_of
from .tile_counts import dense


class OrderSketch(Process, id="engine.order_sketch"):
    """Count the samples of each channel of a large image: each number near its median and its MAD's edges, and those
    between.

    The Value is a list with a dict for each channel: ``first``, ``last`` (the windows, as sorting keys of float32),
    ``counts`` of all keys within, ``below`` (how many samples lie below each edge, and how many there are) and ``size``
    (missing ones included); an empty list where the windows would have been too wide.
    """

    inputs = (Port("image"),)
    outputs = (Port("sketch", "measures", doc="how many samples stand where"),)

    fractions: tuple[float, ...] = param(default=(), low=0.0, high=1.0, doc="quantiles that are asked for")
    mad: bool = param(default=True, doc="whether the median absolute deviation is asked for")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return self._summaries.needs(box, self._state(known))

    def looks(self, known: Known) -> bool:
        return self._summaries.looks(self._state(known))

    def measure(self, known: Known, image: Tile) -> Any:
        return self._summaries.measure(image[: known.of("image").nominal], self._state(known), known.box)

    def merge(self, a: Any, b: Any) -> Any:
        return self._summaries.merge(a, b)

    def finish(self, partial: Any, known: Known) -> Any:
        state = self._state(known)
        if self.looks(known):
            again = self._summaries.finish(partial, state)
            return again if isinstance(again, Again) and "sift" in again.state else []
        return [
            {"first": w[0], "last": w[1], "counts": dense(p), "below": p["below"], "size": p["size"]}
            for p, w in zip(partial, state["sift"], strict=True)
        ]

    @property
    def _summaries(self) -> Summaries:
        return Summaries(fractions=self.fractions, mad=self.mad, moments=False)

    def _state(self, known: Known) -> Any:
        image = known.of("image")
        return known.state or self._summaries.begin(image.width * image.height)


def summary(wanted: Wanted, told: dict[str, Any], chain: Chain) -> Summary | None:
    """Return the statistics of what *chain* makes of a source's channel; None where what is *told* does not do."""
    if not all(process.rises is not None and process.rises(*given) for process, given in chain.links):
        return None
    first = np.asarray(told["first"])
    slots = np.asarray(told["last"]).astype(np.int64) - first + 1
    windows = Windows(first, np.asarray(told["last"]), np.zeros(first.size, np.uint8), np.cumsum(slots) - slots)
    if told["below"][-1] == 0:
        return None
    cells = sifting.cells(told, windows, np.asarray(told["counts"]))
    low, high = _led(values_of(cells.first), chain), _led(values_of(cells.last), chain)
    # Numbers beyond float32 would be missing in the image.
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return None
    return summary_of(Cells(keys_of(low), keys_of(high), cells.held), int(told["size"]), wanted)


def _led(values: npt.NDArray[np.float64], chain: Chain) -> npt.NDArray[np.float32]:
    """Return what becomes of samples; -0 as +0, which is one number."""
    samples = values.astype(np.float32)
    out = np.empty_like(samples)
    run_links(chain.links, samples, out, fused=False)
    return out + np.float32(0.0)
