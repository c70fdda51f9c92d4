"""RejectionReport: how much of each image an integration rejected."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Known, Port, param
from . import _stack as stack
from ._integration import Stack, common_frame, halo
from ._settings import Rejecting

Counts = npt.NDArray[np.int64]
_FATES = 5


class RejectionReport(Rejecting, id="integration.rejection_report"):
    """Count, for each image and channel, the samples that Integrate rejects, and tell what it was weighted with.

    The Value holds ``frames``, one dict an image: what IntegrationPlan says of it, and per channel
    ``rejected_low``, ``rejected_high`` (shares of the samples that are not missing), ``beyond_range`` and
    ``missing`` (shares of all). Images that were left out have none of these.
    """

    inputs = (
        Port("images", many=True, doc="the images to be integrated"),
        Port("normalized", many=True, optional=True, doc="the same images, normalised locally"),
        Port("plan", "measures", doc="from IntegrationPlan"),
    )
    outputs = (Port("measures", "measures", doc="shares of rejected samples of each image"),)

    local_rejection: bool = param(default=False, doc="look for outliers in the locally normalised images")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(halo(self))

    def measure(self, known: Known, *tiles: Any) -> Counts:
        common_frame(known.frames["images"])
        _, fates = Stack(self, known, tiles[0], tiles[1], (self.local_rejection, False)).run(known.box, want_fates=True)
        flat = fates.reshape(*fates.shape[:2], -1)
        return np.stack([(flat == fate).sum(axis=2) for fate in range(_FATES)], axis=2).astype(np.int64)

    def merge(self, a: Counts, b: Counts) -> Counts:
        return a + b

    def finish(self, partial: Counts, known: Known) -> dict[str, Any]:
        counts = iter(np.asarray(partial))
        return {
            "frames": [
                {"image": at, **told, **({} if told["excluded"] else _shares(next(counts)))}
                for at, told in enumerate(known.values["plan"]["frames"])
            ]
        }


def _shares(counts: Counts) -> dict[str, list[float]]:
    """Return the shares of one image, by channel."""
    total = counts.sum(axis=1)
    there = np.maximum(1, total - counts[:, stack.MISSING])
    return {
        "rejected_low": (counts[:, stack.LOW] / there).tolist(),
        "rejected_high": (counts[:, stack.HIGH] / there).tolist(),
        "beyond_range": (counts[:, stack.RANGE] / total).tolist(),
        "missing": (counts[:, stack.MISSING] / total).tolist(),
    }
