"""SubframeSelector: which frames of a series are good enough, and how much each shall weigh."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...engine.api import Known, ParameterError, Port, Process, param
from . import _formula

_SUFFIXES = ("Min", "Max", "Median", "Sigma")
_ALIASES = {"SNRWeight": "SNR"}


class SubframeSelector(Process, id="measure.subframe_selector"):
    """Approve and weigh the frames of a series by two formulas over their figures.

    The Value::

        {"columns": ["Index", "Approved", "Weight", "FWHM", ...], "table": float64 array, one row a frame,
         "approved": [true, ...], "weights": [...], "why": ["", "not approved", ...]}

    Formulas know every figure of SubframeMeasures, ``Index`` (from 1), and for each figure its ``Min``,
    ``Max``, ``Median`` and ``Sigma`` ((x - median) / average deviation), as in ``FWHMSigma < 2``: over all
    frames in the approval, over the approved ones in the weighting. Operators are ``+ - * / ^``, comparison,
    ``&&``, ``||`` and ``!`` (or ``and``, ``or``, ``not``); functions abs, sqrt, ln, log, exp, min, max, iif.
    An older name, SNRWeight, is SNR.

    Weights are divided by the greatest. A frame that is not approved weighs 0; so does one whose weight is no
    positive number, such as a frame without stars, which then counts as not approved. Names and statistics are
    those of PixInsight's SubframeSelector.
    """

    inputs = (Port("measures", "measures", many=True, doc="the figures of each frame, from SubframeMeasures"),)
    outputs = (Port("measures", "measures", doc="the table of all frames with approval and weight"),)

    approval: str = param(default="", doc="formula that is true for the frames to be kept; empty: all")
    weighting: str = param(default="PSFSignalWeight", doc="formula of the weight; empty: all alike")

    def check(self) -> None:
        for name in ("approval", "weighting"):
            if getattr(self, name).strip():
                _formula.parse(getattr(self, name), f"SubframeSelector: {name}")

    def compute(self, known: Known) -> dict[str, Any]:
        rows = known.values["measures"]
        columns = _figures(rows)
        figures = np.array([[float(r[c]) for c in columns] for r in rows]).reshape(len(rows), len(columns))
        everyone = np.ones(len(rows), bool)
        approved = self._evaluated("approval", columns, figures, everyone, 1.0)
        approved = np.isfinite(approved) & (approved != 0.0)
        why = ["" if ok else "not approved" for ok in approved]
        weights = self._evaluated("weighting", columns, figures, approved, 1.0)
        for i in np.flatnonzero(approved):
            if not (math.isfinite(weights[i]) and weights[i] > 0.0):
                approved[i], why[i] = False, f"its weight is {weights[i]:g}"
        weights = np.where(approved, weights, 0.0)
        weights = weights / weights.max() if approved.any() else weights
        index = np.arange(1.0, len(rows) + 1.0)
        return {
            "columns": ["Index", "Approved", "Weight", *columns],
            "table": np.column_stack([index, approved, weights, figures]),
            "approved": [bool(a) for a in approved],
            "weights": [float(w) for w in weights],
            "why": why,
        }

    def _evaluated(self, name: str, columns: list[str], figures: Any, over: Any, default: float) -> Any:
        """Return a formula's value for each frame; the series' figures in it are those of the frames *over*."""
        text = getattr(self, name)
        if not text.strip():
            return np.full(len(figures), default)
        what = f"SubframeSelector: {name}"
        tree = _formula.parse(text, what)
        bare = {*columns, *_ALIASES}
        _formula.require(tree, {"Index", *bare, *(b + s for b in bare for s in _SUFFIXES)}, what)
        series = [_series(figures[over, i]) for i in range(len(columns))]
        found = np.empty(len(figures))
        for i, row in enumerate(figures):
            variables = {"Index": float(i + 1)}
            for name_, x, (low, high, middle, spread) in zip(columns, row, series, strict=True):
                sigma = (x - middle) / spread if spread else 0.0
                for suffix, value in zip(("", *_SUFFIXES), (x, low, high, middle, sigma), strict=True):
                    variables[name_ + suffix] = float(value)
            for alias, name_ in _ALIASES.items():
                for suffix in ("", *_SUFFIXES):
                    variables[alias + suffix] = variables.get(name_ + suffix, math.nan)
            found[i] = _formula.evaluate(tree, variables)
        return found


def _figures(rows: Any) -> list[str]:
    """Return the names of the plain numbers that every frame has."""
    if not rows:
        return []
    numbers = [{k for k, v in r.items() if isinstance(v, int | float) and not isinstance(v, bool)} for r in rows]
    common = set.intersection(*numbers)
    if not common:
        raise ParameterError("SubframeSelector: the frames have no figure in common; link SubframeMeasures")
    return [k for k in rows[0] if k in common]


def _series(x: Any) -> tuple[float, float, float, float]:
    """Return least, greatest, median and average deviation of the finite figures; NaN without any."""
    x = x[np.isfinite(x)]
    if not x.size:
        return math.nan, math.nan, math.nan, math.nan
    middle = float(np.median(x))
    return float(x.min()), float(x.max()), middle, float(np.abs(x - middle).mean())
