"""LEARN links: a region is measured, and parameters of another node follow what was found, by a named recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..engine.errors import GraphError, ParameterError
from ..engine.graph import Graph as Nodes
from ..engine.graph import Link
from ..engine.links.parameter import ParameterLink
from ..engine.registry import find
from .document import Graph
from .learning_recipes import RECIPES, Recipe

_LEARN = "measure.learn_link"
_MEASURING = (_LEARN, "measure.measure_region")


class Region(NamedTuple):
    """What is measured.

    Attributes
    ----------
    area
        The shapes, as process Region reads them.
    image
        Name of the node whose image is measured; empty: what comes into the node that learns.
    anchor
        Name of the node in whose pixels the area is given; empty: the image itself.
    stars
        Name of a node that gives stars, for the shape stars.
    psf_fallback
        See MeasureRegion.
    mask
        Name of a node whose image tells which samples count: the white ones. Empty: all of them.
    """

    area: str
    image: str = ""
    anchor: str = ""
    stars: str = ""
    psf_fallback: str = "none"
    mask: str = ""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was added to a graph.

    Attributes
    ----------
    recipe
        Its name.
    measuring
        The nodes that measure: that of the region, and that of the second one.
    node
        The node whose parameters follow.
    added
        All new nodes.
    links
        Parameter -> expression.
    """

    recipe: str
    measuring: tuple[str, ...]
    node: str
    added: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)


def learn(
    graph: Graph, recipe: str, region: Region, to: str, *, second: Region | None = None, name: str = "learn"
) -> Learnt:
    """Let parameters of node *to* follow what is measured in a region.

    Where *to* has no such parameters, a node that has them is put behind it: what was fed by it is fed by that one.

    Parameters
    ----------
    graph
        Is changed in place; as it was, where this fails.
    second
        The other region of recipes that compare two, such as the white one; default: the same. Its image is the
        reference of recipes that compare two images, such as linear-fit.
    name
        Of the measuring node; one that measures the same region already is used again.

    Raises
    ------
    GraphError
        There is no such node, it has no parameter that the recipe sets, or what is measured is made of it.
    ParameterError
        There is no such recipe; the region cannot be read.
    """
    chosen = _recipe(recipe)
    after = graph.copy()
    node, links = _target(after, chosen, to, [n for one in (region, second) if one for n in (one.stars, one.mask) if n])
    added = [node] if node not in graph else []
    before = _before(after, node)
    names = []
    if chosen.line:
        names = [_between(after, chosen, region, second, before, name)] * 2
    else:
        for part, one in (("", region), ("-second", second or region)):
            image = Link(one.image, _image_port(after, one.image)) if one.image else before
            names.append(_measuring(after, one, _single(after, chosen, image), f"{name}{part}"))
    added += [n for n in after if n not in graph and n not in added]
    told = {p: _filled(link, names) for p, link in links.items()}
    for param, link in told.items():
        after.follow(node, param, link)
    after.order()  # refuses circles
    _take_over(graph, after)
    return Learnt(recipe, tuple(dict.fromkeys(names)), node, tuple(added), {p: x.expr for p, x in told.items()})


def _recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise ParameterError(f"learn: there is no recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]


def _filled(link: ParameterLink, names: list[str]) -> ParameterLink:
    m, second = (n.replace("-", "_") for n in names)
    return replace(link, expr=link.expr.format(m=m, w=second))


# -- who learns -----------------------------------------------------------------------------------------------


def _target(
    graph: Graph, recipe: Recipe, to: str, told_by: list[str]
) -> tuple[str, Mapping[str, ParameterLink]]:
    """Return the node whose parameters follow, made where there is none, and its links.

    *told_by* are the nodes that tell stars and masks of what is measured: they come before it.
    """
    process = graph.spec(to).process
    if process in recipe.sets:
        return to, recipe.sets[process]
    if not recipe.inserts:
        raise GraphError(
            f"recipe '{recipe.name}' sets parameters of {', '.join(find(p).__name__ for p in recipe.sets)}; "
            f"node '{to}' is a {find(process).__name__}"
        )
    return _put_behind(graph, to, recipe, told_by), recipe.sets[recipe.inserts]


def _put_behind(graph: Graph, to: str, recipe: Recipe, told_by: list[str]) -> str:
    stay = set(graph.order(told_by)) if told_by else set()
    name = _free(graph, f"{to}-{recipe.name}")
    source = Link(to, _image_port(graph, to))
    # What measures for something goes with it, so that corrections come one after the other; what only measures stays.
    # So do masks and stars by which it is measured: moved behind, they would be made of what they tell.
    users = [
        (user, port)
        for link, user, port in graph.links()
        if link == source and user not in stay and not _only_measures(graph, user)
    ]
    made = graph.add(recipe.inserts, name=name, image=graph[to].output(source.port)).name
    port = _image_port(graph, made)
    for user, at in users:
        feed = graph.feeds(user)[at]
        several = (feed,) if isinstance(feed, Link) else feed
        moved = tuple(Link(made, port) if link == source else link for link in several)
        graph.link(moved[0] if isinstance(feed, Link) else moved, user, at)
    graph.outputs = [made if n == to else n for n in graph.outputs]
    return made


def _only_measures(graph: Graph, node: str) -> bool:
    """Return whether a node measures a region, and nothing follows it."""
    return graph.spec(node).process in _MEASURING and node in graph.ends()


def _image_port(graph: Nodes, node: str) -> str:
    for port in graph.spec(node).find().outputs:
        if port.is_image:
            return port.name
    raise GraphError(f"node '{node}' ({graph.spec(node).find().__name__}) gives no image that could be measured")


def _before(graph: Graph, node: str) -> Link:
    """Return the image that comes into a node first."""
    feeds = graph.feeds(node)
    for port in graph.spec(node).find().inputs:
        if port.is_image and port.name in feeds:
            feed = feeds[port.name]
            return feed if isinstance(feed, Link) else feed[0]
    raise GraphError(f"no image is linked to node '{node}'; say which one is to be measured")


# -- who measures ---------------------------------------------------------------------------------------------


def _measuring(graph: Graph, region: Region, image: Link, name: str) -> str:
    """Return the node that measures a region, made where there is none yet."""
    feeds = _feeds(graph, region, image)
    wanted: dict[str, Any] = {"area": region.area, "psf_fallback": region.psf_fallback}
    for node in graph:
        spec = graph.spec(node)
        # One that was added by hand serves as well.
        if spec.process == "measure.measure_region" and graph.feeds(node) == feeds and not graph.links_of(node):
            built = spec.build()
            if all(getattr(built, k) == v for k, v in wanted.items()):
                return node
    return _made(graph, _LEARN, name, feeds, wanted | {"mode": "relearn"})


def _feeds(graph: Graph, region: Region, image: Link) -> dict[str, Any]:
    feeds = {"image": image}
    if region.anchor:
        feeds["anchor"] = Link(region.anchor, _image_port(graph, region.anchor))
    if region.stars:
        feeds["catalogue"] = Link(region.stars, "stars")
    if region.mask:
        feeds["mask"] = Link(region.mask, _image_port(graph, region.mask))
    return feeds


def _between(graph: Graph, recipe: Recipe, region: Region, second: Region | None, before: Link, name: str) -> str:
    """Return the node that measures the line between two images in a region, made where there is none yet."""
    if second is None or not second.image:
        raise ParameterError(f"recipe '{recipe.name}' wants the image that is the reference: name its node")
    image = Link(region.image, _image_port(graph, region.image)) if region.image else before
    feeds = _feeds(graph, region, image) | {"reference": Link(second.image, _image_port(graph, second.image))}
    return _made(graph, "measure.region_line", name, feeds, {"area": region.area})


def _single(graph: Graph, recipe: Recipe, image: Link) -> Link:
    """Return the image that is measured: of a series one that the recipe's process makes of it."""
    if not recipe.through:
        return image
    node = _made(graph, recipe.through, f"{image.node}-{recipe.name}", {"frames": (image,)}, {})
    return Link(node, _image_port(graph, node))


def _made(graph: Graph, process: str, name: str, feeds: dict[str, Any], params: dict[str, Any]) -> str:
    """Return the node of a process with these feeds and parameters, added where there is none."""
    for node in graph:
        spec = graph.spec(node)
        if spec.process == process and graph.feeds(node) == feeds and not graph.links_of(node):
            built = spec.build()
            if all(getattr(built, k) == v for k, v in params.items()):
                return node
    linked: dict[str, Any] = {
        port: graph[feed.node].output(feed.port)
        if isinstance(feed, Link)
        else [graph[one.node].output(one.port) for one in feed]
        for port, feed in feeds.items()
    }
    return graph.add(process, name=_free(graph, name), **linked, **params).name


def _free(graph: Graph, name: str) -> str:
    found, n = name, 2
    while found in graph:
        found, n = f"{name}-{n}", n + 1
    return found


def _take_over(graph: Graph, after: Graph) -> None:
    """Put what a changed copy holds into the graph itself."""
    graph.__dict__.update(after.__dict__)
