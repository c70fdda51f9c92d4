"""ChooseReference: the best frame of a series that points as most do, on which the others are to be aligned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Known, ParameterError, Port, Process, param
from ._company import company
from ._votes import field_of

Floats = npt.NDArray[np.float64]


_MOST = 0.9
"""Part of the largest company that a frame must have: frames on the edge of a drift have less than those within."""


class ChooseReference(Process, id="registration.choose_reference", version=4):
    """Choose the frame with sharp, round and many stars and little noise, among those that lie as most do.

    The frame of the smallest ``rank(FWHM) + rank(eccentricity) + rank(noise) - rank(stars)`` wins, of equals the
    first; equal figures share their mean rank. It is looked for among the frames of the largest company. Two
    frames keep company when their stars tell that they share four fifths of their fields, are turned by less than
    10 degrees and scaled by less than a tenth: of two nights, or of the two sides of a meridian flip, that with
    more frames gives the reference, and of a drifting series its middle. Frames with less than `fewest_stars`
    part of the median number of stars take part only when there are no others, and frames without any only when
    all are. A `frame_index` of 0 or more is taken as it is.

    The Value `choice` holds ``index`` (from 0), ``scores``, the figures ranked: ``fwhm``, ``eccentricity``,
    ``noise``, ``stars``, and ``company``, how many frames lie as each does, itself included (empty for a
    reference that was given). The output `chosen` is the star list of the frame chosen.
    """

    inputs = (Port("stars", "stars", many=True, doc="the star lists of the series"),)
    outputs = (
        Port("choice", "measures", doc="which frame, from 0, and why"),
        Port("chosen", "stars", doc="the star list of that frame"),
    )
    maskable = False

    frame_index: int = param(default=-1, low=-1, doc="the frame to take, from 0; -1 chooses")
    fewest_stars: float = param(
        default=0.5, low=0.0, high=1.0, doc="part of the median number of stars below which a frame is not chosen"
    )

    def compute(self, known: Known) -> dict[str, Any]:
        lists = known.values["stars"]
        if self.frame_index >= len(lists):
            raise ParameterError(
                f"ChooseReference: frame_index must lie in [0, {len(lists) - 1}] for a series of {len(lists)}, "
                f"got {self.frame_index}"
            )
        figures = {name: np.array([_figure(one, name) for one in lists]) for name in ("fwhm", "eccentricity", "noise")}
        stars = np.array([one.get("found", len(one["table"])) for one in lists], np.float64)
        scores = sum((ranks(v) for v in figures.values()), -ranks(stars))
        index, kept = self.frame_index, np.empty(0, np.int64)
        if index < 0:
            # Frames without a star, clouded or missing altogether, do not make many of the others' stars seem few.
            usual = float(np.median(stars[stars > 0])) if stars.any() else 0.0
            allowed = stars >= max(1.0, self.fewest_stars * usual)
            if not allowed.any():
                allowed = np.isfinite(figures["noise"]) | ~np.isfinite(figures["noise"]).any()
            kept = company([field_of(one) for one in lists], np.argsort(np.where(allowed, scores, np.inf)).tolist())
            allowed &= kept >= _MOST * kept[allowed].max()
            index = int(np.argmin(np.where(allowed, scores, np.inf)))
        told = {name: values.tolist() for name, values in figures.items()}
        choice = {
            "index": index, "scores": scores.tolist(), "stars": stars.astype(int).tolist(),
            "company": kept.tolist(), **told,
        }  # fmt: skip
        return {"choice": choice, "chosen": lists[index]}

    def value(self, port: str, measured: Any) -> Any:
        return None if measured is None else measured[port]


def _figure(stars: Mapping[str, Any], name: str) -> float:
    """Return a figure of a star list; infinity, which ranks last, for one that is not known."""
    value = float(stars.get(name, np.nan))
    return value if np.isfinite(value) else np.inf


def ranks(values: Floats) -> Floats:
    """Return the rank of each value, from 0; equal ones share the mean of theirs."""
    ordered = np.sort(values)
    below, upto = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return np.asarray((below + upto - 1) / 2, np.float64)
