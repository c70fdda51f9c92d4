"""The period of a Lerar Link, where it is to be found first: in a region's light curve, or as that of a box."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...engine.errors import ParameterError
from ...graphs.series import SeriesOptions, build, seeded
from .frames import quiet

if TYPE_CHECKING:
    from ...engine.trv_vector import Trv

_DAY = 86400.0


def check_seed(paths: Sequence[str], options: SeriesOptions) -> None:
    """Tell before anything is looked at that a region is not there, or that its text cannot be read."""
    if options.vector.seed is not None:
        seeded(paths, options)
    elif options.regions:
        raise ParameterError(
            f"lerar link: regions are for [TRV:seed(name)], and {options.trv} names its period itself; leave out the "
            f"region {', '.join(map(repr, options.regions))} or write [TRV:seed({next(iter(options.regions))})]"
        )


def of_seed(
    paths: Sequence[str], options: SeriesOptions, warnings: list[str], tell: Callable[[str], None], how: Any
) -> tuple[SeriesOptions, dict[str, Any]]:
    """Return the options with the best period of the region's light curve, and what was found of it."""
    name = options.vector.seed
    assert name is not None
    graph = seeded(paths, options)
    found = graph["seed"].value("measures", **quiet(how))
    reference = graph["times"].value()["reference"]
    # Whether times are corrected for the way of light is judged by a period; then it is found in such times.
    graph.set("times", "trv", str(_with_period(options.vector, found)))
    if graph["times"].value()["reference"] != reference:
        found = graph["seed"].value("measures", **quiet(how))
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


def boxed(
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
    found = graph.add("BoxPeriod", name="box", series=curve, trv=options.trv).value("measures", **quiet(how))
    period, middle, duration = found["period_s"], found["t0_s"], found["duration_s"]
    tell(
        f"the best of {found['trials']:.3g} boxes of {duration:g} s comes again every {period / _DAY:.6g} d "
        f"({period:.6g} s), {found['snr']:.1f} times above its error"
    )
    trv = f"[TRV:{period:.6f}s+-{1e-9 * period:.9f}s;shape=box;t0={middle:.3f}s;dur={duration:g}s]"
    return replace(options, trv=trv), dict(found)
