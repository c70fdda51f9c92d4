"""The graph that users build, save and load: the engine's graph with its document."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..engine import graph as engine
from ..engine.errors import EngineError, GraphError
from ..engine.graph import Feeds, Link, Node, NodeSpec
from ..engine.links.parameter import ParameterLink as ParameterLink
from ..engine.links.parameter import link_text
from ..engine.params import Spec
from ..engine.region import Box
from ..engine.report import Report
from ..engine.store import Store
from . import format as file_format
from . import subgraph_use
from .packs import Pack as Pack
from .packs import pinned
from .parts import Input as Input
from .parts import NamedOutput as NamedOutput
from .parts import Setting as Setting
from .parts import frozen, input_document, link_document, link_of, output_document, setting_document, setting_of
from .relocation import check_roots, relocated
from .relocation import file_params as file_params
from .schema import FORMAT, VERSION, Document, checked_document, checked_value
from .subgraph_folding import Folded

PathText = str | os.PathLike[str]


class Graph(engine.Graph):
    """A directed acyclic graph of nodes that can be saved, loaded and given its inputs by name.

    Building one touches no pixel and opens no file.

    Attributes
    ----------
    inputs
        Files that the graph asks for by name; see `bind`.
    settings
        Values that it offers by name; see `adjust`.
    named_outputs
        Results that it offers by name; ports of the node that uses the graph as one.
    parameter_links
        What parameters follow: (node, parameter) -> link.
    variables
        Values that expressions read as ``project.NAME``, by name.
    packs
        Packs of others that the graph was made with, by name; see `packs`.
    notes, tags
        What people say of nodes, by name; they have no say in what is computed.
    layout
        Where nodes stand on a canvas, by name; has no say either.
    doc
        What the graph is for.
    file
        Where it was loaded from or saved to last; None where it was neither.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inputs: dict[str, Input] = {}
        self.settings: dict[str, Setting] = {}
        self.named_outputs: dict[str, NamedOutput] = {}
        self.packs: dict[str, Pack] = {}
        self.notes: dict[str, str] = {}
        self.tags: dict[str, tuple[str, ...]] = {}
        self.layout: dict[str, tuple[float, float]] = {}
        self.doc: str = ""
        self.file: str | None = None
        self._folded: Folded | None = None

    # -- building ---------------------------------------------------------------------------------

    def insert(self, spec: NodeSpec, feeds: Feeds) -> Node:
        return super().insert(_plain(spec), feeds)

    def set(self, node: str, param: str, value: Any) -> None:
        if link_text(value) is not None:
            for name, one in self.behind(node, param):
                super().set(name, one, value)
            return
        value = frozen(checked_value(value, f"node '{node}', {param}"))
        if node in self.uses:
            subgraph_use.retune(self, node, param, value)
        else:
            super().set(node, param, value)

    def replace(self, spec: NodeSpec) -> None:
        super().replace(_plain(spec))

    def remove(self, node: str) -> None:
        super().remove(node)
        for said in (self.layout, self.notes, self.tags):
            said.pop(node, None)
        self.inputs = {k: i for k, i in self.inputs.items() if i.node != node}
        self.named_outputs = {k: o for k, o in self.named_outputs.items() if o.node != node}
        kept = {k: replace(s, sets=tuple(t for t in s.sets if t[0] != node)) for k, s in self.settings.items()}
        self.settings = {k: s for k, s in kept.items() if s.sets}

    def rename(self, node: str, name: str) -> None:
        if self._folded and any(node.startswith(f"{use}.") for use in self.uses):
            raise GraphError(f"node '{node}' came out of a saved graph; dissolve the graph first")
        super().rename(node, name)

        def called(one: str) -> str:
            return name if one == node else one

        self.layout = {called(n): at for n, at in self.layout.items()}
        self.notes = {called(n): note for n, note in self.notes.items()}
        self.tags = {called(n): tags for n, tags in self.tags.items()}
        self.inputs = {k: replace(i, node=called(i.node)) for k, i in self.inputs.items()}
        self.named_outputs = {k: replace(o, node=called(o.node)) for k, o in self.named_outputs.items()}
        self.settings = {
            k: replace(s, sets=tuple((called(n), p) for n, p in s.sets)) for k, s in self.settings.items()
        }

    def copy(self) -> Graph:
        made = Graph()
        made._g = self._g.copy()
        made.outputs = list(self.outputs)
        made.parameter_links, made.variables = dict(self.parameter_links), dict(self.variables)
        made.link_values = dict(self.link_values)
        for name in ("inputs", "settings", "named_outputs", "packs", "notes", "tags", "layout"):
            setattr(made, name, dict(getattr(self, name)))
        made.folder, made.doc, made.file, made._folded = self.folder, self.doc, self.file, self._folded
        return made

    def use(self, saved: Graph | PathText, /, *, name: str, **given: Any) -> Node:
        """Use a saved graph as a node; return it, its ports are the outputs of that graph.

        Its nodes become nodes of this graph, called ``name.node``. The saved graph itself is kept in this one: what
        becomes of its file later changes nothing here.

        Parameters
        ----------
        saved
            A graph, or a file of one.
        name
            Unique in this graph.
        given
            By names of its inputs: nodes or outputs to stand in for files, or paths; by names of its settings: values.

        Raises
        ------
        GraphError
            The saved graph has no input or setting of a name, or a name is taken.
        """
        return subgraph_use.use(self, saved if isinstance(saved, Graph) else Graph.load(saved), name, given)

    def dissolve(self) -> None:
        """Forget which nodes came out of saved graphs; they stay in the graph under the names they have."""
        self._folded = None

    @property
    def uses(self) -> list[str]:
        """The nodes that stand for saved graphs. Their nodes are in the graph, they themselves are not."""
        return self._folded.uses if self._folded else []

    def behind(self, node: str, param: str) -> tuple[tuple[str, str], ...]:
        """Return the parameters that one means: itself, or all that one of a saved graph stands for.

        Raises
        ------
        GraphError
            The saved graph has no such input or setting.
        """
        return subgraph_use.behind(self._folded, node, param) if self._folded else ((node, param),)

    def inputs_of_use(self, name: str) -> tuple[Input, ...]:
        """Return the files that the saved graph behind node *name* asks for; none where *name* is no such node."""
        if name not in self.uses or self._folded is None:
            return ()
        return tuple(Input(**i) for i in self._folded.opened.copies[name].graph["inputs"])

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
        self,
        targets: Iterable[str] | None = None,
        *,
        provenance: bool = True,
        private: bool = False,
        noted: str | None = None,
        **options: Any,
    ) -> Report:
        """Run the graph: write the outputs of all sinks (or make *targets*), measuring what is needed on the way.

        Parameters
        ----------
        provenance
            Whether every output holds the graph that made it, with keys, digests of its sources and versions. It
            has no say in what is computed.
        private
            Whether outputs keep to themselves where they were made: folders, site and observer.
        noted
            Under which name the store notes a run that wrote files, for ``lerar log``. Default: the graph's file; of
            a graph that was neither loaded nor saved the script that runs. Empty: it is not noted.
        options
            See `lerarlink.engine.run.run`.
        """
        from .history import name_of_graph, note_run
        from .provenance import signer, unsigned

        if provenance:
            options.setdefault("sign", signer(self, private=private))
        elif private:
            options.setdefault("sign", unsigned)
        asked = None if targets is None else list(targets)
        report = super().run(asked, **options)
        name = name_of_graph(self) if noted is None else noted
        if name and report.written:
            store = options.get("store") or Store()
            note_run(store, self, name, seconds=report.seconds, written=report.written, targets=asked or ())
        return report

    # -- documents --------------------------------------------------------------------------------

    def to_document(self, *, flat: bool = False) -> Document:
        """Return the graph as plain data: text, numbers, lists and dicts, in canonical order.

        Equal graphs have equal documents, and every document that is returned can be loaded.

        Parameters
        ----------
        flat
            Give all nodes as they run, and no saved graphs.
        """
        nodes = [self._node_document(self.spec(n)) for n in self]
        by_name = {n["name"]: n for n in nodes}
        for field, said in (("note", self.notes), ("tags", self.tags)):
            for name, value in said.items():
                if name in by_name:
                    by_name[name][field] = value
        for (name, param), link in self.parameter_links.items():
            by_name[name].setdefault("links", {})[param] = link_document(link)
        packs = pinned({n["process"] for n in nodes}, self.packs)
        found = checked_document(
            {
                "format": FORMAT,
                "version": VERSION,
                "doc": self.doc,
                "packs": [{"name": p.name, "version": p.version, "processes": list(p.processes)} for p in packs],
                "inputs": [input_document(i) for i in self.inputs.values()],
                "settings": [setting_document(s) for s in self.settings.values()],
                "variables": dict(self.variables),
                "nodes": nodes,
                "outputs": [*self.outputs, *(output_document(o) for o in self.named_outputs.values())],
                "layout": {n: list(at) for n, at in self.layout.items()},
            }
        )
        return self._folded.again(found) if self._folded and not flat else found

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
        return cls._of(checked_document(file_format.migrated(document)))

    @classmethod
    def _of(cls, document: Document) -> Graph:
        """Return the graph of a checked document."""
        made = cls()
        made._folded = Folded(document) if "graphs" in document else None
        found = made._folded.flat if made._folded else document
        made.fill((_spec(node), _feeds(node)) for node in found["nodes"])
        made.doc = found.get("doc", "")
        for node in found["nodes"]:
            if "note" in node or "tags" in node or "links" in node:
                made._say(node)
        for item in found.get("outputs", ()):
            if isinstance(item, str):
                made.outputs.append(item)
            else:
                made.named_outputs[item["name"]] = NamedOutput(**item)
        made.layout = {n: (x, y) for n, (x, y) in found.get("layout", {}).items()}
        made.inputs = {i["name"]: Input(**i) for i in found.get("inputs", ())}
        made.settings = {s["name"]: setting_of(s) for s in found.get("settings", ())}
        made.variables = {n: frozen(v) for n, v in found.get("variables", {}).items()}
        made.packs = {p["name"]: Pack(p["name"], p["version"], tuple(p["processes"])) for p in found.get("packs", ())}
        return made

    def _say(self, node: Document) -> None:
        name = node["name"]
        if "note" in node:
            self.notes[name] = node["note"]
        if "tags" in node:
            self.tags[name] = tuple(node["tags"])
        for param, link in node.get("links", {}).items():
            self.parameter_links[name, param] = link_of(link)

    # -- files ------------------------------------------------------------------------------------

    def save(self, path: PathText) -> None:
        """Write the graph to *path*: ``.lerar`` (MessagePack), ``.yaml`` or ``.json``; whole or not at all.

        Relative paths of inputs are rewritten so that they name the same files seen from the folder of *path*.
        """
        target = Path(path)
        file_format.write(target, relocated(self.to_document(), self.folder, os.fspath(target.parent)))
        self.file = os.path.abspath(target)

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
        made = cls._of(file_format.read(source))
        made.folder, made.file = os.path.abspath(source.parent), os.path.abspath(source)
        if roots is not None:
            check_roots(made, [Path(r).resolve() for r in roots])
        return made


def _plain(spec: NodeSpec) -> NodeSpec:
    """Return *spec* with parameters as documents hold them, lists as tuples, so that saving loses nothing."""
    if not spec.params:
        return spec
    params = {k: frozen(checked_value(v, f"node '{spec.name}', {k}")) for k, v in spec.params.items()}
    return replace(spec, params=params)


def _spec(node: Mapping[str, Any]) -> NodeSpec:
    region = node.get("region")
    return NodeSpec(
        name=node["name"],
        process=node["process"],
        version=node["version"],
        params={k: frozen(v) for k, v in node["params"].items()} if "params" in node else {},
        region=None if region is None else Box(*region),
    )


def _feeds(node: Mapping[str, Any]) -> Feeds:
    return {
        port: _link(feed) if isinstance(feed, str) else tuple([_link(f) for f in feed])
        for port, feed in node.get("feeds", _NONE).items()
    }


_NONE: Mapping[str, Any] = {}


def _link(text: str) -> Link:
    node, _, port = text.rpartition(".")
    return Link(node, port)


def _names(of: Mapping[str, Any]) -> str:
    return ", ".join(f"'{n}'" for n in of) or "none"


def takes_one(spec: Spec | None) -> bool:
    return spec is None or spec.type is str
