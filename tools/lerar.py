"""The Lerar Link as a job: frames in, maps, sources, light curves and a report out."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.errors import ParameterError, SourceError
from ..graphs.series import SeriesOptions, add_curves, build, seeded
from ..nodes.io._frame_file import FrameOptions
from ..nodes.io._frame_files import FRAME_FILES, frames_in
from .folders import is_image

if TYPE_CHECKING:
    from ..engine.trv_vector import Trv
    from ..graphs.document import Graph
    from ..graphs.preprocess.match import Matching

MOST_CURVES = 12
"""Sources whose light curves are drawn."""
_CHECKED = 5
_SHIFTED = 0.3
_TARGET_WORDS = frozenset({"cadenceno", "timecorr", "quality"})
_TARGET_COLUMNS = ("pos_corr1", "pos_corr2")
_RESOLVED, _WIDER = 2.5, 2.5
_PERIODS = 1.5
"""Of a period the series must cover so many."""
_DAY = 86400.0
_LEVEL = -2.0
"""log10 of the probability of chance that a detection may have."""


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


def frame_files(names: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the files that *names* stand for: files themselves, and the frames in folders, sorted by name.

    Of a folder, calibration frames are left out where their headers tell them.

    Raises
    ------
    SourceError
        There is no such file, or no frame in a folder.
    """
    found: list[str] = []
    for name in names:
        place = Path(name)
        if place.is_dir():
            inside = sorted(str(p) for p in place.iterdir() if p.is_file() and _holds_frames(p.name))
            lights = _lights(inside)
            if not lights:
                raise SourceError(f"{place}: there is no frame in this folder")
            found += lights
        elif place.exists():
            found.append(str(place))
        else:
            raise SourceError(f"{place}: there is no such file or folder")
    return [os.path.abspath(p) for p in dict.fromkeys(found)]


def _holds_frames(name: str) -> bool:
    return not name.startswith(".") and (is_image(name) or name.lower().endswith(".ser"))


def raw_lights(names: Iterable[str | os.PathLike[str]]) -> Matching:
    """Return the lights in folders and files matched with the darks, flats and bias found there, as preprocess does.

    Raises
    ------
    SourceError
        There is no light.
    """
    from ..graphs.preprocess.match import match
    from .scan import scan

    found = scan(names)
    matching = match(found.records)
    if not matching.lights():
        raise SourceError(f"{', '.join(map(str, names))}: there is no light")
    return matching


def _lights(paths: Sequence[str]) -> list[str]:
    from .scan import read

    single = [p for p in paths if frames_in(Path(p)) is None]
    other = {r.path for r in read(single).records if r.kind != "light"} if single else set()
    return [p for p in paths if p not in other]


def is_target(paths: Sequence[str]) -> bool:
    """Return whether the frames are the pixels of one star: target pixel files."""
    files = [FRAME_FILES.get(Path(path), FrameOptions()) for path in paths[:1]]
    return any(f is not None and _TARGET_WORDS & {name.lower() for name in f.columns} for f in files)


def registered(paths: Sequence[str], single: bool = False, **how: Any) -> tuple[bool, str]:
    """Return whether the stars of a few frames spread over the series lie on one another, and a sentence about it."""
    from ..graphs.document import Graph

    count = len(paths)
    if not single:
        count = len(Graph().add("ReadFrames", name="frames", paths=tuple(paths)).image)
    chosen = sorted({round(i * (count - 1) / (_CHECKED - 1)) for i in range(_CHECKED)})
    graph = Graph()
    stars = [_stars_of(graph, [paths[i]] if single else paths, 0 if single else i, n) for n, i in enumerate(chosen)]
    matched = [
        graph.add("MatchStars", name=f"match-{n}", stars=s, reference=stars[0]) for n, s in enumerate(stars) if n
    ]
    if not matched:
        return True, "one frame needs no registration"
    values = graph.run([m.name for m in matched], **how).values
    found = [values[f"{m.name}[0]"] for m in matched]
    if any(v["kind"] == "none" for v in found):
        few = all("at least" in v.get("why", "") for v in found)
        return few, f"{'too few stars to register by' if few else 'frames differ'}: {found[-1].get('why', '')}"
    worst = max(_moved(v) for v in found)
    return worst <= _SHIFTED, f"stars move by up to {worst:.2f} px between frames"


def _stars_of(graph: Graph, paths: Sequence[str], index: int, n: int) -> Any:
    frame = graph.add("ReadFrames", name=f"frame-{n}", paths=tuple(paths), first=index, count=1)
    clean = graph.add("CosmeticCorrection", name=f"clean-{n}", image=frame, hot_auto_check=True, hot_auto_value=10.0)
    return graph.add("DetectStars", name=f"stars-{n}", image=clean, max_stars=500)


def _moved(transform: Mapping[str, Any]) -> float:
    """Return by how many pixels a transform moves the corners of the reference, at most."""
    import numpy as np

    width, height = transform["reference_width"], transform["reference_height"]
    corners = np.array([[x, y, 1.0] for x in (0.0, width - 1.0) for y in (0.0, height - 1.0)]).T
    there = np.asarray(transform["inverse"][0]["matrix"], float) @ corners
    return float(np.hypot(*(there[:2] / there[2] - corners[:2])).max())


# -- the run ----------------------------------------------------------------------------------------


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
    _check_seed(paths, options)
    options = _decided(paths, options, register, tell, how)
    seed: dict[str, Any] = {}
    if options.vector.seed is not None:
        options, seed = _of_seed(paths, options, warnings, tell, how)
    box: dict[str, float] = {}
    if options.box and options.vector.is_search:
        options, box = _boxed(paths, options, tell, how)
    options, sampled = _fitted(paths, options, warnings, how)
    options = _widened(paths, options, tell, how)
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
    detections = _counted(_detections(graph, report.values, options, how), box)
    shown = _shown(detections)
    nodes = add_curves(graph, options, shown, float(plan["span_s"]))
    told = _figures(report.values, plan, options, len(paths)) | ({"box_search": box} if box else {})
    told |= {"seed": seed} if seed else {}
    result = LerarResult(options.trv, out, graph, detections, expected, told, warnings, options.box)
    if out is not None:
        from .lerar_report import write_results

        result.files = write_results(result, shown, nodes, out, how)
    result.seconds = time.perf_counter() - start
    return result


def _decided(
    paths: Sequence[str], options: SeriesOptions, register: bool | None, tell: Callable[[str], None], how: Any
) -> SeriesOptions:
    """Say what kind of frames these are, and whether they are to be registered."""
    options = replace(options, single=all(frames_in(Path(p)) is None for p in paths))
    if is_target(paths):
        options = replace(options, target=True, register=False)
        if not options.regressors:
            options = replace(options, regressors=_drifts(paths))
            if options.regressors:
                tell(f"the star's drift over the pixels is fitted besides: {', '.join(options.regressors)}")
        return options
    if register is None:
        lie, why = registered(paths, options.single, **_quiet(how))
        tell(f"{why}: {'taken as registered' if lie else 'frames are registered'}")
        register = not lie
    return replace(options, register=register)


def _widened(
    paths: Sequence[str], options: SeriesOptions, tell: Callable[[str], None], how: Mapping[str, Any]
) -> SeriesOptions:
    """Widen the profile of stars that pixels hardly resolve.

    Once such stars are interpolated, the height of a narrow profile depends on where within a pixel a star fell, and
    on the seeing; a wider one sums their light.
    """
    if not options.register or options.width:
        return options
    graph = build(paths, options)
    known = [w for w in graph["measures"].value(**_quiet(how))["columns"]["fwhm"] if w is not None and math.isfinite(w)]
    if not known or statistics.median(known) >= _RESOLVED:
        return options
    width = round(_WIDER * statistics.median(known), 1)
    tell(f"stars are {statistics.median(known):.2f} px wide; they are measured by a profile of {width:g} px")
    return replace(options, width=width)


def _quiet(how: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in how.items() if k in ("workers", "memory", "scheduler")}


def _drifts(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of target pixel files that tell where the star lies, if they do."""
    from ..graphs.document import Graph

    columns = Graph().add("ReadFrames", name="frames", paths=tuple(paths)).value("frames")["columns"]
    if not all(name in columns for name in _TARGET_COLUMNS):
        return ()
    for name in _TARGET_COLUMNS:
        known = [v for v in columns[name] if v is not None and math.isfinite(v)]
        if len(known) < 0.9 * len(columns[name]) or len(set(known)) < 10:
            return ()
    return _TARGET_COLUMNS


def _fitted(
    paths: Sequence[str], options: SeriesOptions, warnings: list[str], how: Any
) -> tuple[SeriesOptions, dict[str, Any]]:
    """Return the options with a range that the series can tell, and what the sampling allows."""
    from ..engine.tabular import exposures_of, seconds_of

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


def _check_seed(paths: Sequence[str], options: SeriesOptions) -> None:
    """Tell before anything is looked at that a region is not there, or that its text cannot be read."""
    if options.vector.seed is not None:
        seeded(paths, options)
    elif options.regions:
        raise ParameterError(
            f"lerar link: regions are for [TRV:seed(name)], and {options.trv} names its period itself; leave out the "
            f"region {', '.join(map(repr, options.regions))} or write [TRV:seed({next(iter(options.regions))})]"
        )


def _of_seed(
    paths: Sequence[str], options: SeriesOptions, warnings: list[str], tell: Callable[[str], None], how: Any
) -> tuple[SeriesOptions, dict[str, Any]]:
    """Return the options with the best period of the region's light curve, and what was found of it."""
    name = options.vector.seed
    assert name is not None
    graph = seeded(paths, options)
    found = graph["seed"].value("measures", **_quiet(how))
    reference = graph["times"].value()["reference"]
    # Whether times are corrected for the way of light is judged by a period; then it is found in such times.
    graph.set("times", "trv", str(_with_period(options.vector, found)))
    if graph["times"].value()["reference"] != reference:
        found = graph["seed"].value("measures", **_quiet(how))
    trv = _with_period(options.vector, found)
    period, off = found["period_s"], found["tolerance_s"]
    span = f"{period:.9g} +- {off:.3g} s ({period / _DAY:.6g} d)"
    tell(f"the light curve of '{name}' varies most with {span}, within which frequencies are tried")
    warnings += found["warnings"]
    warnings.append(
        f"the period was found in the light curve of '{name}' ({options.regions[name]}): the significance of sources "
        "there is too great, since their own noise helped to choose it"
    )
    told = {k: v for k, v in found.items() if k != "warnings"}
    return replace(options, trv=str(trv)), {"region": name, "area": options.regions[name], **told}


def _with_period(trv: Trv, found: Mapping[str, Any]) -> Trv:
    """Return a vector that names the period, and the middle of a box, that SeedPeriod found."""
    period, off = float(f"{found['period_s']:.12g}"), float(f"{found['tolerance_s']:.3g}")
    made = replace(trv, seed=None).with_center(period, off)
    return made if found["t0_s"] is None else replace(made, t0=f"{found['t0_s']:.6f}s")


def _boxed(
    paths: Sequence[str], options: SeriesOptions, tell: Callable[[str], None], how: Any
) -> tuple[SeriesOptions, dict[str, float]]:
    """Return the options with the period of the best box in the light of all pixels together, and that box.

    Raises
    ------
    ParameterError
        The frames are not the pixels of one star, so that there is no light curve to search.
    """
    if not options.target:
        raise ParameterError(
            f"lerar link: {options.trv} searches for the period of a box, which wants the light curve of one star: a "
            "target pixel file; of a field name the period, or search without shape=box"
        )
    # Any one period does for the plan: it tells which frames count.
    least, most = options.vector.seconds
    plain = f"[TRV:{math.sqrt(least * most):.6f}s+-{1e-9 * most:.9f}s]"
    graph = build(paths, replace(options, trv=plain))
    plan = graph.add(
        "LockInPlan", name="plan-box", frames=graph["frames"], times=graph["times"],
        measures=graph["frames"].output("frames"), trv=plain, purpose="fold", matched="off", clip=0.0,
        detrend=options.detrend,
    )  # fmt: skip
    curve = graph.add("RegionLightCurve", name="curve-box", frames=graph["frames"], plan=plan.output("fit"))
    found = graph.add("BoxPeriod", name="box", series=curve, trv=options.trv).value("measures", **_quiet(how))
    period, middle, duration = found["period_s"], found["t0_s"], found["duration_s"]
    tell(
        f"the best of {found['trials']:.3g} boxes of {duration:g} s comes again every {period / _DAY:.6g} d "
        f"({period:.6g} s), {found['snr']:.1f} times above its error"
    )
    trv = f"[TRV:{period:.6f}s+-{1e-9 * period:.9f}s;shape=box;t0={middle:.3f}s;dur={duration:g}s]"
    return replace(options, trv=trv), dict(found)


def _counted(detections: list[dict[str, Any]], box: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return what is still significant once all boxes that were tried are counted."""
    if not box:
        return detections
    more = math.log10(box["trials"])
    counted = [d | {"log10_p": min(0.0, d["log10_p"] + more)} for d in detections]
    return [d for d in counted if d["log10_p"] <= _LEVEL]


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


# -- what was found ---------------------------------------------------------------------------------


def _rows(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    columns = table["columns"]
    return [{k: columns[k][i] for k in columns} for i in range(len(columns["row"]))]


def _table(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = values[name]
    return found.get("table", found) if "columns" not in found else found


def _detections(graph: Graph, values: Mapping[str, Any], options: SeriesOptions, how: Any) -> list[dict[str, Any]]:
    """Return a row a source, the surest first; of a target, that of all its pixels together among them."""
    sources = _table(values, "sources")
    found = [row | {"of": "pixel" if options.target else "source"} for row in _rows(sources)]
    if options.target:
        for row in _rows(_table(values, "sources-total")):
            place = _place(graph, found, row)
            found.append(row | {"of": "target", "row": place[0], "column": place[1], "y": place[0], "x": place[1]})
    return sorted(found, key=lambda r: (r["log10_p"], r["row"], r["column"]))


def _place(graph: Graph, found: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> tuple[int, int]:
    """Return where a target varies: at the surest pixel of the same period, else where it is brightest."""
    import numpy as np

    for one in sorted(found, key=lambda r: r["log10_p"]):
        if abs(one["period_s"] - row["period_s"]) <= 0.05 * row["period_s"]:
            return int(one["row"]), int(one["column"])
    mean = np.nan_to_num(graph["link"].output("mean").image.compute()[0], nan=-np.inf)
    y, x = np.unravel_index(int(mean.argmax()), mean.shape)
    return int(y), int(x)


def _shown(detections: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sources of which light curves are drawn; where the whole target varies, the row is None."""
    return [
        {"period_s": one["period_s"], "row": None if one["of"] == "target" else one["y"], "column": one["x"]}
        for one in detections[:MOST_CURVES]
    ]


def _figures(values: Mapping[str, Any], plan: Mapping[str, Any], options: SeriesOptions, files: int) -> dict[str, Any]:
    sources = _table(values, "sources")
    told = {
        "files": files, "frames": plan["frames"], "left_out": plan["left_out"], "span_s": plan["span_s"],
        "trials": plan["trials"], "pixels": sources["pixels"], "threshold": sources["threshold"],
        "detected": dict(values["detected"]),
        "noise": options.noise, "registered": options.register, "t0_s": sources["t0_s"], "epoch": sources["epoch"],
        "scale": sources["scale"], "reference": sources["reference"], "aliases": plan["aliases"],
    }  # fmt: skip
    return {("inputs" if k == "files" else k): v for k, v in told.items()}
