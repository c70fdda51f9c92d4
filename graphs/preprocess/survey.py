"""Graphs that look at raw frames before anything is made of them: which are of use, which are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..document import Graph
from .build import Builder
from .match import Matching
from .options import Options
from .stacks import Stacks

LOOKED_AT = ("light", "flat")
"""Kinds of raw frames whose samples are looked at: those that clouds, dawn and covers spoil."""


def levels(matching: Matching) -> Graph:
    """Return a graph that measures the samples of raw lights and flats as they are, ``levels-GROUP`` for each group."""
    graph = Graph()
    for group in matching.groups:
        if group.kind in LOOKED_AT and not group.master:
            frames = graph.add("ReadSeries", name=group.name, paths=tuple(r.path for r in group.records))
            graph.add("SampleRange", name=f"levels-{group.name}", image=frames)
    return graph


def spoilt(levels: Mapping[str, Any]) -> str:
    """Return what makes a frame of these *levels* (a Value of SampleRange) useless; empty where nothing does.

    A frame more than half of whose samples are at its maximum is saturated: its median tells nothing else.
    """
    channels = levels["channels"]
    if not any(c["count"] for c in channels):
        return "empty: it has no sample that is not missing"
    if all(c["minimum"] == c["maximum"] for c in channels):
        return f"empty or saturated: all its samples are {channels[0]['maximum']:g}"
    if all(2 * c["at_maximum"] > c["count"] for c in channels):
        return f"saturated: more than half of its samples are {channels[0]['maximum']:g}, none is higher"
    return ""


def survey(matching: Matching, stacks: Stacks, options: Options) -> Graph:
    """Return a graph that measures, judges and registers the lights, and integrates and writes nothing.

    Its nodes are those of `build` by name and in all else, so that what it measures need not be measured again;
    ``select-STACK`` holds the figures of all lights of a stack, with the user's approval.
    """
    builder = Builder(matching, replace(options, keep=()))
    for object in stacks.objects:
        builder.survey_object(stacks.of(object))
    return builder.graph


def surveyed(graph: Graph) -> list[str]:
    """Return the nodes of a survey that tell something."""
    return [n for n in graph if n.startswith(("registered-", "select-"))]


def by_frame(values: Mapping[str, Any], node: str, paths: Iterable[str]) -> dict[str, Any]:
    """Return the Values of *node*, which has one for each of *paths*: path -> Value.

    Parameters
    ----------
    values
        Those of a run, by label: ``node[3]``, or ``node/part[3]`` for a part of a composite; plain for a single frame.
    node
        With the part: ``registered-R/match``.
    """
    made = {}
    for place, path in enumerate(paths):
        label = f"{node}[{place}]"
        if label in values:
            made[path] = values[label]
        elif place == 0 and node in values:
            made[path] = values[node]
    return made
