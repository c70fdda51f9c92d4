"""RejectionReport: how much of each image an integration rejected."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Known, Port, param
from . import _loading as loading
from ._integration import Stack, common_frame, halo
from ._rejection import METHODS
from ._sampling import sampled_box, sampled_rows
from ._settings import Rejecting

Counts = npt.NDArray[np.int64]
_FATES = 5


class RejectionReport(Rejecting, id="integration.rejection_report", version=2):
    """Count, for each image and channel, the samples that Integrate rejects, and tell what it was weighted with.

    The Value is that of IntegrationPlan; in ``frames``, the dict of each image also holds, per channel,
    ``rejected_low``, ``rejected_high`` (shares of the samples that are not missing), ``beyond_range`` and
    ``missing`` (shares of all). Images that were left out have none of these. ``rejection`` is the algorithm,
    ``combined`` how many images were. Of images of more than 4 Mpx the shares are those of an eighth of the rows,
    in bands evenly spread, unless all are asked for: counting costs as much as integrating. ``sampled`` is the
    share of the rows looked at.
    """

    inputs = (
        Port("images", many=True, doc="the images to be integrated"),
        Port("normalized", many=True, optional=True, doc="the same images, normalised locally"),
        Port("plan", "measures", doc="from IntegrationPlan"),
    )
    outputs = (Port("measures", "measures", doc="shares of rejected samples of each image"),)

    local_rejection: bool = param(default=False, doc="look for outliers in the locally normalised images")

    whole_image: bool = param(default=False, doc="count in every row of large images, too")

    def _rows(self, known: Known) -> npt.NDArray[np.bool_]:
        first = known.frames["images"][0]
        return sampled_rows(first.height, first.width, self.whole_image)

    def needs(self, box: Box, port: str, known: Known) -> Box:
        sampled = sampled_box(box, self._rows(known))
        return sampled if sampled.empty else sampled.grow(halo(self))

    def measure(self, known: Known, *tiles: Any) -> Counts | None:
        common_frame(known.frames["images"])
        rows = self._rows(known)
        box = sampled_box(known.box, rows)
        if box.empty:
            return None
        _, fates = Stack(self, known, tiles[0], tiles[1], (self.local_rejection, False)).run(box, want_fates=True)
        looked = fates[:, :, rows[box.y0 : box.y1]]
        flat = looked.reshape(*looked.shape[:2], -1)
        return np.stack([(flat == fate).sum(axis=2) for fate in range(_FATES)], axis=2).astype(np.int64)

    def merge(self, a: Counts | None, b: Counts | None) -> Counts | None:
        if a is None or b is None:
            return b if a is None else a
        return a + b

    def finish(self, partial: Counts, known: Known) -> dict[str, Any]:
        counts, plan = iter(np.asarray(partial)), known.values["plan"]
        frames = [
            {**told, **({} if told["excluded"] else _shares(next(counts)))}
            for told in plan["frames"]
        ]
        return {
            **plan, "rejection": METHODS[self.method(len(frames))], "frames": frames,
            "combined": sum(not told["excluded"] for told in frames), "sampled": float(self._rows(known).mean()),
        }  # fmt: skip


def _shares(counts: Counts) -> dict[str, list[float]]:
    """Return the shares of one image, by channel."""
    total = counts.sum(axis=1)
    there = np.maximum(1, total - counts[:, loading.MISSING])
    return {
        "rejected_low": (counts[:, loading.LOW] / there).tolist(),
        "rejected_high": (counts[:, loading.HIGH] / there).tolist(),
        "beyond_range": (counts[:, loading.RANGE] / total).tolist(),
        "missing": (counts[:, loading.MISSING] / total).tolist(),
    }
