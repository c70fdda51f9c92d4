"""LearnLink: what a region of an image teaches, measured wherever it is used or kept as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ...engine.api import Expand, param
from .learnt import PORTS, kept
from .measure_region import MeasureRegion

Mode = Literal["relearn", "frozen"]


class LearnLink(MeasureRegion, id="measure.learn_link"):
    """The source of a LEARN link: a region, what is measured in it, and whether that is measured anew.

    Parameters of other nodes follow its measures (``= learn.bg.median``, see docs/links.md), which the recipes of
    `lerar learn` attach by name; its `psf`, `stars` and `region` go to whoever has such inputs.

    With the mode ``relearn`` the region is measured in the image that is linked, another one each time the graph is
    used for another image, and in each frame of a series; the region is carried there from `anchor`. With ``frozen``
    nothing is measured: the Values in `learnt` are given, with units, errors and numbers, on any image.
    `lerar learn --freeze` writes them there together with the key of the image and the time, `--thaw` takes them out.

    Made of the parts of MeasureRegion, which tells all measures by name; or, frozen, of Learnt.
    """

    mode: Mode = param(default="relearn", choices=("relearn", "frozen"), doc="measured anew, or as it was kept")
    learnt: str = param(default="", doc="what was kept: the Values as text; only of use where frozen")

    def check(self) -> None:
        super().check()
        if self.mode == "frozen":
            kept(self.learnt)

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.mode == "relearn":
            return super().expand(add, feeds)
        made = add("measure.learnt", "learnt", learnt=self.learnt)
        return {port: made[port] for port in PORTS}
