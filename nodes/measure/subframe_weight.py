"""SubframeWeight: the weight that SubframeSelector gave to one frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Known, ParameterError, Port, Process


class SubframeWeight(Process, id="measure.subframe_weight"):
    """Add to the figures of a frame the weight it has in SubframeSelector's table.

    The Value is that of SubframeMeasures with ``Weight`` besides: 0 for a frame that is not approved. An integration
    takes it with weight mode ``measured_weight``. The frame is found in the table by its figures; of several rows
    that are all alike the first one counts.
    """

    inputs = (
        Port("measures", "measures", doc="the figures of the frame, from SubframeMeasures"),
        Port("selection", "measures", doc="the table of all frames, from SubframeSelector"),
    )
    outputs = (Port("measures", "measures", doc="the figures with the weight"),)

    def compute(self, known: Known) -> dict[str, Any]:
        figures, selection = known.values["measures"], known.values["selection"]
        if "weights" not in selection:
            raise ParameterError(
                "SubframeWeight wants SubframeSelector's table as 'selection', "
                f"got a Value of {', '.join(sorted(selection))}"
            )
        columns = [c for c in selection["columns"] if c in figures]
        table = np.asarray(selection["table"], np.float64)[:, [selection["columns"].index(c) for c in columns]]
        row = np.array([float(figures[c]) for c in columns])
        # Two figures that cannot be had are the same one: NaN is equal to NaN here.
        alike = np.flatnonzero(((table == row) | (np.isnan(table) & np.isnan(row))).all(axis=1))
        if not columns or not alike.size:
            raise ParameterError(
                f"SubframeWeight: none of the {len(table)} rows of the table holds the figures of this frame"
            )
        return {**figures, "Weight": float(selection["weights"][int(alike[0])])}
