"""What is wrong with parameter links as far as the graph alone can tell: nothing is measured for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import EngineError, LinkError
from ..params import Spec, wanted_text
from .converting import unit_factor
from .parameter import ParameterLink
from .program import compiled
from .references import Follower, Meaning, Names, Vertex, expressions
from .tree import Expression
from .units import ONE, Unit, unit_of

if TYPE_CHECKING:
    from ..wiring import Wiring


def problems(graph: Wiring) -> list[LinkError]:
    """Return why parameter links of *graph* cannot be followed, by node and parameter; circles left out."""
    names = Names(graph)
    found = []
    for (node, param), link in sorted(graph.parameter_links.items()):
        if node not in graph:
            continue
        try:
            _Check(names, node, param, link).run()
        except LinkError as e:
            found.append(e if e.node else e.at(node, param))
        except EngineError:  # the process is not installed, which is told elsewhere
            continue
    return found


def orders(graph: Wiring) -> dict[Vertex, tuple[Vertex, ...]]:
    """Return what comes directly before each node and each parameter that follows something; broken links left out."""
    names = Names(graph)
    found: dict[Vertex, list[Vertex]] = {n: [] for n in graph}
    for name in graph:
        for feed in graph.feeds(name).values():
            nodes = [feed.node] if hasattr(feed, "node") else [link.node for link in feed]
            found[name] += [n for n in nodes if n in graph]
    for (node, param), link in graph.parameter_links.items():
        if node in graph:
            at = Follower(node, param)
            found[node].append(at)
            try:
                found[at] = [v for v in names.waits_for(node, link) if isinstance(v, str) or v in _followers(graph)]
            except EngineError:
                found[at] = []
    return {v: tuple(dict.fromkeys(before)) for v, before in found.items()}


def _followers(graph: Wiring) -> set[Vertex]:
    return {Follower(*at) for at in graph.parameter_links}


class _Check:
    """Looks at one link."""

    def __init__(self, names: Names, node: str, param: str, link: ParameterLink) -> None:
        self.names, self.node, self.param, self.link = names, node, param, link

    def run(self) -> None:
        spec = self._spec()
        frozen = self.link.mode == "frozen"
        kept = self.link.frames or self.param in self.names.graph.spec(self.node).params
        if frozen and not kept:
            why = f"'= {self.link.expr}' is frozen, and no value was kept"
            raise LinkError("LNK-2", why, cure="set a value, or thaw it")
        if not frozen:
            try:
                for expression in expressions(self.link):
                    self._expression(expression, spec)
            except LinkError as e:
                unit = f" in {spec.unit}" if spec.unit else ""
                raise e.at(self.node, self.param, f"{wanted_text(spec)}{unit}") from None

    def _spec(self) -> Spec:
        process = self.names.graph.spec(self.node).find()
        if self.param not in process.params:
            has = ", ".join(process.params) or "none"
            raise LinkError("LNK-2", f"{process.__name__} has no such parameter", cure=f"it has {has}")
        return process.params[self.param]

    def _expression(self, expression: Expression, spec: Spec) -> None:
        meanings = [self.names.meaning(r, self.node) for r in expression.references]
        self.names.waits_for(self.node, self.link)
        if expression.bare is not None and not meanings[0].path and meanings[0].kind == "value":
            self._whole_value(meanings[0], spec)
            return
        part = compiled(expression, tuple(self._unit(m) for m in meanings))
        unit_factor(part.unit, spec, self.link, 1.0)

    def _whole_value(self, meaning: Meaning, spec: Spec) -> None:
        """A Value as a whole goes only where its type is wanted."""
        if spec.type in (float, int, bool, str):
            ports = self.names.process(meaning.node).outputs
            given = next((p.type for p in ports if p.name == meaning.item), "Value")
            keys = f"name an entry of it, such as {meaning.node.replace('-', '_')}.KEY"
            raise LinkError("LNK-6", f"a {given} came where {wanted_text(spec)} is wanted", cure=keys)

    def _unit(self, meaning: Meaning) -> Unit | None:
        """Return the unit of what a reference stands for; None where only measuring will tell."""
        if meaning.kind == "image":
            return unit_of("px") if meaning.item != "channels" else ONE
        if meaning.kind == "param":
            return unit_of(self.names.process(meaning.node).params[meaning.item].unit)
        if meaning.kind == "value" and meaning.path:
            units = self.names.process(meaning.node).units
            told = units.get(".".join(meaning.path), units.get(meaning.path[-1]))
            return None if told is None else unit_of(told)
        return None
