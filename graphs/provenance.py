"""What every output tells of its making: the whole graph, keys, digests of the sources, versions.

It is one JSON text, the same in every file format. From it the file can be made again (see `replay`), and people
can read it with any tool. It holds no time, so that equal runs write equal files.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..engine import registry
from ..engine.errors import GraphError
from ..engine.evaluation import Evaluation
from ..engine.folders import without_folders
from ..engine.identity import EPOCH, digest
from ..engine.links.references import NodeNames
from ..engine.plan import Absent, Feed, Lowered
from ..engine.process import Provenance
from ..engine.provenance import Origin, Sign
from .document import Graph, file_params
from .link_names import named, text_of
from .parts import frozen
from .preprocess.records import FrameRecord, record_of
from .schema import Document, checked_value, split_link
from .walk import each

FORMAT = "lerarlink provenance"
VERSION = 1

Told = dict[str, Any]
"""The provenance of one output as plain data."""


def signer(graph: Graph, *, private: bool = False) -> Sign:
    """Return what gives each output of a run of *graph* its provenance.

    Parameters
    ----------
    private
        Leave out where files lay: of paths only the names of files are told.
    """
    shared: Told = {}
    _packs()  # some milliseconds that are no part of writing

    def sign(origin: Origin) -> Provenance:
        if not shared:
            shared.update(_of_run(graph, origin, private))
        return provenance_of({**shared, "output": _output(graph, origin)})

    return sign


def unsigned(origin: Origin) -> Provenance:
    """Give an output no provenance, and have nothing told of the site: for runs that are private and no more."""
    return Provenance(private=True)


def provenance_of(told: Told) -> Provenance:
    """Return *told* as it is put into a file: equal texts for equal contents."""
    ordered = {name: told[name] for name in FIELDS}
    data = json.dumps(ordered, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
    return Provenance(data=data, history=tuple(history(told)), private=told["private"])


FIELDS = ("format", "version", "versions", "private", "output", "sources", "roles", "keys", "graph")


# -- what a run knows ---------------------------------------------------------------------------------


def _of_run(graph: Graph, origin: Origin, private: bool) -> Told:
    """Return what is the same for all outputs of one run."""
    evaluation = origin.evaluation
    nodes = [name for name in graph if name in evaluation.plan.outputs]
    return {
        "format": FORMAT,
        "version": VERSION,
        "versions": _versions(graph, nodes),
        "private": private,
        "sources": [one for name in nodes for one in _sources(graph, name, origin)],
        "roles": {name: found for name in nodes if (found := _role(graph, name, evaluation))},
        "keys": {name: key for name in nodes if (key := _node_key(name, origin))},
        "graph": _with_values(told_graph(graph, private), evaluation).to_document(),
    }


def _with_values(graph: Graph, evaluation: Evaluation) -> Graph:
    """Return *graph* with what its parameter links gave beside them, where it was the same for all frames."""
    values: dict[tuple[str, str], list[Any]] = {}
    for one in evaluation.links:
        values.setdefault((one.node, one.param), []).append(one.value)
    for (node, param), found in values.items():
        spec = graph.spec(node)
        told = _told_value(found[0])
        if told is not None and all(v == found[0] for v in found) and not spec.find().params[param].file:
            graph.replace(replace(spec, params={**spec.params, param: told}))
    return graph


def _told_value(value: Any) -> Any:
    """Return a value as documents hold it; None for what they do not hold."""
    try:
        return frozen(checked_value(value, ""))
    except GraphError:
        return None


def _output(graph: Graph, origin: Origin) -> Told:
    step = origin.evaluation.plan.steps[origin.sink]
    feed = next(iter(step.feeds()))
    link = next(one for linked in graph.feeds(step.node).values() for one in each(linked))
    return {
        "node": step.node,
        "image": str(link),
        "index": step.frame,
        "key": f"{origin.evaluation.key(feed.step, origin.content)}.{feed.port}",
    }


def _versions(graph: Graph, nodes: Iterable[str]) -> Told:
    modules = {registry.index().get(graph.spec(name).process, "") for name in nodes}
    used = {pack for pack in _packs() if any(m.startswith(f"{pack[0]}.") for m in modules)}
    return {"lerarlink": __version__, "epoch": EPOCH, "packs": {name: version for _, name, version in sorted(used)}}


@functools.cache
def _packs() -> tuple[tuple[str, str, str], ...]:
    """Return package, distribution and version of all packs of others; looked for once, as processes are."""
    points = importlib.metadata.entry_points(group=registry.GROUP)
    found = ((p.value, p.dist.name, p.dist.version) for p in points if p.dist is not None)
    return tuple(pack for pack in found if pack[1] != "lerarlink")


def _sources(graph: Graph, node: str, origin: Origin) -> Iterator[Told]:
    for param, files in file_params(graph.spec(node)):
        if param.file != "input":
            continue
        for index, path in enumerate(files):
            if path:
                where = Path(_from_root(graph, path))
                yield {
                    "node": node,
                    "param": param.name,
                    "index": index,
                    "name": where.name,
                    "bytes": where.stat().st_size,
                    "digest": origin.content(where),
                }


def _role(graph: Graph, node: str, evaluation: Evaluation) -> Told:
    """Return by what words the files of a reading node are alike; none for other nodes."""
    paths = [p for param, files in file_params(graph.spec(node)) if param.file == "input" for p in files if p]
    feeds = [f for lowered in evaluation.plan.outputs[node].values() for f in flat(lowered)]
    if not paths or len(paths) != len(feeds):
        return {}
    images = {p.name for p in graph.spec(node).find().outputs if p.is_image}
    if not all(f.port in images for f in feeds):
        return {}
    found = [_record(graph, p, evaluation, f) for p, f in zip(paths, feeds, strict=True)]
    return role_of(found)


def _record(graph: Graph, path: str, evaluation: Evaluation, feed: Feed) -> FrameRecord:
    whole = _from_root(graph, path)
    return record_of(whole, evaluation.frame(feed), inside=os.path.join(*Path(whole).parts[-3:]))


def role_of(records: Iterable[FrameRecord]) -> Told:
    """Return the words in which all *records* agree, of those by which frames are told apart."""
    rows = [
        {
            "kind": r.kind,
            "master": r.master,
            "filter": r.filter,
            "exposure": r.exposure,
            "gain": r.gain,
            "binning": list(r.binning),
        }
        for r in records
    ]
    if not rows:
        return {}
    return {k: v for k, v in rows[0].items() if v is not None and all(row[k] == v for row in rows)}


def _node_key(node: str, origin: Origin) -> str:
    """Return the key of a node: of its step, or one made of those of all its steps; empty where it is absent."""
    plan = origin.evaluation.plan
    feeds = [f for lowered in plan.outputs[node].values() for f in flat(lowered)]
    steps = dict.fromkeys([*(f.step for f in feeds), *plan.sinks.get(node, ())])
    keys = [origin.evaluation.key(i, origin.content) for i in steps]
    if len(keys) < 2:
        return keys[0] if keys else ""
    outputs = {
        port: [[origin.evaluation.key(f.step, origin.content), f.port] for f in flat(lowered)]
        for port, lowered in plan.outputs[node].items()
    }
    return digest("node", keys, outputs)


def flat(lowered: Lowered) -> tuple[Feed, ...]:
    """Return the feeds behind an output: one, many for a series, none where it is absent."""
    if isinstance(lowered, Absent):
        return ()
    return (lowered,) if isinstance(lowered, Feed) else lowered


# -- the graph as it is told ----------------------------------------------------------------------------


def told_graph(graph: Graph, private: bool) -> Graph:
    """Return *graph* as outputs tell it: inputs by whole paths (private: by names), outputs by names.

    Output paths begin at the folder that holds them all, which is not told: a graph out of a file never writes
    over what another run made elsewhere.
    """
    made = graph.copy()
    made.dissolve()
    made.folder = None
    if private:
        made.doc = without_folders(made.doc)
    names = _output_names(graph, private)
    for node in graph:
        spec = graph.spec(node)
        changed: Told = {}
        for param, _ in file_params(spec):
            value = spec.params[param.name]
            if param.file == "input":
                changed[param.name] = _mapped(value, lambda p: os.path.basename(p) if private else _from_root(graph, p))
            else:
                changed[param.name] = names[node, param.name]
        if changed:
            made.replace(replace(spec, params={**spec.params, **changed}))
    return made


def _output_names(graph: Graph, private: bool) -> dict[tuple[str, str], str]:
    found = {
        (node, param.name): os.path.abspath(files[0])
        for node in graph
        for param, files in file_params(graph.spec(node))
        if param.file == "output"
    }
    if not found:
        return {}
    if private:
        names = {key: os.path.basename(path) for key, path in found.items()}
        often = Counter(names.values())
        return {key: f"{key[0]}-{name}" if often[name] > 1 else name for key, name in names.items()}
    try:
        common = os.path.commonpath([os.path.dirname(path) for path in found.values()])
    except ValueError:  # on several drives there is none
        return found
    return {key: Path(os.path.relpath(path, common)).as_posix() for key, path in found.items()}


def _from_root(graph: Graph, path: str) -> str:
    return os.path.abspath(os.path.join(graph.folder or "", path))


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_mapped(v, change) for v in value)
    return change(value) if value else value


# -- for people -----------------------------------------------------------------------------------------

# A header of thousands of nodes would be no history any more; the text beside it holds all.
_MOST_NODES = 200
_LONGEST = 210
# Columns of a HISTORY card.
_WIDTH = 72


def history(told: Told) -> Iterator[str]:
    """Yield lines of 72 columns that tell people how an output was made: sources and processes in their order."""
    for line in _sentences(told):
        yield from textwrap.wrap(line, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _sentences(told: Told) -> Iterator[str]:
    output = told["output"]
    yield f"lerarlink {told['versions']['lerarlink']}: how this image was made; LERARLINK holds all of it"
    nodes = {node["name"]: node for node in told["graph"]["nodes"]}
    lines = [_line(nodes[name], told["sources"]) for name in upstream(told["graph"], output["node"])]
    yield from (line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..." for line in lines[:_MOST_NODES])
    if len(lines) > _MOST_NODES:
        yield f"and {len(lines) - _MOST_NODES} more nodes"
    frame = "" if output["index"] is None else f", frame {output['index'] + 1}"
    yield f"{output['image']}{frame}, key {output['key']}"


def _line(node: Document, sources: Iterable[Told]) -> str:
    files = [s for s in sources if s["node"] == node["name"]]
    if files:
        more = f" .. {files[-1]['name']} ({len(files)} files)" if len(files) > 1 else f" xxh3-128 {files[0]['digest']}"
        return f"{node['name']}: {node['process']} {files[0]['name']}{more}"
    feeds = [
        f"{port}={feed if isinstance(feed, str) else '+'.join(feed)}" for port, feed in node.get("feeds", {}).items()
    ]
    links = node.get("links", {})
    params = [
        f"{k}={json.dumps(v)}{f' ({text_of(links[k])})' if k in links else ''}"
        for k, v in node.get("params", {}).items()
    ]
    params += [f"{k} {text_of(link)}" for k, link in links.items() if k not in node.get("params", {})]
    return f"{node['name']}: {node['process']} {' '.join([*feeds, *params])}".rstrip()


def upstream(document: Mapping[str, Any], node: str) -> list[str]:
    """Return *node* and all that it is made of or tuned by, sources first, in a graph document without circles."""
    feeds = {
        n["name"]: [
            split_link(text)[0]
            for feed in n.get("feeds", {}).values()
            for text in ([feed] if isinstance(feed, str) else feed)
        ]
        for n in document["nodes"]
    }
    names = NodeNames(feeds)
    for n in document["nodes"]:
        if "links" in n:
            feeds[n["name"]] += [at.node for at in named(n, names) if at.node != n["name"]]
    made: dict[str, None] = {}
    todo = [(node, iter(feeds[node]))]
    seen = {node}
    while todo:
        name, rest = todo[-1]
        following = next((f for f in rest if f in feeds and f not in seen), None)
        if following is None:
            made[name] = None
            todo.pop()
        else:
            seen.add(following)
            todo.append((following, iter(feeds[following])))
    return list(made)
