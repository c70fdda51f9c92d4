"""The passes of an L1 line fit between two images: what is kept of each tile, and what the next pass looks for.

The first pass keeps an even sample of the pairs (all of them, when they are few); the next keeps the band
about the sample's line and usually is the last. A band too full to be kept is thinned, which gives a better
guess and a narrower band for another pass. Large images are fitted in a sixteenth of their rows first, in two
passes that read nothing else; then one pass over all pixels is enough. See `_l1` for why the result is exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import SAMPLED_ROWS
from ._l1 import (
    BAND,
    OUTSIDE,
    SIGNED,
    SUMS,
    Line,
    Pairs,
    Pull,
    Sweep,
    Trust,
    balanced,
    minimise,
    sweep,
    trust_about,
)

# Pairs of the first sample, and the most that are kept in any pass (8 bytes each, 16 MiB).
SAMPLE = 1 << 19
CAPACITY = 1 << 21
# Neighbouring pixels are not independent, so what a part of the rows says is less sure than its count tells.
DEPENDENCE = 1.5
ALL = 1 << 32
PASSES = 24
GROUPS = 1024

Scaling = tuple[float, float, float, float]
State = dict[str, Any]
Plane = npt.NDArray[np.float32]


def begin(area: int, some_rows: bool = True) -> State:
    """Return the state of the first pass: no guess, so that every pair is in the band."""
    some_rows = some_rows and area > SAMPLED_ROWS * SAMPLE
    sweep = Sweep(0.0, 0.0, 0.0, math.inf, 0.0, _share(SAMPLE, area / SAMPLED_ROWS if some_rows else area))
    return {"sweep": list(sweep), "edges": np.zeros(0), "passes": 1, "some_rows": some_rows}


def _share(wanted: float, available: float) -> int:
    return ALL if available <= wanted else int(ALL * (wanted / available))


def step(x: Plane, y: Plane, scaling: Scaling, limits: tuple[float, float], state: State, index: int) -> State:
    """Return what one tile adds in the pass that *state* describes."""
    if "line" in state:
        return {"kept": []}
    s = Sweep(*state["sweep"])
    p, q = np.ascontiguousarray(x).reshape(-1), np.ascontiguousarray(y).reshape(-1)
    edges = state["edges"]
    sums, groups, places = np.zeros(SUMS), np.zeros((edges.size + 1, 2)), np.empty(p.size, np.int32)
    line = tuple(map(float, s[:5]))
    n = sweep(p, q, scaling, limits, line, np.uint64(s.keep), index, edges, sums, groups, places)
    kept = [[_packed(p[places[:n]], q[places[:n]]), np.zeros(0)]]
    return {"sums": sums, "groups": groups, "kept": kept, "size": n, "full": False}


def merged(a: State, b: State) -> State:
    """Return what two partial results tell together; too many kept pairs are merged or given up."""
    if "sums" not in a:
        return a
    s, t = a["sums"], b["sums"]
    sums = s + t
    sums[BAND + 2], sums[BAND + 3] = min(s[BAND + 2], t[BAND + 2]), max(s[BAND + 3], t[BAND + 3])
    full = a["full"] or b["full"]
    kept = [] if full else a["kept"]
    kept += [] if full else [part for part in b["kept"] if part[0].size]
    size = 0 if full else a["size"] + b["size"]
    if size > CAPACITY:
        # Integer images have few different pairs, however many pixels.
        kept = [_unique(kept)]
        size = kept[0][0].size
        full = size > CAPACITY // 2
        kept, size = ([], 0) if full else (kept, size)
    return {"sums": sums, "groups": a["groups"] + b["groups"], "kept": kept, "size": size, "full": full}


def ordered(partial: State, state: State, scaling: Scaling, area: int) -> State:
    """Return ``{"line": ...}`` in normalised units, or the state of the next pass.

    Raises
    ------
    ValueError
        Fewer than three pairs, or no line through them.
    """
    if "line" in state:
        return state
    s = Sweep(*state["sweep"])
    sums = np.asarray(partial["sums"])
    count = float(sums[OUTSIDE] + sums[BAND])
    if math.isinf(s.trust_a):
        if state["some_rows"] and (count * SAMPLED_ROWS < SAMPLE or sums[BAND + 2] == sums[BAND + 3]):
            return begin(area, some_rows=False)  # those rows say nothing; others may
        _refuse_degenerate(sums, count)
    if state["passes"] > PASSES:
        raise ValueError(f"no certified line after {PASSES} passes; last guess {s.a:g} + {s.b:g} x")
    pull = Pull(-float(sums[SIGNED]), -float(sums[SIGNED + 1]))
    if math.isinf(s.trust_a):
        s = s._replace(centre=float(sums[BAND + 1] / sums[BAND]))
    pairs = _pairs(partial["kept"], scaling, s.centre)
    complete = _weight(partial["kept"]) == sums[BAND]
    solved = minimise(pairs, pull) if complete else None
    line = _certified(partial, s, pull, solved)
    if line is not None and not state["some_rows"]:
        return {"line": _report(line, pairs, sums, s, count)}
    if line is not None:
        noise = DEPENDENCE * math.sqrt(count)
        found = _about(pairs, line, trust_about(pairs, line, noise), s.centre, 1.0 / SAMPLED_ROWS)
    else:
        if not complete and pairs.size:
            solved = minimise(pairs, pull.times(float(pairs.w.sum() / sums[BAND])))
        found = _next(partial, sums, state, pairs, s, solved)
    rows = state["some_rows"] and line is None
    return {"sweep": list(found[0]), "edges": found[1], "passes": state["passes"] + 1, "some_rows": rows}


def _refuse_degenerate(sums: npt.NDArray[np.float64], count: float) -> None:
    if count < 3:
        raise ValueError(
            f"a line wants at least 3 pixels where both images lie between the rejection limits, got {int(count)}"
        )
    if sums[BAND + 2] == sums[BAND + 3]:
        raise ValueError(
            f"a line wants samples that differ, but all {int(count)} usable ones of the image are {sums[BAND + 2]:g} "
            "(in its normalised range)"
        )


def _certified(partial: State, s: Sweep, pull: Pull, solved: Line | None) -> Line | None:
    """Return the line of least deviation from the pairs of this pass, where it is certain.

    *solved* is that of the pairs in the band, if all of them were kept.
    """
    guess, trust = Line(s.a, s.b), Trust(s.trust_a, s.trust_b)
    if solved is not None and (math.isinf(s.trust_a) or trust.holds(guess, solved)):
        return solved
    groups = np.asarray(partial["groups"])
    if trust.is_rounding(guess) and balanced(groups[:, 0], groups[:, 1], pull):
        return guess
    return None


def _report(line: Line, pairs: Pairs, sums: Any, s: Sweep, count: float) -> dict[str, float]:
    """Return intercept, slope and mean absolute residual; outside the band residuals keep their sign."""
    thinned = sums[BAND] / pairs.w.sum() if pairs.size else 0.0
    inside = float((pairs.w * np.abs(pairs.residuals(line))).sum()) * thinned
    outside = sums[SIGNED + 2] - line.a * sums[SIGNED] - line.b * sums[SIGNED + 1]
    sigma = (inside + outside) / count
    return {"a": line.a - line.b * s.centre, "b": line.b, "sigma": float(sigma), "count": float(count)}


def _next(
    partial: State, sums: Any, state: State, pairs: Pairs, s: Sweep, line: Line | None
) -> tuple[Sweep, npt.NDArray[np.float64]]:
    """Return what to look for after a sweep that did not settle the line; *line* is that of the pairs at hand."""
    if partial["full"]:
        return s._replace(keep=_share(CAPACITY / 4, sums[BAND])), state["edges"]
    guess, trust, first = Line(s.a, s.b), Trust(s.trust_a, s.trust_b), math.isinf(s.trust_a)
    share = float(pairs.w.sum() / sums[BAND]) if pairs.size else 1.0
    if line is None or not (first or trust.holds(guess, line)):
        # The minimum lies beyond what may be trusted: go towards it, with a wider band.
        line = trust.clip(guess, line or guess)
        return _about(pairs, line, trust.widened(state["passes"]), s.centre, share)
    noise = math.sqrt(sums[BAND] * (1.0 - share) / share) * share
    return _about(pairs, line, trust_about(pairs, line, noise), s.centre, share)


def _about(
    pairs: Pairs, line: Line, trust: Trust, centre: float, share: float
) -> tuple[Sweep, npt.NDArray[np.float64]]:
    """Return the sweep about *line*, thinned if the pairs at hand foretell more than can be kept.

    Where the band is no wider than rounding, the pairs in it cannot be told apart by a narrower one, so they
    are also counted between the returned edges in u, by which `balanced` can judge any number of them.
    """
    near = np.abs(pairs.residuals(line)) <= trust.a + trust.b * np.abs(pairs.u)
    expected = 1.25 * float(pairs.w[near].sum()) / share
    keep = ALL if expected <= CAPACITY else _share(CAPACITY / 2, expected)
    edges = np.zeros(0)
    if trust.is_rounding(line) and near.any():
        edges = np.unique(np.quantile(pairs.u[near], np.linspace(0.0, 1.0, GROUPS + 1)[1:-1]))
    return Sweep(line.a, line.b, centre, trust.a, trust.b, keep), edges


# -- kept pairs -----------------------------------------------------------------------------------------


def _packed(x: Plane, y: Plane) -> npt.NDArray[np.uint64]:
    """Return both numbers of each pair in one integer, by which equal pairs are found."""
    high = (x + np.float32(0.0)).view(np.uint32).astype(np.uint64) << np.uint64(32)
    return high | (y + np.float32(0.0)).view(np.uint32)


def _weight(kept: list[Any]) -> float:
    return float(sum(w.sum() if w.size else k.size for k, w in kept))


def _unique(kept: list[Any]) -> list[Any]:
    keys = np.concatenate([k for k, _ in kept])
    if all(w.size == 0 for _, w in kept):
        keys.sort()
        first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        return [keys[first], np.diff(np.append(first, keys.size)).astype(np.float64)]
    weights = np.concatenate([w if w.size else np.ones(k.size) for k, w in kept])
    found, place = np.unique(keys, return_inverse=True)
    return [found, np.bincount(place, weights, found.size)]


def _pairs(kept: list[Any], scaling: Scaling, centre: float) -> Pairs:
    """Return the kept pairs in normalised units, equal ones joined."""
    if not kept:
        none = np.zeros(0)
        return Pairs(none, none, none)
    keys, weights = _unique(kept)
    x = (keys >> np.uint64(32)).astype(np.uint32).view(np.float32).astype(np.float64)
    y = keys.astype(np.uint32).view(np.float32).astype(np.float64)
    return Pairs((x - scaling[0]) * scaling[1] - centre, (y - scaling[2]) * scaling[3], weights)
