"""The graph that users build, save and load: the engine's graph with its document."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..engine import graph as engine
from ..engine.errors import EngineError, GraphError, UnknownProcessError
from ..engine.graph import Feeds, Link, Node, NodeSpec
from ..engine.params import Spec
from ..engine.region import Box
from ..engine.report import Report
from . import format as file_format
from .schema import FORMAT, VERSION, Document, checked_document, checked_value, split_link

PathText = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A file that a graph asks for by name: it becomes parameter *param* of *node*."""

    name: str
    node: str
    param: str
    optional: bool = False
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value that a graph offers by name: it becomes every parameter in *sets*, (node, parameter) pairs."""

    name: str
    sets: tuple[tuple[str, str], ...]
    doc: str = ""


class Graph(engine.Graph):
    """A directed acyclic graph of nodes that can be saved, loaded and given its inputs by name.

    Building one touches no pixel and opens no file.

    Attributes
    ----------
    inputs
        Files that the graph asks for by name; see `bind`.
    settings
        Values that it offers by name; see `adjust`.
    layout
        Where nodes stand on a canvas, by name; has no say in what is computed.
    doc
        What the graph is for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inputs: dict[str, Input] = {}
        self.settings: dict[str, Setting] = {}
        self.layout: dict[str, tuple[float, float]] = {}
        self.doc: str = ""

    # -- building ---------------------------------------------------------------------------------

    def insert(self, spec: NodeSpec, feeds: Feeds) -> Node:
        return super().insert(_plain(spec), feeds)

    def set(self, node: str, param: str, value: Any) -> None:
        super().set(node, param, _frozen(checked_value(value, f"node '{node}', {param}")))

    def replace(self, spec: NodeSpec) -> None:
        super().replace(_plain(spec))

    def remove(self, node: str) -> None:
        super().remove(node)
        self.layout.pop(node, None)
        self.inputs = {k: i for k, i in self.inputs.items() if i.node != node}
        kept = {k: replace(s, sets=tuple(t for t in s.sets if t[0] != node)) for k, s in self.settings.items()}
        self.settings = {k: s for k, s in kept.items() if s.sets}

    def copy(self) -> Graph:
        made = Graph()
        made.folder, made.outputs = self.folder, list(self.outputs)
        made._g = self._g.copy()
        made.inputs, made.settings = dict(self.inputs), dict(self.settings)
        made.layout, made.doc = dict(self.layout), self.doc
        return made

    def bind(self, name: str, path: PathText | Iterable[PathText]) -> None:
        """Give the file (or the files of a series) for the input called *name*, seen from the current folder.

        Raises
        ------
        GraphError
            The graph has no such input.
        ParameterError
            The node that reads it refuses the path.
        """
        if name not in self.inputs:
            raise GraphError(f"the graph has no input '{name}'; it has {_names(self.inputs)}")
        item = self.inputs[name]
        one = isinstance(path, str | os.PathLike)
        paths = [os.fspath(path)] if isinstance(path, str | os.PathLike) else [os.fspath(p) for p in path]
        # Paths in a graph are seen from its own folder; these are meant from here.
        paths = [p if not p or self.folder is None else os.path.abspath(p) for p in paths]
        spec = self.spec(item.node).find().params.get(item.param)
        self.set(item.node, item.param, paths[0] if one and takes_one(spec) else tuple(paths))

    def adjust(self, name: str, value: Any) -> None:
        """Give *value* to every parameter behind the setting called *name*; all are changed, or none.

        Raises
        ------
        GraphError
            The graph has no such setting.
        ParameterError
            A node refuses the value.
        """
        if name not in self.settings:
            raise GraphError(f"the graph has no setting '{name}'; it has {_names(self.settings)}")
        before = [self.spec(node) for node, _ in self.settings[name].sets]
        try:
            for node, param in self.settings[name].sets:
                self.set(node, param, value)
        except EngineError:
            for spec in before:
                super().replace(spec)
            raise

    # -- running ----------------------------------------------------------------------------------

    def run(
        self, targets: Iterable[str] | None = None, *, provenance: bool = True, private: bool = False, **options: Any
    ) -> Report:
        """Run the graph: write the outputs of all sinks (or make *targets*), measuring what is needed on the way.

        Parameters
        ----------
        provenance
            Whether every output holds the graph that made it, with keys, digests of its sources and versions. It
            has no say in what is computed.
        private
            Whether outputs keep to themselves where they were made: folders, site and observer.
        options
            See `lerarlink.engine.run.run`.
        """
        from .provenance import signer, unsigned

        if provenance:
            options.setdefault("sign", signer(self, private=private))
        elif private:
            options.setdefault("sign", unsigned)
        return super().run(targets, **options)

    # -- documents --------------------------------------------------------------------------------

    def to_document(self) -> Document:
        """Return the graph as plain data: text, numbers, lists and dicts, in canonical order.

        Equal graphs have equal documents, and every document that is returned can be loaded.
        """
        return checked_document(
            {
                "format": FORMAT,
                "version": VERSION,
                "doc": self.doc,
                "inputs": [
                    {"name": i.name, "node": i.node, "param": i.param, "optional": i.optional, "doc": i.doc}
                    for i in self.inputs.values()
                ],
                "settings": [
                    {"name": s.name, "sets": [f"{n}.{p}" for n, p in s.sets], "doc": s.doc}
                    for s in self.settings.values()
                ],
                "nodes": [self._node_document(self.spec(n)) for n in self],
                "outputs": self.outputs,
                "layout": {n: list(at) for n, at in self.layout.items()},
            }
        )

    def _node_document(self, spec: NodeSpec) -> Document:
        made: Document = {"name": spec.name, "process": spec.process, "version": spec.version}
        made["params"] = dict(spec.params)
        made["feeds"] = {
            port: str(feed) if isinstance(feed, Link) else [str(link) for link in feed]
            for port, feed in self.feeds(spec.name).items()
        }
        if spec.region is not None:
            made["region"] = list(spec.region)
        return made

    @classmethod
    def from_document(cls, document: object) -> Graph:
        """Return the graph of *document*, which is checked first. Processes need not be installed.

        Raises
        ------
        GraphError
            The document breaks a rule; says where.
        """
        found = checked_document(file_format.migrated(document))
        made = cls()
        made.doc = found.get("doc", "")
        for node in found["nodes"]:
            made.insert(_spec(node), {})
        # All nodes first: a link to one that comes later would put it out of its place.
        for node in found["nodes"]:
            for port, feed in node.get("feeds", {}).items():
                links = _link(feed) if isinstance(feed, str) else tuple(_link(f) for f in feed)
                made.link(links, node["name"], port)
        made.outputs = list(found.get("outputs", ()))
        made.layout = {n: (x, y) for n, (x, y) in found.get("layout", {}).items()}
        made.inputs = {i["name"]: Input(**i) for i in found.get("inputs", ())}
        made.settings = {
            s["name"]: Setting(**{**s, "sets": tuple(split_link(t) for t in s["sets"])})
            for s in found.get("settings", ())
        }
        return made

    # -- files ------------------------------------------------------------------------------------

    def save(self, path: PathText) -> None:
        """Write the graph to *path*: ``.lerar`` (MessagePack), ``.yaml`` or ``.json``; whole or not at all.

        Relative paths of inputs are rewritten so that they name the same files seen from the folder of *path*.
        """
        target = Path(path)
        file_format.write(target, _seen_from(self, os.path.abspath(target.parent)).to_document())

    @classmethod
    def load(cls, path: PathText, roots: Iterable[PathText] | None = None) -> Graph:
        """Return the graph in *path*. No code is run, and no file but *path* is opened.

        Parameters
        ----------
        path
            A file that `save` wrote, or one written by hand in the same form.
        roots
            Folders in which all files that the graph names must lie; None allows every place.

        Raises
        ------
        SourceError
            The file cannot be read.
        GraphError
            It holds no graph, or one that breaks a rule; or names a file outside *roots*.
        """
        source = Path(path)
        made = cls.from_document(file_format.read(source))
        made.folder = os.path.abspath(source.parent)
        if roots is not None:
            _check_roots(made, [Path(r).resolve() for r in roots])
        return made


def _plain(spec: NodeSpec) -> NodeSpec:
    """Return *spec* with parameters as documents hold them, lists as tuples, so that saving loses nothing."""
    params = {k: _frozen(checked_value(v, f"node '{spec.name}', {k}")) for k, v in spec.params.items()}
    return replace(spec, params=params)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


def _spec(node: Mapping[str, Any]) -> NodeSpec:
    region = node.get("region")
    return NodeSpec(
        name=node["name"],
        process=node["process"],
        version=node["version"],
        params=node.get("params", {}),
        region=None if region is None else Box(*region),
    )


def _link(text: str) -> Link:
    return Link(*split_link(text))


def _names(of: Mapping[str, Any]) -> str:
    return ", ".join(f"'{n}'" for n in of) or "none"


def takes_one(spec: Spec | None) -> bool:
    return spec is None or spec.type is str


def file_params(spec: NodeSpec) -> list[tuple[Spec, tuple[str, ...]]]:
    """Return the parameters of *spec* that name files, and the files; none where the process is not installed."""
    try:
        declared = spec.find().params.values()
    except UnknownProcessError:
        return []
    found = []
    for param in declared:
        value = spec.params.get(param.name)
        files = value if isinstance(value, tuple) else (value,)
        if param.file and value and all(isinstance(f, str) for f in files):
            found.append((param, files))
    return found


def _seen_from(graph: Graph, folder: str) -> Graph:
    """Return *graph* with relative input paths as they are seen from *folder*."""
    here = os.path.abspath(graph.folder or os.curdir)
    if here == folder:
        return graph
    made = graph.copy()
    for name in graph:
        spec = graph.spec(name)
        changed = {
            param.name: _moved(spec.params[param.name], here, folder)
            for param, _ in file_params(spec)
            if param.file == "input"
        }
        if changed:
            made.replace(replace(spec, params={**spec.params, **changed}))
    return made


def _moved(value: Any, here: str, folder: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_moved(v, here, folder) for v in value)
    if not isinstance(value, str) or not value or os.path.isabs(value):
        return value
    whole = os.path.join(here, value)
    try:
        return os.path.relpath(whole, folder)
    except ValueError:  # on another drive there is no way from here to there
        return whole


def _check_roots(graph: Graph, roots: list[Path]) -> None:
    for name in graph:
        for param, files in file_params(graph.spec(name)):
            # Inputs are seen from the graph's folder, outputs from the current one, as when it runs.
            base = Path(graph.folder or "") if param.file == "input" else Path()
            for file in files:
                place = (base / file).resolve()
                if not any(place.is_relative_to(root) for root in roots):
                    raise GraphError(
                        f"node '{name}', {param.name}: {place} lies outside of {', '.join(map(str, roots))}"
                    )
