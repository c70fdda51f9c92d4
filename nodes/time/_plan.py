"""What a fit over time is to be, from times, the frame table and parameters: one plain dictionary."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...engine.api import Frame, ParameterError, Trv, column_of, exposures_of, seconds_of, unresolved, used_frames
from . import _sampling as sampling
from ._box import boxes
from ._calibrate import design_trials, grid_trials
from ._design import (
    FEWEST_SIDES,
    NARROW,
    Design,
    design,
    frame_weights,
    nuisance_basis,
    nuisance_columns,
)  # fmt: skip
from ._matched import gain, halo
from ._search import Grid
from ._settings import Detecting

Floats = npt.NDArray[np.float64]

MOST_TRIALS = 64
"""Trials that one design holds; more of them are searched on a grid."""
FEWEST_FREEDOM = 10
SHIFTED = 0.5
Purpose = Literal["fit", "search", "fold", "curve"]
BLOCK_BYTES = 1 << 26
"""All frames are held at once where a row of them, halo included, takes less than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The frames of a series that are used, in the order of time."""

    frames: npt.NDArray[np.intp]
    seconds: Floats
    exposures: Floats
    weights: Floats
    regressors: Mapping[str, Floats]
    fwhm: float
    left_out: list[int]
    notes: list[str]

    @property
    def span(self) -> float:
        return float(self.seconds.max() - self.seconds.min())


def chosen_run(settings: Detecting, frames: Sequence[Frame], times: Mapping[str, Any], table: Any) -> Run:
    """Return the frames that are used, and what is known of each.

    Raises
    ------
    ParameterError
        Times or table are of another number of frames; LRR-5: stars still move; LRR-6: stretched frames.
    """
    owner, n = type(settings).__name__, len(frames)
    if len(times["times_ns"]) != n:
        raise ParameterError(f"{owner}: {n} frames are linked, but the times are of {len(times['times_ns'])}")
    if stretched := [i for i, f in enumerate(frames) if f.state != "linear"]:
        raise ParameterError(f"LRR-6: frame {stretched[0]} is stretched; link the frames before the stretch")
    if odd := [i for i, f in enumerate(frames) if not f.same_size(frames[0]) or f.channels != frames[0].channels]:
        raise ParameterError(f"{owner}: frame 0 is {frames[0]}, but frame {odd[0]} is {frames[odd[0]]}")
    order, seconds, exposures = used_frames(times), seconds_of(times), exposures_of(times)
    notes = list(times.get("notes", []))
    if table is None:
        table = {"columns": {}, "units": {}}
    for name, column in table["columns"].items():
        if len(column) != n:
            raise ParameterError(f"{owner}: {n} frames are linked, but column {name!r} of the table has {len(column)}")
    notes += table.get("notes", [])
    columns = {name: column_of(table, name)[order] for name in _wanted(settings, table)}
    good = _good(settings, columns, notes, len(order))
    sigma = columns["sigma"][good] if settings.weights == "noise" and "sigma" in columns else None
    _check_shift({name: columns[name][good] for name in ("dx", "dy") if name in columns})
    fwhm = _fwhm(settings, columns, good, notes)
    taken = set(order[good].tolist())
    return Run(
        frames=order[good], seconds=seconds[good], exposures=exposures[good],
        weights=frame_weights(sigma, int(good.sum())), fwhm=fwhm, notes=notes,
        regressors={name: columns[name][good] for name in settings.regressors},
        left_out=[i for i in range(n) if i not in taken],
    )  # fmt: skip


def _wanted(settings: Detecting, table: Mapping[str, Any]) -> list[str]:
    known = [name for name in ("used", "sigma", "fwhm", "dx", "dy") if name in table["columns"]]
    if missing := [name for name in settings.regressors if name not in table["columns"]]:
        there = ", ".join(table["columns"]) or "none"
        raise ParameterError(f"regressors: {', '.join(missing)} not in the frame table; its columns are {there}")
    return list(dict.fromkeys([*known, *settings.regressors]))


def _good(settings: Detecting, columns: Mapping[str, Floats], notes: list[str], count: int) -> npt.NDArray[np.bool_]:
    good = columns["used"] > 0.0 if "used" in columns else np.ones(count, np.bool_)
    needed = [*settings.regressors, *(["sigma"] if settings.weights == "noise" and "sigma" in columns else [])]
    for name in needed:
        known = np.isfinite(columns[name]) & ((columns[name] > 0.0) | (name != "sigma"))
        if lost := int((good & ~known).sum()):
            notes.append(f"{lost} frames have no {name} and are left out")
        good &= known
    return good


def _check_shift(shifts: Mapping[str, Floats]) -> None:
    squares = 0.0
    for values in shifts.values():
        finite = values[np.isfinite(values)]
        squares += float(((finite - np.median(finite)) ** 2).mean()) if len(finite) else 0.0
    if math.sqrt(squares) > SHIFTED:
        raise ParameterError(
            f"LRR-5: the stars of the frames move by {math.sqrt(squares):.2f} px rms, {SHIFTED} at most are wanted; "
            "align the frames with StarAlignment first"
        )


def _fwhm(settings: Detecting, columns: Mapping[str, Floats], good: Any, notes: list[str]) -> float:
    if settings.matched == "off":
        return 0.0
    if settings.fwhm:
        return settings.fwhm
    told = columns.get("fwhm", np.zeros(0))
    told = told[good] if len(told) else told
    told = told[np.isfinite(told) & (told > 0.0)]
    if not len(told):
        notes.append("no width of stars is known: frames are not convolved with one (fwhm gives it)")
        return 0.0
    return float(np.median(told))


# -- the plan ---------------------------------------------------------------------------------------


def planned(
    settings: Detecting, frames: Sequence[Frame], times: Mapping[str, Any], table: Any, purpose: Purpose = "fit",
    seed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return ``{"plan": ..., "report": ...}``, what LockIn goes by and what people are told.

    *seed* is from SeedPeriod, where the vector takes its period from a region.

    Raises
    ------
    ParameterError
        LRR-1: too few frames; LRR-2: terms that cannot be told apart; LRR-3: too few side frequencies; TRV-2, TRV-3
        and what `chosen_run` raises.
    """
    run = chosen_run(settings, frames, times, table)
    trv = _vector(settings, run, purpose, seed)
    method, tried = _method(settings, trv, run, purpose)
    harmonics = settings.most_harmonics()
    names, columns = nuisance_columns(run.seconds, settings.detrend, run.regressors)
    fitted = {"box": 1, "fold": 0}.get(method, 2 if settings.chooses_harmonics() else 2 * harmonics)
    _check_frames(len(run.frames), len(names) + fitted)
    if purpose == "curve":
        pass  # what the period means is judged where it is known
    elif method in ("box", "fold") and trv.period > run.span / sampling.FEWEST_PERIODS:
        run.notes.append(f"the run of {run.span:.6g} s does not cover {trv.period:.6g} s one and a half times")
    else:
        run.notes.extend(sampling.judge(trv, times, settings.force))
    basis = nuisance_basis(names, columns, np.sqrt(run.weights))
    common: dict[str, Any] = {
        "method": method, "frames": run.frames, "seconds": run.seconds, "exposures": run.exposures,
        "weights": run.weights, "t0": _t0(trv, times, run), "harmonics": harmonics,
        "choose": settings.chooses_harmonics(), "local": settings.noise == "local",
        # In units of a frame of weight 1, whose noise is not quite that of the median frame.
        "clip": settings.clip / float(np.median(1.0 / np.sqrt(run.weights))),
        "fwhm": run.fwhm, "row_time": float(times.get("row_time_s", 0.0)),
        "terms": len(names), "nuisance": basis, "median_window": settings.median_window,
        "exposed": bool(run.exposures.any()),
    }  # fmt: skip
    aliases = sampling.aliases(run.seconds, float(np.median(tried)), run.weights, times["quantum_s"])
    make = {"box": _boxed, "grid": _on_grid, "joint": _jointly, "fold": _only_folded}[method]
    common |= make(settings, trv, run, (names, columns), basis, tried, common, aliases)
    common["plan"] = _plan_kind(settings, common, frames[0])
    _warn(settings, run, tried, common, aliases)
    return {"plan": common, "report": _report(run, tried, common, aliases)}


_CYCLES = 5.0


def _vector(settings: Detecting, run: Run, purpose: Purpose, seed: Mapping[str, Any] | None) -> Trv:
    """Return what `trv` says, with the period of the seed where it names one."""
    trv = settings.vector()
    if purpose == "curve":
        # Only frames, weights and slow terms are asked for; a period that the run covers serves.
        period = max(run.span, 1e-3) / _CYCLES
        return trv.with_center(period, 1e-6 * period)
    if trv.seed is None:
        return trv
    if seed is None:
        why = f"{settings.trv} takes its period from the region '{trv.seed}', and its light curve is not linked"
        cure = "link it to the input 'seed' of LerarLink or LerarFold, or name the period; on the command line give " \
               f"--region {trv.seed}=SHAPES"  # fmt: skip
        raise ParameterError(unresolved("parameter 'trv'", why, cure=cure))
    run.notes.extend(seed["warnings"])
    run.notes.append(
        f"the period of {seed['period_s']:.9g} +- {seed['tolerance_s']:.3g} s comes from the light curve of "
        f"'{trv.seed}': the significance of its own pixels is too great, since their noise helped to choose it"
    )
    found = trv.with_center(seed["period_s"], seed["tolerance_s"])
    return found if seed["t0_s"] is None else dataclasses.replace(found, t0=f"{seed['t0_s']:.6f}s")


def _method(settings: Detecting, trv: Trv, run: Run, purpose: Purpose) -> tuple[str, Floats]:
    """Return how the frequencies are tried, and which."""
    if purpose in ("fold", "curve") or settings.is_box():
        return "fold" if purpose in ("fold", "curve") else "box", np.array([1.0 / trv.period])
    tried = sampling.trial_frequencies(trv, run.span, settings.oversample or None)
    return "grid" if purpose == "search" or len(tried) > MOST_TRIALS else "joint", tried


def _t0(trv: Trv, times: Mapping[str, Any], run: Run) -> float:
    """Return the time of phase zero: as the vector says, else the first frame's."""
    said = sampling.t0_seconds(trv, times)
    return float(run.seconds[0]) if said is None else said


def _check_frames(count: int, fitted: int) -> None:
    if count - fitted < FEWEST_FREEDOM:
        raise ParameterError(
            f"LRR-1: {count} frames are too few for a fit of {fitted} terms; at least {fitted + FEWEST_FREEDOM} are "
            "wanted"
        )


def _jointly(
    settings: Detecting, trv: Trv, run: Run, nuisance: Any, basis: Floats, tried: Floats, common: Mapping[str, Any],
    aliases: list[dict[str, float]],
) -> dict[str, Any]:  # fmt: skip
    local, choose, h = common["local"], common["choose"], common["harmonics"]
    wanted = (settings.sidebands or 2 * NARROW) if local else 0
    made = design(run.seconds, run.weights, nuisance, tried, t0=common["t0"], harmonics=h, sides=wanted,
                  avoid=[a["frequency_hz"] for a in aliases])  # fmt: skip
    combs = [wanted] if settings.sidebands or not local else [2 * NARROW, NARROW]
    if local:
        fewest = np.bincount(made.side_of[made.sides_within(min(combs))], minlength=h).min()
        _check_sides(int(fewest))
    worth = {}
    many = len(tried) > 1 and (local or h > 1)
    for comb in combs:
        worth[str(comb)] = (
            design_trials(made, run.seconds, common["t0"], settings.calibration, local=local, sides=comb, choose=choose)
            if many or choose else 1.0
        )  # fmt: skip
    fields = {f.name: getattr(made, f.name) for f in dataclasses.fields(made)}
    return {"design": fields, "sidebands": combs[0], "narrow": len(combs) > 1, "worth": worth,
            "most": float(len(tried) * (h if choose else 1)), "width": _width(run, tried)}  # fmt: skip


_SLOW = 20.0
"""Cycles in the whole series below which side frequencies are wanted from farther away."""


def _on_grid(
    settings: Detecting, trv: Trv, run: Run, nuisance: Any, basis: Floats, tried: Floats, common: Mapping[str, Any],
    aliases: list[dict[str, float]],
) -> dict[str, Any]:  # fmt: skip
    local, h = common["local"], common["harmonics"]
    if common["choose"]:
        raise ParameterError(f"{type(settings).__name__}: harmonics=0 wants one period, {settings.trv} is a search")
    over = settings.oversample or trv.oversample or sampling.OVERSAMPLE
    # At low frequencies there are teeth on one side only, so more are wanted.
    comb = settings.sidebands or (2 * NARROW if float(tried[0]) * run.span < _SLOW else NARROW)
    step = 1.0 / (over * run.span)
    grid = Grid(first=float(tried[0]), step=step, count=len(tried), stride=over if local else 0,
                sides=comb if local else 0, lowest=1.5 / run.span, harmonics=h)  # fmt: skip
    if local:
        lower = sum(grid.first - k / run.span >= grid.lowest for k in range(2, 2 + comb // 2))
        _check_sides(comb // 2 + lower)
    worth = (
        grid_trials(run.seconds, common["t0"], np.sqrt(run.weights), basis, grid, settings.calibration)
        if local or h > 1 else 1.0
    )  # fmt: skip
    return {"grid": dataclasses.asdict(grid), "sidebands": grid.sides, "narrow": False,
            "worth": {str(grid.sides): worth}, "most": float(len(tried)), "width": _width(run, tried)}  # fmt: skip


def _boxed(
    settings: Detecting, trv: Trv, run: Run, nuisance: Any, basis: Floats, tried: Floats, common: Mapping[str, Any],
    aliases: list[dict[str, float]],
) -> dict[str, Any]:  # fmt: skip
    owner, duration, period = type(settings).__name__, settings.box_seconds(), trv.period
    if trv.is_search or trv.t0 is None:
        raise ParameterError(f"{owner}: shape=box wants one period and the middle of a box, t0=, got {settings.trv}")
    cadence = float(np.median(np.diff(run.seconds)))
    if not 2.0 * cadence < duration < period / 4.0:
        raise ParameterError(
            f"{owner}: the duration of a box must lie between 2 cadences, {2 * cadence:.6g} s, and a quarter of the "
            f"period, {period / 4:.6g} s, got {duration:.6g} s"
        )
    if settings.median_window and settings.median_window < 3.0 * duration:
        raise ParameterError(
            f"{owner}: median_window must be at least three durations, {3 * duration:.6g} s, got "
            f"{settings.median_window:.6g} s"
        )
    made = boxes(run.seconds, np.sqrt(run.weights), basis, period, common["t0"], duration)
    if made is None:
        raise ParameterError(f"{owner}: no frame lies within {duration:.6g} s about t0 and its repeats, {settings.trv}")
    if common["local"]:
        _check_sides(int(made.freedom))
    if settings.median_window:
        run.notes.append(f"the running median takes about {duration / settings.median_window:.0%} of a depth")
    fields = {f.name: getattr(made, f.name) for f in dataclasses.fields(made)}
    return {"boxes": fields, "period": period, "sidebands": len(made.boxes) - 1, "narrow": False,
            "worth": {str(len(made.boxes) - 1): 1.0}, "most": 1.0, "width": 0.0}  # fmt: skip


def _only_folded(
    settings: Detecting, trv: Trv, run: Run, nuisance: Any, basis: Floats, tried: Floats, common: Mapping[str, Any],
    aliases: list[dict[str, float]],
) -> dict[str, Any]:  # fmt: skip
    return {"period": trv.period, "sidebands": 0, "narrow": False, "worth": {"0": 1.0}, "most": 1.0, "width": 0.0}


def _check_sides(count: int) -> None:
    if count < FEWEST_SIDES:
        raise ParameterError(
            f"LRR-3: only {count} places to take the noise from lie nearby, {FEWEST_SIDES} are wanted; use noise=white "
            "or a longer run"
        )


def _width(run: Run, tried: Floats) -> float:
    """Return the range of frequencies in units of what the times resolve: (f_max - f_min) sqrt(4 pi var t)."""
    mean = float((run.weights * run.seconds).sum() / run.weights.sum())
    variance = float((run.weights * (run.seconds - mean) ** 2).sum() / run.weights.sum())
    return float(tried[-1] - tried[0]) * math.sqrt(4.0 * math.pi * variance)


def _plan_kind(settings: Detecting, common: Mapping[str, Any], frame: Frame) -> str:
    if common["method"] == "grid" or settings.median_window:
        if settings.plan == "accumulate":
            raise ParameterError(f"{type(settings).__name__}: searches and running medians want plan=block")
        return "block"
    if settings.plan != "auto":
        return settings.plan
    row = 4 * len(common["frames"]) * frame.width * frame.channels * (1 + 2 * halo(common["fwhm"]))
    return "block" if row <= BLOCK_BYTES else "accumulate"


def _warn(
    settings: Detecting, run: Run, tried: Floats, common: Mapping[str, Any], aliases: list[dict[str, float]]
) -> None:
    if aliases and common["method"] in ("joint", "grid"):
        told = ", ".join(f"{a['period_s']:.6g} s (window {a['window']:.2f})" for a in aliases[:3])
        run.notes.append(f"the sampling cannot tell {1.0 / float(np.median(tried)):.6g} s from {told}")
    if settings.detrend and float(tried[0]) * run.span <= settings.detrend:
        run.notes.append(
            f"the polynomial of degree {settings.detrend} takes part of a period of {1.0 / tried[0]:.6g} s: only "
            f"{tried[0] * run.span:.2g} periods fit into the run"
        )
    if common["harmonics"] == 8 and not common["choose"]:
        run.notes.append("8 harmonics: pulses shorter than a tenth of the period are found better by shape=box")
    if run.left_out:
        run.notes.append(f"{len(run.left_out)} frames are left out")


def _report(run: Run, tried: Floats, common: Mapping[str, Any], aliases: list[dict[str, float]]) -> dict[str, Any]:
    smearing = sampling.smearing(run.exposures, 1.0 / float(np.median(tried)))
    rise, n = gain(run.fwhm), len(run.frames)
    key = str(common["sidebands"])
    return {
        "frames": n, "left_out": run.left_out, "span_s": run.span, "trials": len(tried),
        "equivalent_trials": common["worth"][key], "first_hz": float(tried[0]), "last_hz": float(tried[-1]),
        "step_hz": float(tried[1] - tried[0]) if len(tried) > 1 else 0.0, "method": common["method"],
        "plan": common["plan"], "harmonics": 0 if common["choose"] else common["harmonics"],
        "noise": "local" if common["local"] else "white", "sidebands": common["sidebands"],
        "freedom": n - common["terms"] - {"box": 1, "fold": 0}.get(common["method"], 2 * common["harmonics"]),
        "fwhm": run.fwhm, "gain": rise, "smearing": smearing, "t0_s": common["t0"],
        "z_of_one": smearing * math.sqrt(n / 2.0) * rise, "aliases": aliases, "warnings": run.notes,
    }  # fmt: skip


def design_of(plan: Mapping[str, Any]) -> Design:
    """Return the design that a plan holds."""
    return Design(**plan["design"])
