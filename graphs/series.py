"""The graph that finds what varies with a period in a series of frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..engine.errors import ParameterError, UnresolvedLinkError, unresolved
from ..engine.graph import Node
from ..engine.trv import parse
from ..engine.trv_vector import Trv
from .document import Graph
from .preprocess.build import Builder
from .preprocess.match import Matching
from .preprocess.options import Options
from .preprocess.stacks import stacks_of

Noise = Literal["local", "white"]

# Fitted maps that are written, as they are called; of each one FITS file.
MAPS = (
    "mean", "amplitude", "amplitude_err", "phase", "phase_err", "significance", "detected", "power", "period", "used",
    "upper95",
)  # fmt: skip
_SOURCE_MAPS = ("significance", "amplitude", "amplitude_err", "phase", "phase_err", "period", "period_err", "mean")
# What stands out by so many average deviations is no star's flank.
_HOT = 10.0
_STARS = 3000
# Periodograms of one period show so many widths of a peak to either side.
_AROUND = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesOptions:
    """What is looked for, and in what kind of frames.

    Attributes
    ----------
    trv
        The period or the range of periods.
    register
        Align the frames on one another first; hot pixels are replaced before that.
    target
        The frames are the pixels of one star, as in target pixel files: they have no sky of their own and no other
        stars, so that nothing can be compared, and each pixel stands for itself.
    noise
        By what variation is judged: local, by frequencies nearby; white, by residuals.
    regressors
        Columns that are fitted besides: of the frame table, or of target pixel files such as ``pos_corr1``.
    times, site, pointing
        A table of times; longitude (east positive), latitude and height of the telescope; right ascension and
        declination. Left out, headers tell.
    quality
        Of target pixel files: zero leaves out frames with a quality flag, any does not.
    single
        Every file is one image.
    width
        FWHM in pixels of the profile by which stars are measured; 0: that of the stars.
    detrend
        Degree of the polynomial over time.
    regions
        Name -> shapes, as process Region reads them, for [TRV:seed(name)].
    raw
        The lights as they are matched with darks and flats: they are prepared as preprocess does it. None: frames are
        taken as they are.
    """

    trv: str
    register: bool = False
    target: bool = False
    noise: Noise = "local"
    regressors: tuple[str, ...] = ()
    times: str = ""
    site: tuple[float, float, float] | None = None
    pointing: tuple[float, float] | None = None
    quality: str = "zero"
    single: bool = False
    width: float = 0.0
    detrend: int = 2
    regions: Mapping[str, str] = field(default_factory=dict)
    raw: Matching | None = None

    @property
    def vector(self) -> Trv:
        return parse(self.trv)

    @property
    def box(self) -> bool:
        return self.vector.shape == "box"


def build(paths: Sequence[str], options: SeriesOptions) -> Graph:
    """Return the graph from frames to maps and sources. Opens no file.

    Nodes are called ``frames``, ``times``, ``sampling``, ``registered``, ``measures``, ``common``, ``plan``, ``link``,
    ``detected`` and ``sources``; those that write, ``write-`` and the name of the map.

    Raises
    ------
    ParameterError
        There are no frames; raw lights are of several kinds.
    UnresolvedLinkError
        The vector takes its period from a region.
    """
    if not paths:
        raise ParameterError("lerar link: there are no frames")
    if options.vector.seed is not None:
        raise UnresolvedLinkError(_unseeded(options, "name a period or a range; a region's period is found first"))
    graph, read, frames = _frames(paths, options)
    graph.doc = f"Lerar Link {options.trv}: {len(paths)} files"
    times = graph.add(
        "TimeAxis", name="times", frames=read, trv=options.trv, on_disorder="sort", table=options.times,
        site=options.site, target=options.pointing,
    )  # fmt: skip
    if not options.box:
        graph.add("Sampling", name="sampling", times=times, trv=options.trv)
    common, measures = (read, read.output("frames")) if options.target else _compared(graph, frames, times, options)
    _linked(graph, common, times, measures, options)
    return graph


def _unseeded(options: SeriesOptions, cure: str) -> str:
    seed = options.vector.seed
    there = f"; there are regions {', '.join(map(repr, options.regions))}" if options.regions else ""
    why = f"{options.trv} takes its period from the region '{seed}', and there is none here{there}"
    return unresolved("lerar link", why, cure=cure)


def seeded(paths: Sequence[str], options: SeriesOptions) -> Graph:
    """Return the graph that finds the period of the region that the vector names. Opens no file.

    The node ``seed`` gives it, ``seed-curve`` the light curve, ``seed-region`` the region; the others are called as
    `build` calls them.

    Raises
    ------
    UnresolvedLinkError
        There is no region of this name.
    """
    trv = options.vector
    assert trv.seed is not None
    if trv.seed not in options.regions:
        cure = f"give the option --region {trv.seed}=SHAPES (regions={{'{trv.seed}': ...}} in Python), or name a period"
        raise UnresolvedLinkError(_unseeded(options, cure))
    graph, read, frames = _frames(paths, options)
    times = graph.add(
        "TimeAxis", name="times", frames=read, trv=options.trv, on_disorder="sort", table=options.times,
        site=options.site, target=options.pointing,
    )  # fmt: skip
    # Which stars vary is not known yet, so that none is left out of the ensemble.
    plain = replace(options, trv="")
    common, measures = (read, read.output("frames")) if options.target else _compared(graph, frames, times, plain)
    plan = graph.add(
        "LockInPlan", name="seed-plan", frames=common, times=times, measures=measures, purpose="curve",
        trv=options.trv, regressors=options.regressors, detrend=options.detrend,
        matched="off" if options.target else "auto",
    )  # fmt: skip
    one = graph.add("SeriesSample", name="seed-frame", frames=common, count=1)
    where = graph.add("Region", name="seed-region", image=one, area=options.regions[trv.seed], min_pixels=1)
    curve = graph.add("RegionLightCurve", name="seed-curve", frames=common, plan=plan.output("fit"), where=where)
    graph.add("SeedPeriod", name="seed", series=curve, plan=plan.output("fit"), trv=options.trv, noise=options.noise,
              detrend=options.detrend)  # fmt: skip
    graph.outputs.append("seed")
    return graph


def _frames(paths: Sequence[str], options: SeriesOptions) -> tuple[Graph, Node, Node]:
    """Return a graph, the node that reads the frames, and the one that gives them ready to be aligned."""
    if options.raw is not None:
        return _prepared(options.raw)
    graph = Graph()
    if options.single:
        read = graph.add("ReadSeries", name="frames", paths=tuple(paths))
    else:
        read = graph.add("ReadFrames", name="frames", paths=tuple(paths), quality=options.quality)
    return graph, read, read


def _prepared(raw: Matching) -> tuple[Graph, Node, Node]:
    """Return what `_frames` does for raw lights: calibrated and corrected as by preprocess, nothing integrated."""
    stacks = stacks_of(raw, register=False).stacks
    lights = [group for stack in stacks for group in stack.groups]
    if len(lights) != 1:
        names = ", ".join(f"{g.name} ({len(g.records)})" for g in lights) or "none"
        raise ParameterError(f"lerar link: the lights of one series are wanted, of one kind; there are {names}")
    builder = Builder(raw, Options(register=False))
    ready = builder.ready(stacks)[stacks[0].name][0].name
    builder.graph.rename(lights[0].name, "frames")
    graph = builder.graph
    return graph, graph["frames"], graph["frames" if ready == lights[0].name else ready]


def _compared(graph: Graph, images: Node, times: Node, options: SeriesOptions) -> tuple[Node, Any]:
    """Add what makes frames comparable; return them, and the table of their figures."""
    frames = aligned(graph, images, clean=options.raw is not None) if options.register else images
    measures = graph.add(
        "FrameSeriesMeasures", name="measures", frames=frames, times=times, trv=options.trv, fwhm=options.width
    )  # fmt: skip
    common = graph.add("CommonMode", name="common", image=frames, measures=measures)
    return common, measures


def aligned(graph: Graph, images: Node, *, clean: bool = False) -> Node:
    """Add the registration of *images*, hot pixels replaced; frames that cannot be aligned have no samples.

    *clean*: hot pixels are replaced already.
    """
    if not clean:
        images = graph.add(
            "CosmeticCorrection", name="corrected", image=images, hot_auto_check=True, hot_auto_value=_HOT
        )
    return graph.add("StarAlignment", name="registered", images=images, keep_stars=_STARS, on_failure="missing")


def _linked(graph: Graph, common: Node, times: Node, measures: Any, options: SeriesOptions) -> None:
    settings = _settings(options)
    process = "LerarSearch" if options.vector.is_search else "LerarLink"
    graph.add(
        "LockInPlan", name="plan", frames=common, times=times, measures=measures,
        purpose="search" if options.vector.is_search else "fit", **settings,
    )  # fmt: skip
    link = graph.add(process, name="link", frames=common, times=times, measures=measures, **settings)
    sources = graph.add(
        "LerarSources", name="sources", **_maps_of(link), report=link.output("report"),
        times=times,
    )  # fmt: skip
    # A node of its own, so that it is measured in the pass that finds the sources; it judges as the link does.
    marks = graph.add("SignificanceMask", name="detected", image=link.output("significance"))
    for name in ("correction", "level"):
        marks.link(name, f"link.{name}")
    for name in MAPS:
        image = marks.output("image") if name == "detected" else link.output(name)
        graph.add("WriteImage", name=f"write-{name}", image=image, path=f"{name}.fits")
    graph.outputs.append(sources.name)
    if options.target:
        total = graph.add("RegionMean", name="total", image=common)
        whole = graph.add(process, name="link-total", frames=total, times=times, measures=measures, **settings)
        told = graph.add(
            "LerarSources", name="sources-total", **_maps_of(whole),
            report=whole.output("report"), times=times,
        )  # fmt: skip
        graph.outputs.append(told.name)


def _maps_of(link: Node) -> dict[str, Any]:
    return {name: link.output(name) for name in _SOURCE_MAPS}


def _settings(options: SeriesOptions) -> dict[str, Any]:
    found: dict[str, Any] = {"trv": options.trv, "noise": options.noise, "regressors": options.regressors,
                             "fwhm": options.width, "detrend": options.detrend}  # fmt: skip
    if options.target:
        found["matched"] = "off"
    if options.box:
        found["clip"] = 0.0  # deep eclipses are outliers of their own light curve
    if options.box and options.target:
        # Slow drifts of a quarter of a year are no polynomial; the median of three durations and more follows them.
        assert options.vector.duration is not None
        found["median_window"] = round(_WINDOW * options.vector.duration.seconds, 3)
    return found


_WINDOW = 6.0


def add_curves(
    graph: Graph, options: SeriesOptions, sources: Sequence[Mapping[str, Any]], span: float, bins: int = 24
) -> list[tuple[str, str, str]]:
    """Add the light curve, the folded light curve and the periodogram of each source to a graph that `build` made.

    Parameters
    ----------
    sources
        Of each ``row``, ``column`` and ``period_s``; where the row is None, the whole image counts.
    span
        Of the series, seconds.

    Returns
    -------
    list
        Of each source the names of the nodes of its curve, folded curve and periodogram; a box has none of the
        last, which is empty.
    """
    settings = {k: v for k, v in _settings(options).items() if k not in ("trv", "median_window")}
    given: dict[str, Any] = {
        "frames": graph["common" if "common" in graph else "frames"], "times": graph["times"],
        "measures": graph["measures"] if "measures" in graph else graph["frames"].output("frames"),
    }  # fmt: skip
    made = []
    for n, one in enumerate(sources, 1):
        period = float(one["period_s"])
        plan = graph.add(
            "LockInPlan", name=f"plan-fold-{n}", **given, purpose="fold", trv=_of_period(options, period), **settings
        )
        curve = _curve(graph, f"curve-{n}", given["frames"], plan, one)
        fold = graph.add("FoldCurve", name=f"fold-{n}", series=curve, plan=plan.output("fit"), period=period, bins=bins)
        spectrum = ""
        if not options.box:
            around = graph.add(
                "LockInPlan", name=f"plan-spectrum-{n}", **given, purpose="search", calibration=100,
                trv=_range(options, period, span), **(settings | {"noise": "white"}),
            )  # fmt: skip
            curve = _curve(graph, f"curve-spectrum-{n}", given["frames"], around, one)
            spectrum = graph.add("Spectrum", name=f"spectrum-{n}", series=curve, plan=around.output("fit")).name
        made.append((f"curve-{n}", fold.name, spectrum))
    return made


def _curve(graph: Graph, name: str, frames: Any, plan: Node, one: Mapping[str, Any]) -> Node:
    fit = plan.output("fit")
    if one.get("row") is None:
        return graph.add("RegionLightCurve", name=name, frames=frames, plan=fit)
    return graph.add(
        "SourceLightCurve", name=name, frames=frames, plan=fit, row=float(one["row"]), column=float(one["column"])
    )


def _of_period(options: SeriesOptions, period: float) -> str:
    """Return the vector of one period, with the time of phase zero that was asked for."""
    t0 = f";t0={options.vector.t0}" if options.vector.t0 else ""
    return f"[TRV:{_seconds(period)}+-{_seconds(period * 1e-9)}{t0}]"


def _range(options: SeriesOptions, period: float, span: float) -> str:
    """Return the range of a periodogram: what was searched, or the surroundings of the one period."""
    if options.vector.is_search:
        return options.trv
    middle = 1.0 / period
    low, high = max(1.6 / span, middle - _AROUND / span), middle + _AROUND / span
    return f"[TRV:{_seconds(1.0 / high)}..{_seconds(1.0 / low)}]"


def _seconds(number: float) -> str:
    return f"{number:.12f}".rstrip("0").rstrip(".") + "s"
