"""The Lerar Link as a job: frames in, maps, sources, light curves and a report out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...graphs.series import SeriesOptions, add_curves, build
from .found import counted, detections, figures, shown
from .frames import decided, widened
from .period import boxed, check_seed, of_seed

if TYPE_CHECKING:
    from ...graphs.document import Graph

_PERIODS = 1.5
"""Of a period the series must cover so many."""
_DAY = 86400.0


@dataclass
class LerarResult:
    """What a Lerar Link found.

    Attributes
    ----------
    detections
        A row a source, the surest first, see `document`.
    expected
        What was told before the run.
    """

    trv: str
    out: Path | None
    graph: Graph
    detections: list[dict[str, Any]]
    expected: dict[str, Any]
    told: dict[str, Any]
    warnings: list[str]
    box: bool = False
    files: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "trv": self.trv, "detections": self.detections, "expected": self.expected, **self.told,
            "warnings": self.warnings, "files": self.files, "seconds": self.seconds,
        }  # fmt: skip


def run_lerar(
    paths: Sequence[str],
    options: SeriesOptions,
    out: Path | None,
    *,
    register: bool | None = None,
    settings: Callable[[Graph], None] | None = None,
    tell: Callable[[str], None] = lambda line: None,
    **how: Any,
) -> LerarResult:
    """Find what varies in frames; write maps, tables, pictures, a report and the graph to *out*.

    Parameters
    ----------
    paths
        From `frame_files`.
    out
        The folder; None writes nothing.
    register
        Align the frames first; None: where their stars do not lie on one another.
    settings
        Changes parameters of the graph before it is run.
    tell
        Takes sentences: what is expected, before the run, and warnings.
    how
        For `Graph.run`.
    """
    start = time.perf_counter()
    # Links that nothing could be found for: these lights go without a dark or a flat.
    warnings = [str(link) for link in options.raw.broken] if options.raw is not None else []
    check_seed(paths, options)
    options = decided(paths, options, register, tell, how)
    seed: dict[str, Any] = {}
    if options.vector.seed is not None:
        options, seed = of_seed(paths, options, warnings, tell, how)
    box: dict[str, float] = {}
    if options.box and options.vector.is_search:
        options, box = boxed(paths, options, tell, how)
    options, sampled = _fitted(paths, options, warnings, how)
    options = widened(paths, options, tell, how)
    graph = build(paths, options)
    if settings is not None:
        settings(graph)
    expected, plan = _expected(graph, options, sampled, how)
    warnings += [w for w in plan["warnings"] if w not in warnings]
    tell(_told(expected, plan))
    for warning in warnings:
        tell(f"warning: {warning}")
    targets = [n for n in ("sources", "sources-total", "detected") if n in graph]
    report = graph.run(targets, **how)
    rows = counted(detections(graph, report.values, options, how), box)
    drawn = shown(rows)
    nodes = add_curves(graph, options, drawn, float(plan["span_s"]))
    told = figures(report.values, plan, options, len(paths)) | ({"box_search": box} if box else {})
    told |= {"seed": seed} if seed else {}
    result = LerarResult(options.trv, out, graph, rows, expected, told, warnings, options.box)
    if out is not None:
        from .report import write_results

        result.files = write_results(result, drawn, nodes, out, how)
    result.seconds = time.perf_counter() - start
    return result


def _fitted(
    paths: Sequence[str], options: SeriesOptions, warnings: list[str], how: Any
) -> tuple[SeriesOptions, dict[str, Any]]:
    """Return the options with a range that the series can tell, and what the sampling allows."""
    from ...engine.tabular import exposures_of, seconds_of

    graph = build(paths, options)
    times = graph["times"].value()
    seconds = seconds_of(times)
    span = float(seconds[-1] - seconds[0]) if len(seconds) else 0.0
    exposure = float(sorted(exposures_of(times))[len(seconds) // 2]) if len(seconds) else 0.0
    sampled = {"frames": len(seconds), "span_s": span, "exposure_s": exposure, "epoch": times["epoch"],
               "scale": times["scale"], "reference": times["reference"]}  # fmt: skip
    trv = options.vector
    shortest, longest = trv.seconds if trv.seed is None else (0.0, 0.0)
    most = span / _PERIODS
    if trv.is_search and shortest < most < longest:
        # A little less, so that rounding does not lead beyond.
        text = f"[TRV:{shortest!r}s..{math.floor(most * 1e4 - 1.0) / 1e4!r}s"
        more = [f"h={trv.harmonics}"] if trv.harmonics else []
        more += [f"os={trv.oversample}"] if trv.oversample else []
        more += [f"t0={trv.t0}"] if trv.t0 else []
        options = replace(options, trv=";".join([text, *more]) + "]")
        warnings.append(
            f"periods of more than {most / _DAY:.6g} d ({most:.6g} s) are not searched: the series of "
            f"{span / _DAY:.6g} d does not cover them one and a half times"
        )
    if options.box and trv.period > most:
        # Within one night a parabola is much like a transit.
        options = replace(options, detrend=min(options.detrend, 1))
    return options, sampled


def _expected(
    graph: Graph, options: SeriesOptions, sampled: dict[str, Any], how: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what can be found in these frames, told before anything is fitted; and the plan."""
    told = [*(["sampling"] if "sampling" in graph else []), "plan", *(["measures"] if "measures" in graph else [])]
    graph.run(told, **how)
    plan: dict[str, Any] = graph["plan"].value("measures")
    frame = graph["frames"].image[0].frame
    pixels = frame.width * frame.height
    trials = float(plan.get("equivalent_trials") or 1.0)
    needed = math.sqrt(2.0 * math.log(pixels * max(1.0, trials) / 0.01))
    least = needed / plan["z_of_one"] if plan.get("z_of_one") else math.nan
    expected: dict[str, Any] = {
        **sampled, "pixels": pixels, "trials": plan.get("trials"), "equivalent_trials": trials,
        "smearing": plan.get("smearing"), "z_needed": needed, "z_of_one": plan.get("z_of_one"),
        "least_amplitude_sigma": least,
    }  # fmt: skip
    sigma = plan.get("sigma")
    if "measures" in graph:
        import numpy as np

        table = graph["measures"].value()["columns"]
        used = np.array(table["used"]) > 0
        sigma = float(np.nanmedian(np.array(table["sigma"], float)[used])) if used.any() else None
        expected |= {"sigma": sigma, "unit": frame.unit}
        if sigma:
            expected["least_amplitude"] = least * sigma
    return expected, plan


def _told(expected: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Return the sentence about what is expected."""
    told = (
        f"{plan['frames']} frames over {plan['span_s']:.6g} s, {plan['trials']} trial frequencies, "
        f"{expected['pixels']} pixels: to be surer than 1 % of all of them a variation must reach "
        f"z = {expected['z_needed']:.2f}, which is expected of an amplitude of "
        f"{expected['least_amplitude_sigma']:.3g} of one frame's noise"
    )
    if "least_amplitude" in expected:
        told += f" ({expected['least_amplitude']:.4g} {expected['unit']}".rstrip() + ")"
    return told
