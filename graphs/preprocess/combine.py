"""The tails of the colour recipes behind masters that are made in the same graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...engine.errors import GraphError
from ...engine.graph import Feeds, Link, Node
from ..document import Graph
from ..recipe import load_recipe

Combine = Literal["auto", "none", "lrgb", "rgb", "osc", "sho"]
COMBINATIONS: tuple[Combine, ...] = ("auto", "none", "lrgb", "rgb", "osc", "sho")

Picture = Literal["linear", "stretched", "picture"]
PICTURES: tuple[Picture, ...] = ("linear", "stretched", "picture")
"""The files of a combination: what the recipes' nodes ``write-...`` write."""

_COLOURS = {"red": "R", "green": "G", "blue": "B"}
_NARROW = {"sii": "SII", "ha": "Ha", "oiii": "OIII"}


@dataclass(frozen=True, slots=True)
class Combination:
    """A picture to be made of masters.

    Attributes
    ----------
    kind
        ``lrgb``, ``rgb``, ``osc`` or ``sho``: how its files are named.
    recipe
        Whose nodes make it.
    sources
        The recipe's source node -> the filter whose master takes its place.
    """

    kind: str
    recipe: str
    sources: Mapping[str, str]


def combinations(wanted: Combine, filters: Sequence[str], mosaics: Sequence[str]) -> list[Combination]:
    """Return the pictures to be made of masters of these *filters*; *mosaics* are those of colour cameras.

    ``lrgb`` takes luminance where it is there. ``auto`` makes all that there are masters for.

    Raises
    ------
    GraphError
        One is wanted by name that there are no masters for.
    """
    luminance = {"luminance": "L"} if "L" in filters and wanted != "rgb" else {}
    rgb = Combination("lrgb" if luminance else "rgb", "lrgb", {**_COLOURS, **luminance})
    sho = Combination("sho", "sho", _NARROW)
    osc = [Combination("osc" if len(mosaics) == 1 else f"osc-{f}", "osc", {"image": f}) for f in mosaics]
    plain = [f for f in filters if f not in mosaics]

    def there(one: Combination) -> bool:
        return set(one.sources.values()) <= set(plain)

    if wanted == "none":
        return []
    if wanted == "auto":
        return [one for one in (rgb, sho) if there(one)] + osc
    if wanted == "osc" and not osc:
        raise GraphError(f"preprocess: combination osc wants a master of a colour camera, got {', '.join(filters)}")
    if wanted != "osc" and not there(sho if wanted == "sho" else rgb):
        told = {"lrgb": "R, G and B (and L)", "rgb": "R, G and B", "sho": "SII, Ha and OIII"}[wanted]
        raise GraphError(f"preprocess: combination {wanted} wants masters {told}, got {', '.join(filters)}")
    return {"osc": osc, "sho": [sho]}.get(wanted, [rgb])


def add_combination(
    graph: Graph, masters: Mapping[str, Node], prefix: str, made: Combination, pictures: Sequence[Picture] = PICTURES
) -> None:
    """Add the nodes of a recipe to *graph*, fed by *masters* (filter -> node) instead of files.

    All masters are cropped to what each of them covers. A source that is not wanted, such as luminance, is left out
    with what hangs on it, and so are files that are not among *pictures*. *prefix* goes before the names of nodes and
    files.
    """
    recipe = load_recipe(made.recipe)
    linked = {node: masters[f].output().link for node, f in made.sources.items()}
    absent = {i.node for i in recipe.inputs.values()} - set(linked)
    needed = _behind(recipe, [f"write-{p}" for p in pictures])
    skipped = {*linked, *absent, *(n for n in recipe if n not in needed), *(f"crop-{n}" for n in absent)}
    used = [masters[f] for f in made.sources.values()]
    own = _Names(f"combine-{prefix}" if made.recipe == "lrgb" else f"{made.kind}-{prefix}")
    crops: list[Node] = []
    for name in recipe.order():
        if name in skipped:
            continue
        spec = recipe.spec(name)
        if spec.process == "geometry.crop":
            master = masters[made.sources[name.removeprefix("crop-")]]
            _add_crop(graph, own(name), master, used, crops)
            continue
        params = dict(spec.params)
        if spec.process == "io.write_image":
            params["path"] = f"{prefix}{params['path'].replace(made.recipe, made.kind)}"
        graph.insert(replace(spec, name=own(name), params=params), _moved(recipe.feeds(name), linked, skipped, own))
    graph.outputs += [own(name) for name in recipe.outputs if name in needed]


def _behind(recipe: Graph, names: Sequence[str]) -> set[str]:
    """Return *names* and all nodes that they depend on."""
    found, todo = set(names), list(names)
    while todo:
        for feed in recipe.feeds(todo.pop()).values():
            linked = {link.node for link in ([feed] if isinstance(feed, Link) else feed)}
            todo += linked - found
            found |= linked
    return found


@dataclass(frozen=True, slots=True)
class _Names:
    """Names of a recipe's nodes in the graph."""

    prefix: str

    def __call__(self, name: str) -> str:
        return f"{self.prefix}{name}"


def _add_crop(graph: Graph, name: str, master: Node, used: Sequence[Node], crops: list[Node]) -> None:
    """Add the crop of one master to what all of them cover; the first finds it, the others follow."""
    if crops:
        how: dict[str, Any] = {"crop": crops[0].output("crop")}
    else:
        how = {"coverage": [m.output("weight") for m in used]}
    crops.append(graph.add("AutoCrop", name=name, image=master, **how))


def _moved(feeds: Feeds, linked: Mapping[str, Link], skipped: set[str], own: _Names) -> Feeds:
    def moved(link: Link) -> Link:
        return linked.get(link.node) or Link(own(link.node), link.port)

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
