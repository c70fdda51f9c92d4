"""SignificanceMask: which pixels of a map of significance are more than chance, all pixels counted."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Frame, Known, Port, Tile
from ._discoveries import LAST, STEPS, added, counted, first_step, steps_of
from ._settings import Marking


class SignificanceMask(Marking, id="time.significance_mask"):
    """Mark the pixels whose significance is more than chance when so many pixels are looked at.

    The input is -log10 p of each pixel, as LerarLink gives it; missing pixels are not counted and not marked. All
    channels are judged together. With M pixels, `correction` says what `level` (q) is:

    * fdr: of the marked pixels a share of q at most is marked by chance, on average (Benjamini & Hochberg 1995,
      J. R. Stat. Soc. B 57, 289): marked is what reaches the least s with count(>= s) >= M 10^-s / q.
    * family: the probability that any pixel at all is marked by chance is q at most: 1 - (1 - p)^M <= q.
    * none: p <= q, pixel by pixel; by chance about q M pixels are marked.

    Pixels are counted in steps of 0.001 of -log10 p up to 32, beyond which all are alike. It is exactly the rule for
    probabilities rounded up to a step, by 0.23 % at most, and so never less strict than the rule itself: what is
    marked is marked at `level` without steps too, and what is marked at `level` / 1.0023 without steps is marked.

    The image is 1 or 0. The Value has ``threshold`` (the significance from which on pixels are marked, None where none
    is), ``pixels`` (M) and ``marked``.
    """

    inputs = (Port("image", doc="-log10 p of each pixel"),)
    outputs = (
        Port("image", doc="1 where it is significant, else 0"),
        Port("discoveries", "measures", doc="how many pixels are marked, and from which significance on"),
    )
    maskable = False

    def frame(self, known: Known) -> Frame:
        return known.of("image").with_(bounds=(0.0, 1.0), unit="")

    def measure(self, known: Known, *tiles: Any) -> Any:
        return counted(tiles[0])

    def merge(self, a: Any, b: Any) -> Any:
        return added(a, b)

    def finish(self, partial: Any, known: Known) -> dict[str, Any]:
        first = first_step(partial, self.correction, self.level)
        return {
            "threshold": None if first is None else first / STEPS,
            "pixels": int(partial.sum()),
            "marked": 0 if first is None else int(partial[first:].sum()),
        }

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        threshold = known.measured["threshold"]
        # One more than the last step: nothing is marked.
        first = LAST + 1 if threshold is None else round(threshold * STEPS)
        return (steps_of(tiles[0]) >= first).astype(np.float32)
