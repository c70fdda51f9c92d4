"""A graph as a Python program that builds it again."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import keyword
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ...engine.errors import EngineError, GraphError, UnknownProcessError
from ...engine.graph import MASK, Feeds, Link, Node, NodeSpec
from ...engine.links.parameter import ParameterLink, Taken, TakenFrame
from ...engine.process import Process
from ..document import Graph

_WIDE = 110
_TAKEN = {"g", "ll", "Path", "Input", "Setting", "Link", "NodeSpec", "ParameterLink", "Taken", "TakenFrame", "build"}
# Words of Graph.add that are no parameters.
_OF_ADD = {"name", MASK, "region", "self"}
_FIELDS = {"format", "version", "doc", "packs", "inputs", "settings", "variables", "nodes", "outputs", "layout"}
_NODE_FIELDS = {"name", "process", "version", "note", "tags", "params", "links", "feeds", "region"}


def to_script(graph: Graph, folder: str | os.PathLike[str] | None = None) -> str:
    """Return a program whose ``build()`` returns this graph, and which runs it when it is started.

    The graph it builds has the same document, hence the same keys. Nothing of the graph is run to write it.

    Parameters
    ----------
    graph
        A graph without circles; processes that are not installed are written as they stand in the document.
    folder
        Where the program will lie. Relative paths in the graph are seen from the graph's own folder; the program
        finds that one from its own. None: they are seen from where the program is started.

    Raises
    ------
    GraphError
        Links run in a circle or from nowhere, or the document holds what a program could not say.
    """
    document = graph.to_document(flat=True)
    _check_fields(document)
    writer = _Writer(graph)
    lines = [writer.node(name) for name in graph.order()]
    extras = [*_inputs(graph), *_settings(graph), *_links(graph), *_rest(graph)]
    whole = "\n".join([*lines, *extras])
    found_from = _folder(graph, folder)
    return "\n".join(
        [_heading(graph), *_imports(whole, found_from), "", "", "def build() -> ll.Graph:",
         '    """Return the graph; nothing is opened or computed yet."""', "    g = ll.Graph()", *found_from,
         *([f"    g.doc = {_literal(graph.doc)}"] if graph.doc else []), whole, "    return g", "", "",
         'if __name__ == "__main__":', "    for path in build().run().written:", "        print(path)", ""]
    )  # fmt: skip


def _check_fields(document: Mapping[str, Any]) -> None:
    """Refuse what this writer does not know of, rather than lose it."""
    unknown = sorted(set(document) - _FIELDS)
    unknown += sorted({f for node in document["nodes"] for f in node} - _NODE_FIELDS)
    if unknown:
        raise GraphError(f"export script: the graph holds {', '.join(unknown)}, which a program cannot say")


class _Writer:
    """Writes nodes, each after those that feed it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names = _identifiers(graph)

    def node(self, name: str) -> str:
        spec, feeds = self.graph.spec(name), self.graph.feeds(name)
        process = _addable(spec, feeds)
        if process is None:
            return self._inserted(spec, feeds)
        words = {"name": _literal(name)}
        words |= {port: self._feed(feed) for port, feed in feeds.items()}
        words |= {key: _literal(value) for key, value in spec.params.items()}
        if spec.region is not None:
            words["region"] = repr(tuple(spec.region))
        line = f"    {self.names[name]} = "
        return line + _call("g.add", [_literal(process.__name__)], words, len(line))

    def _inserted(self, spec: NodeSpec, feeds: Feeds) -> str:
        """Return a node as the document has it: its process is not here, or something is still to be given."""
        words = {"name": _literal(spec.name), "process": _literal(spec.process), "version": repr(spec.version)}
        words["params"] = _literal(dict(spec.params))
        if spec.region is not None:
            words["region"] = f"Box{tuple(spec.region)!r}"
        told = ", ".join(f"{_literal(port)}: {_plain_feed(feed)}" for port, feed in feeds.items())
        made = _call("NodeSpec", [], words, 8)
        return f"    {self.names[spec.name]} = g.insert(\n        {made},\n        {{{told}}},\n    )"

    def _feed(self, feed: Link | tuple[Link, ...]) -> str:
        if isinstance(feed, Link):
            return self._link(feed)
        return f"[{', '.join(map(self._link, feed))}]"

    def _link(self, link: Link) -> str:
        name = self.names[link.node]
        try:
            outputs = self.graph.spec(link.node).find().outputs
        except UnknownProcessError:
            return _plain_feed(link)
        if outputs and outputs[0].name == link.port:
            return name
        if not any(p.name == link.port for p in outputs):
            return _plain_feed(link)
        usable = link.port.isidentifier() and not keyword.iskeyword(link.port) and not hasattr(Node, link.port)
        return f"{name}.{link.port}" if usable else f"{name}.output({_literal(link.port)})"


def _addable(spec: NodeSpec, feeds: Feeds) -> type[Process] | None:
    """Return the process if `Graph.add` would make just this node."""
    try:
        spec.build()
        process = spec.find()
    except EngineError:
        return None
    from ...engine import registry

    ports = {p.name: p for p in process.inputs}
    fitting = all(
        port == MASK or (port in ports and (isinstance(feed, Link) or ports[port].many)) for port, feed in feeds.items()
    )
    words = [*spec.params, *(p for p in feeds if p != MASK)]
    sayable = not any(w in _OF_ADD or keyword.iskeyword(w) or not w.isidentifier() for w in words)
    own = not any(p in ports for p in spec.params) and not isinstance(feeds.get(MASK), tuple)
    try:
        same = registry.find(process.__name__) is process
    except UnknownProcessError:
        same = False
    return process if fitting and sayable and own and same and spec.version == process.version else None


def _plain_feed(feed: Link | tuple[Link, ...]) -> str:
    if isinstance(feed, Link):
        return f"Link({_literal(feed.node)}, {_literal(feed.port)})"
    return f"({''.join(_plain_feed(link) + ', ' for link in feed)})"


def _identifiers(graph: Graph) -> dict[str, str]:
    """Return a Python name for every node."""
    found: dict[str, str] = {}
    taken = set(_TAKEN)
    for node in graph:
        name = "".join(c if c.isalnum() else "_" for c in node)
        if keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name):
            name += "_"
        while name in taken:
            name += "_"
        taken.add(name)
        found[node] = name
    return found


# -- the rest of the document ---------------------------------------------------------------------------


def _inputs(graph: Graph) -> list[str]:
    found = []
    for item in graph.inputs.values():
        words = {"name": _literal(item.name), "node": _literal(item.node), "param": _literal(item.param)}
        words |= {"optional": "True"} if item.optional else {}
        words |= {"doc": _literal(item.doc)} if item.doc else {}
        line = f"    g.inputs[{_literal(item.name)}] = "
        found.append(line + _call("Input", [], words, len(line)))
    return found


def _settings(graph: Graph) -> list[str]:
    found = []
    for item in graph.settings.values():
        words = {"name": _literal(item.name), "sets": _literal(item.sets)}
        words |= {"doc": _literal(item.doc)} if item.doc else {}
        line = f"    g.settings[{_literal(item.name)}] = "
        found.append(line + _call("Setting", [], words, len(line)))
    return found


def _links(graph: Graph) -> list[str]:
    """Return what parameters follow, and the variables that expressions read."""
    found = []
    for (node, param), link in sorted(graph.parameter_links.items()):
        words = _set_fields(link)
        if link.taken is not None:
            words["taken"] = _taken(link.taken)
        line = f"    g.parameter_links[{_literal(node)}, {_literal(param)}] = "
        found.append(line + _call("ParameterLink", [], words, len(line)))
    return found + ([f"    g.variables = {_literal(dict(graph.variables))}"] if graph.variables else [])


def _taken(taken: Taken) -> str:
    words = _set_fields(taken)
    if taken.frames:
        frames = [f"TakenFrame({_words(_set_fields(one))})" for one in taken.frames]
        words["frames"] = f"({', '.join(frames)},)"
    return f"Taken({_words(words)})"


def _words(of: Mapping[str, str]) -> str:
    return ", ".join(f"{k}={v}" for k, v in of.items())


def _set_fields(of: ParameterLink | Taken | TakenFrame) -> dict[str, str]:
    """Return the fields of a link that are not at their default, as literals; what has fields itself is left out."""
    fields = [f for f in dataclasses.fields(of) if f.name not in ("taken", "frames")]
    return {f.name: _literal(value) for f in fields if (value := getattr(of, f.name)) != f.default}


def _rest(graph: Graph) -> list[str]:
    outputs = [f"    g.outputs = {_literal(graph.outputs)}"] if graph.outputs else []
    places = "".join(f"\n        {_literal(name)}: {place!r}," for name, place in graph.layout.items())
    return [*outputs, *_said(graph), *([f"    g.layout = {{{places}\n    }}"] if places else [])]


def _said(graph: Graph) -> list[str]:
    """Return named outputs, the packs that the graph was made with, notes and tags."""
    found = []
    for output in graph.named_outputs.values():
        words = {"name": _literal(output.name), "node": _literal(output.node), "port": _literal(output.port)}
        words |= {"doc": _literal(output.doc)} if output.doc else {}
        line = f"    g.named_outputs[{_literal(output.name)}] = "
        found.append(line + _call("NamedOutput", [], words, len(line)))
    for pack in graph.packs.values():
        line = f"    g.packs[{_literal(pack.name)}] = "
        words = {"name": _literal(pack.name), "version": _literal(pack.version), "processes": _literal(pack.processes)}
        found.append(line + _call("Pack", [], words, len(line)))
    found += [f"    g.notes[{_literal(n)}] = {_literal(note)}" for n, note in graph.notes.items()]
    return found + [f"    g.tags[{_literal(n)}] = {_literal(tags)}" for n, tags in graph.tags.items()]


def _folder(graph: Graph, folder: str | os.PathLike[str] | None) -> list[str]:
    """Return the line that says from where relative paths are seen."""
    if graph.folder is None or folder is None:
        return []
    try:
        way = os.path.relpath(graph.folder, folder).replace(os.sep, "/")
    except ValueError:  # on another drive there is no way from here to there
        return [f"    g.folder = {graph.folder!r}"]
    return [f"    g.folder = str(Path(__file__).resolve().parent{'' if way == '.' else f' / {_literal(way)}'})"]


def _heading(graph: Graph) -> str:
    return f'"""A graph of {len(graph)} nodes, written by lerar export script. Running it runs the graph."""\n'


def _imports(whole: str, folder: list[str]) -> list[str]:
    lines = ["from pathlib import Path\n"] if any("Path(" in line for line in folder) else []
    lines.append("import lerarlink as ll")
    engine = [n for n in ("Link", "NodeSpec") if f"{n}(" in whole]
    lines += [f"from lerarlink.engine.graph import {', '.join(engine)}"] if engine else []
    links = [n for n in ("ParameterLink", "Taken", "TakenFrame") if f"{n}(" in whole]
    lines += [f"from lerarlink.engine.links.parameter import {', '.join(links)}"] if links else []
    lines += ["from lerarlink.engine.region import Box"] if "Box(" in whole else []
    graphs = [n for n in ("Input", "NamedOutput", "Pack", "Setting") if f"= {n}(" in whole]
    lines += [f"from lerarlink.graphs.document import {', '.join(graphs)}"] if graphs else []
    return lines


def _call(function: str, first: Iterable[str], words: Mapping[str, str], before: int = 4) -> str:
    """Return a call on one line, or with a line for each argument where it would be too long.

    *before* is what stands before it on its line; its rest begins where the statement does.
    """
    arguments = [*first, *(f"{k}={v}" for k, v in words.items())]
    line = f"{function}({', '.join(arguments)})"
    if len(line) + before <= _WIDE:
        return line
    indent = " " * (before if function == "NodeSpec" else 4)
    return f"{function}(\n" + "".join(f"{indent}    {_split(a, indent)},\n" for a in arguments) + f"{indent})"


def _split(argument: str, indent: str) -> str:
    """Return an argument; a long list of files with a line for each."""
    if len(argument) + len(indent) <= _WIDE or not argument.startswith("paths=("):
        return argument
    found = ast.literal_eval(argument.removeprefix("paths="))
    return "paths=(\n" + "".join(f"{indent}        {_literal(f)},\n" for f in found) + f"{indent}    )"


def _literal(value: Any) -> str:
    """Return plain data as Python writes it, text in double quotes where that is possible."""
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text and "\\'" not in text else text
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in value.items())}}}"
    return repr(value)
