"""The links of a matching, or of a graph that was made of one, shown as text, picture, page or data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...engine.errors import ParameterError
from ...engine.graph import Graph, Link
from .. import walk
from . import links_page, links_text
from .differences import differences
from .group import Group, Rules, named
from .match import FrameLink, LeftOut, Matching, Role, links_of, reason_of
from .records import FrameRecord

FORMATS = ("ascii", "svg", "html", "json")


def show(matching: Matching, format: str = "ascii") -> str:
    """Return the links of *matching*: which frames serve which, why, and what is missing.

    Raises
    ------
    ParameterError
        There is no such format.
    """
    if format not in FORMATS:
        raise ParameterError(f"links: format must be one of {', '.join(FORMATS)}, got {format!r}")
    return _SHOW[format](matching)


def report(matching: Matching) -> dict[str, Any]:
    """Return *matching* as plain data for JSON."""
    return {
        "groups": [_group(g) for g in matching.groups],
        "links": [_link(link) for link in matching.links],
        "unresolved": [str(link) for link in matching.broken],
        "left_out": [{"path": item.path, "why": item.why} for item in matching.left_out],
        "notes": list(matching.notes),
    }


def _group(group: Group) -> dict[str, Any]:
    first = group.first
    return {
        "name": group.name,
        "title": group.title,
        "kind": group.kind,
        "master": group.master,
        "width": first.width,
        "height": first.height,
        "binning": list(first.binning),
        "cfa": first.cfa,
        "exposure": group.exposure,
        "temperature": group.temperature,
        **{word: getattr(first, word) for word in ("filter", "gain", "offset", "read_mode", "camera", "object")},
        "nights": list(group.nights),
        "keywords": dict(first.keywords),
        "files": [r.path for r in group.records],
    }


def _link(link: FrameLink) -> dict[str, Any]:
    return {
        "target": link.target.name,
        "role": link.role,
        "status": link.status,
        "source": link.source.name if link.source else None,
        "reason": link.reason,
        "scaled": link.scaled,
        "nearest": link.nearest.name if link.nearest else None,
        "wanted": link.wanted,
        "there": link.there,
        "cure": link.cure.removeprefix("cure: "),
    }


def _json(matching: Matching) -> str:
    return json.dumps(report(matching), indent=1, ensure_ascii=False) + "\n"


_SHOW: dict[str, Callable[[Matching], str]] = {
    "ascii": links_text.draw,
    "svg": links_page.picture,
    "html": links_page.page,
    "json": _json,
}


# -- links of a graph -------------------------------------------------------------------------------

_READERS = {"io.read_series": "paths", "io.read_image": "path"}
CALIBRATION = "calibration.image_calibration"


def files_of(graph: Graph) -> list[str]:
    """Return all files that *graph* reads, each once."""
    return list(dict.fromkeys(path for node in graph for path in paths_of(graph, node)))


def matching_of(graph: Graph, records: Mapping[str, FrameRecord], rules: Rules | None = None) -> Matching:
    """Return what is linked to what in *graph*, judged by the *records* of the files it reads (by path).

    A link that the rules would not have made is told with what differs; a calibration step that has no link is
    unresolved, with the nearest of the frames that the graph reads.
    """
    rules = rules or Rules()
    groups = groups_read(graph, records)
    links = [link for node, group in groups.items() for link in _of_group(graph, node, group, groups, rules)]
    left_out = [LeftOut(p, "its header cannot be read") for p in files_of(graph) if p not in records]
    return Matching(rules=rules, groups=tuple(groups.values()), links=tuple(links), left_out=tuple(left_out))


def paths_of(graph: Graph, node: str) -> tuple[str, ...]:
    """Return the files that a reading node reads; none for other nodes."""
    spec = graph.spec(node)
    value = spec.params.get(_READERS.get(spec.process, ""), ())
    return (value,) if isinstance(value, str) else tuple(value)


def groups_read(graph: Graph, records: Mapping[str, FrameRecord]) -> dict[str, Group]:
    """Return the frames that each reading node reads, in the order of groups; told as their first frame is."""
    found = {}
    for node in graph:
        read = [records[p] for p in paths_of(graph, node) if p in records]
        if read:
            found[node] = replace(Group.of(read), name=node)
    titles = {id(g.first): g for g in named(list(found.values()))}
    place = {id(g.first): i for i, g in enumerate(titles.values())}
    ordered = sorted(found.items(), key=lambda item: place[id(item[1].first)])
    return {node: replace(group, title=titles[id(group.first)].title) for node, group in ordered}


def _of_group(
    graph: Graph, node: str, group: Group, groups: Mapping[str, Group], rules: Rules
) -> Iterator[FrameLink]:
    fed = calibrations(graph).get(node, {})
    sources = {role_at(port, group): groups[reader] for port, reader in fed.items() if reader in groups}
    expected = {link.role: link for link in links_of(group, list(groups.values()), rules)}
    for role, link in expected.items():
        source = sources.get(role)
        if source is not None:
            yield FrameLink(
                target=group, role=role, status="linked", source=source, reason=_judged(group, source, role, rules)
            )
        elif link.status == "linked" and link.source is not None:
            # It would fit, but the graph does not use it.
            yield FrameLink(
                target=group, role=role, status="unresolved", nearest=link.source, wanted="its own",
                there="not linked in the graph", cure=f"cure: link '{link.source.name}', or --without {role}",
            )  # fmt: skip
        else:
            yield link


def _judged(target: Group, source: Group, role: Role, rules: Rules) -> str:
    apart = differences(target, source, role, rules)
    if not apart:
        return reason_of(target, source, role)
    told = ", ".join(f"{d.wanted} is wanted, {d.there} is there" for d in apart)
    return f"although {told}: {source.count}"


def role_at(port: str, target: Group) -> Role:
    """Return what is wanted at *port* of the calibration of *target*."""
    roles: dict[str, Role] = {"dark": "darkflat" if target.kind == "flat" else "dark", "bias": "bias", "flat": "flat"}
    return roles[port]


def calibrations(graph: Graph) -> dict[str, dict[str, str]]:
    """Return for each reading node whose frames are calibrated, by which reading nodes: port -> node."""
    found: dict[str, dict[str, str]] = {}
    for node in graph:
        if graph.spec(node).process != CALIBRATION:
            continue
        readers = {port: reader_of(graph, feed) for port, feed in graph.feeds(node).items()}
        target = readers.pop("image", None)
        if target is not None:
            found.setdefault(target, {}).update({p: r for p, r in readers.items() if r is not None})
    return found


def reader_of(graph: Graph, feed: Link | tuple[Link, ...]) -> str | None:
    """Return the node that reads what comes in by *feed*, going up by the first image input of each node."""
    links: Iterable[Link] = walk.each(feed)
    seen: set[str] = set()
    while link := next(iter(links), None):
        node = link.node
        if node in seen or node not in graph:
            return None
        seen.add(node)
        if graph.spec(node).process in _READERS:
            return node
        feeds = graph.feeds(node)
        links = next((walk.each(feeds[p]) for p in ("image", "images") if p in feeds), ())
    return None
