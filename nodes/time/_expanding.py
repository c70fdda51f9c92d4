"""The parts that the links over time have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...engine.api import Expand, Port, Quantity
from ._parts import DOCS, PARTS
from ._settings import Detecting, Marking

INPUTS = (
    Port("frames", many=True, doc="registered, linear frames on one level"),
    Port("times", "times", doc="when they were exposed, from TimeAxis"),
    Port("measures", "table", optional=True, doc="from FrameSeriesMeasures: a row a frame"),
)
MAPS = tuple(Port(part, doc=DOCS[part]) for part in PARTS)
SEED = Port("seed", "series", optional=True, doc="light curve of the region whose period trv=[TRV:seed(name)] takes")
MARKS = (
    Port("detected", doc="1 where the significance passes correction and level, all pixels counted; else 0"),
    Port("discoveries", "measures", doc="how many pixels are detected, and from which significance on"),
)


def planned_by(
    settings: Detecting, add: Expand, feeds: Mapping[str, Any], *, name: str = "plan", seed: Any = None, **more: Any
) -> Mapping[str, Any]:
    """Add a LockInPlan with the parameters of *settings* and *more*; return its outputs."""
    values = {param: getattr(settings, param) for param in Detecting.params} | more
    outputs: Mapping[str, Any] = add(
        "time.lock_in_plan", name, frames=feeds["frames"], times=feeds["times"], measures=feeds.get("measures"),
        seed=seed, **values,
    )  # fmt: skip
    return outputs


def seeded_by(settings: Detecting, add: Expand, feeds: Mapping[str, Any]) -> Any:
    """Add a SeedPeriod where `trv` takes its period from a region whose light curve is linked; return its Value's feed,
    else None."""
    if settings.vector().seed is None or feeds.get("seed") is None:
        return None
    slow = planned_by(settings, add, feeds, name="seed_plan", purpose="curve")
    made = add(
        "time.seed_period", "seed", series=feeds["seed"], plan=slow["fit"], trv=seed_text(settings),
        noise=settings.noise, detrend=settings.detrend, clip=settings.clip,
    )  # fmt: skip
    return made["measures"]


def seed_text(settings: Detecting) -> str:
    """Return `trv` with shape and duration of the box as parameters may give them."""
    trv = settings.vector()
    if not settings.is_box():
        return settings.trv
    return str(replace(trv, shape="box", duration=trv.duration or Quantity.of(settings.box_seconds(), "s")))


def maps_of(settings: Detecting, add: Expand, feeds: Mapping[str, Any], fit: Any, noise: Any) -> dict[str, Any]:
    """Add a LockIn by the plan *fit*; return the feed of each of its images."""
    h = settings.most_harmonics()
    made = add("time.lock_in", "lock_in", frames=feeds["frames"], plan=fit, noise=noise, harmonics=h)["image"]
    return {part: add("time.lock_in_output", part, image=made, part=part, harmonics=h)["image"] for part in PARTS}


def marks_of(settings: Marking, add: Expand, significance: Any) -> dict[str, Any]:
    """Add a SignificanceMask over the map *significance*; return the feeds of MARKS."""
    made = add("time.significance_mask", "detected", image=significance, correction=settings.correction,
               level=settings.level)  # fmt: skip
    return {"detected": made["image"], "discoveries": made["discoveries"]}
