"""The tail of the LRGB recipe behind masters that are made in the same graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from ...engine.graph import Feeds, Link, Node
from ..document import Graph
from ..recipe import load_recipe

Combine = Literal["auto", "none", "lrgb"]
COMBINATIONS: tuple[Combine, ...] = ("auto", "none", "lrgb")

_SOURCES = {"red": "R", "green": "G", "blue": "B", "luminance": "L"}
_FOR_REPORTS = "medians-"


def add_combination(graph: Graph, masters: Mapping[str, Node], prefix: str, combine: Combine) -> None:
    """Add the nodes of recipe ``lrgb`` to *graph*, fed by *masters* (filter -> node) instead of files.

    All masters are cropped to what each of them covers. Without luminance its part is left out. *prefix* goes
    before the names of nodes and files.
    """
    recipe = load_recipe("lrgb")
    linked = {node: masters[f].output().link for node, f in _SOURCES.items() if f in masters}
    absent = {node for node in _SOURCES if node not in linked}
    skipped = {*_SOURCES, *(n for n in recipe if n.startswith(_FOR_REPORTS)), *(f"crop-{n}" for n in absent)}
    kind = "lrgb" if "L" in masters else "rgb"
    crops: list[Node] = []
    for name in recipe.order():
        if name in skipped:
            continue
        spec = recipe.spec(name)
        if spec.process == "geometry.crop":
            _add_crop(graph, _own(name, prefix), masters[_SOURCES[name.removeprefix("crop-")]], masters, crops)
            continue
        params = dict(spec.params)
        if spec.process == "io.write_image":
            params["path"] = f"{prefix}{params['path'].replace('lrgb', kind)}"
        feeds = _moved(recipe.feeds(name), linked, skipped, prefix)
        graph.insert(replace(spec, name=_own(name, prefix), params=params), feeds)
    graph.outputs += [_own(name, prefix) for name in recipe.outputs]


def _add_crop(graph: Graph, name: str, master: Node, masters: Mapping[str, Node], crops: list[Node]) -> None:
    """Add the crop of one master to what all of them cover; the first finds it, the others follow."""
    if crops:
        how: dict[str, Any] = {"crop": crops[0].output("crop")}
    else:
        used = [masters[f] for f in _SOURCES.values() if f in masters]
        how = {"coverage": [m.output("weight") for m in used]}
    crops.append(graph.add("AutoCrop", name=name, image=master, **how))


def _own(name: str, prefix: str) -> str:
    return f"combine-{prefix}{name}"


def _moved(feeds: Feeds, linked: Mapping[str, Link], skipped: set[str], prefix: str) -> Feeds:
    def moved(link: Link) -> Link:
        return linked.get(link.node) or Link(_own(link.node, prefix), link.port)

    def kept(link: Link) -> bool:
        return link.node in linked or link.node not in skipped

    made: Feeds = {}
    for port, feed in feeds.items():
        if isinstance(feed, Link):
            if kept(feed):
                made[port] = moved(feed)
        else:
            made[port] = tuple(moved(link) for link in feed if kept(link))
    return made
