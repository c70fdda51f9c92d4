"""What a graph document says beside nodes and feeds: named inputs, settings and outputs, links of parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..engine.links.parameter import ParameterLink, Taken, TakenFrame
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


# -- there and back ------------------------------------------------------------------------------------


def input_document(item: Input) -> Document:
    return {"name": item.name, "node": item.node, "param": item.param, "optional": item.optional, "doc": item.doc}


def setting_document(item: Setting) -> Document:
    return {"name": item.name, "sets": [f"{n}.{p}" for n, p in item.sets], "doc": item.doc}


def setting_of(document: Document) -> Setting:
    return Setting(**{**document, "sets": tuple(split_link(t) for t in document["sets"])})


def output_document(item: NamedOutput) -> Document:
    return {"name": item.name, "node": item.node, "port": item.port, "doc": item.doc}


def link_document(link: ParameterLink) -> Document:
    made: Document = {"expr": link.expr, "unit": link.unit, "mode": link.mode, "deadband": link.deadband}
    if link.clamp is not None:
        made["clamp"] = list(link.clamp)
    if link.fallback:
        made["fallback"] = link.fallback
    if link.taken is not None:
        made["taken"] = _said(link.taken, ("unit", "error", "n", "source", "time", "graph"))
        if link.taken.frames:
            made["taken"]["frames"] = [
                {"value": one.value, **_said(one, ("frame", "error", "n", "source"))} for one in link.taken.frames
            ]
    return made


def _said(taken: Taken | TakenFrame, names: Iterable[str]) -> Document:
    """Return what is known of how a value was taken."""
    told = {name: getattr(taken, name) for name in names}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in told.items() if v not in (None, "")}


def link_of(document: Document) -> ParameterLink:
    clamp, taken = document.get("clamp"), document.get("taken")
    return ParameterLink(
        **{
            **document,
            "clamp": None if clamp is None else tuple(clamp),
            "taken": None if taken is None else _taken_of(taken),
        }
    )


def _taken_of(document: Document) -> Taken:
    frames = tuple(TakenFrame(**{k: frozen(v) for k, v in one.items()}) for one in document.get("frames", ()))
    return Taken(**{**{k: frozen(v) for k, v in document.items()}, "frames": frames})


def frozen(value: Any) -> Any:
    """Return the value of a parameter as nodes hold it: tuples for lists."""
    return tuple(frozen(v) for v in value) if isinstance(value, list) else value
