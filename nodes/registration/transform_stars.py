"""Star lists in the frame of a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine.api import Known, ParameterError, Port, Process
from ._maps import Floats, Step, applied
from ._moments import COLUMNS
from ._star_table import X, Y, ordered

_FLUX = COLUMNS.index("flux")
_HALF = 4.0


class TransformStars(Process, id="registration.transform_stars"):
    """Take a star list to where its stars lie on the reference.

    Places are mapped, fluxes become those of the interpolated image: intensities are kept by interpolation, so a flux
    grows with the area of a pixel there. All else, widths among it, stays as it was measured, in pixels of the image
    itself. Stars beyond the frame of the reference are left out. The star list of an image that could not be
    registered becomes an empty one.

    Finding stars again on the interpolated image gives the same to within its noise, and costs a pass over it.
    """

    inputs = (
        Port("stars", "stars", doc="of the image, as it was taken"),
        Port("transform", "transform", doc="how the image lies on the reference"),
        Port("reference", doc="the reference; only its frame counts"),
    )
    outputs = (Port("stars", "stars", doc="the star list in the frame of the reference, brightest first"),)
    maskable = False

    def compute(self, known: Known) -> dict[str, Any]:
        stars, transform, frame = known.values["stars"], known.values["transform"], known.of("reference")
        if list(stars["columns"]) != list(COLUMNS):
            raise ParameterError(f"TransformStars wants a list of DetectStars, got columns {list(stars['columns'])}")
        table = np.array(stars["table"], np.float64).reshape(-1, len(COLUMNS))
        if transform["kind"] == "none":
            table = table[:0]
        else:
            steps = transform["forward"]
            table[:, _FLUX] *= _areas(steps, table[:, X], table[:, Y])
            x, y = applied(steps, table[:, X], table[:, Y])
            table[:, X], table[:, Y] = x, y
            inside = (x >= -0.5) & (y >= -0.5) & (x < frame.width - 0.5) & (y < frame.height - 0.5)
            table = ordered(table[inside])
        return {**stars, "table": table, "found": len(table), "width": frame.width, "height": frame.height}


def _areas(steps: Sequence[Step], x: Floats, y: Floats) -> Floats:
    """Return how many pixels of the reference a pixel of the image covers, at each place."""
    left, right = applied(steps, x - _HALF, y), applied(steps, x + _HALF, y)
    above, below = applied(steps, x, y - _HALF), applied(steps, x, y + _HALF)
    along = (right[0] - left[0]) * (below[1] - above[1])
    return np.abs(along - (right[1] - left[1]) * (below[0] - above[0])) / (2.0 * _HALF) ** 2
