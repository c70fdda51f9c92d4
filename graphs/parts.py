"""What a graph document says beside nodes and feeds: named inputs, settings and outputs, links to parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .schema import Document, split_link


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


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedOutput:
    """A result that a graph offers by name: output *port* of *node*. Where the graph is used as a node it is a port."""

    name: str
    node: str
    port: str
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterLink:
    """An expression that a parameter follows.

    Attributes
    ----------
    expr
        The expression, without the ``=`` that begins it where it is typed.
    unit
        Unit of the result; empty for that of the parameter.
    mode
        ``live``, or ``frozen``: the parameter keeps the value it has.
    clamp
        Range that the result is held in; None for no range of its own.
    fallback
        Expression that holds where the other one has no finite value; empty for none.
    deadband
        Changes smaller than this are not followed while somebody drags a region.
    """

    expr: str
    unit: str = ""
    mode: Literal["live", "frozen"] = "live"
    clamp: tuple[float, float] | None = None
    fallback: str = ""
    deadband: float = 0.0

    def document(self) -> Document:
        made: Document = {"expr": self.expr, "unit": self.unit, "mode": self.mode, "deadband": self.deadband}
        if self.clamp is not None:
            made["clamp"] = list(self.clamp)
        return {**made, "fallback": self.fallback} if self.fallback else made

    @classmethod
    def of(cls, document: Document) -> ParameterLink:
        clamp = document.get("clamp")
        return cls(**{**document, "clamp": None if clamp is None else tuple(clamp)})


# -- there and back ------------------------------------------------------------------------------------


def input_document(item: Input) -> Document:
    return {"name": item.name, "node": item.node, "param": item.param, "optional": item.optional, "doc": item.doc}


def setting_document(item: Setting) -> Document:
    return {"name": item.name, "sets": [f"{n}.{p}" for n, p in item.sets], "doc": item.doc}


def setting_of(document: Document) -> Setting:
    return Setting(**{**document, "sets": tuple(split_link(t) for t in document["sets"])})


def output_document(item: NamedOutput) -> Document:
    return {"name": item.name, "node": item.node, "port": item.port, "doc": item.doc}


def frozen(value: Any) -> Any:
    """Return the value of a parameter as nodes hold it: tuples for lists."""
    return tuple(frozen(v) for v in value) if isinstance(value, list) else value


def not_followed(node: str, param: str, link: ParameterLink) -> str:
    """Return why a graph with a parameter link does not run."""
    return (
        f"node '{node}': parameter '{param}' follows '= {link.expr}', and this version follows no parameter links; "
        f"give '{param}' a value and take the link away"
    )
