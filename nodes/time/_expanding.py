"""The parts that the links over time have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Expand, Port
from ._parts import DOCS, PARTS
from ._settings import Detecting, Marking

INPUTS = (
    Port("frames", many=True, doc="registered, linear frames on one level"),
    Port("times", "times", doc="when they were exposed, from TimeAxis"),
    Port("measures", "table", optional=True, doc="from FrameSeriesMeasures: a row a frame"),
)
MAPS = tuple(Port(part, doc=DOCS[part]) for part in PARTS)
MARKS = (
    Port("detected", doc="1 where the significance passes correction and level, all pixels counted; else 0"),
    Port("discoveries", "measures", doc="how many pixels are detected, and from which significance on"),
)


def planned_by(settings: Detecting, add: Expand, feeds: Mapping[str, Any], **more: Any) -> Mapping[str, Any]:
    """Add a LockInPlan with the parameters of *settings* and *more*; return its outputs."""
    values = {name: getattr(settings, name) for name in Detecting.params} | more
    outputs: Mapping[str, Any] = add(
        "time.lock_in_plan", "plan", frames=feeds["frames"], times=feeds["times"], measures=feeds.get("measures"),
        **values,
    )  # fmt: skip
    return outputs


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
