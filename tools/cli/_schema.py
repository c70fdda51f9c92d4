"""A process as JSON Schema: its parameters, and beside them its ports."""

from __future__ import annotations

import types
import typing
from typing import Any, Literal

from ...engine.params import Spec
from ...engine.ports import Port
from ...engine.process import Process

_SIMPLE = {bool: "boolean", int: "integer", float: "number", str: "string", types.NoneType: "null"}


def schema_of(cls: type[Process]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the parameters of *cls*; its ports stand under ``x-inputs``, ``x-outputs``.

    A document holds the parameters of a node as this schema says, when the parameters fit each other, too:
    rules between several parameters (low < high) are checked by the process itself.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"lerarlink:{cls.id}:{cls.version}",
        "title": cls.__name__,
        "description": (cls.__doc__ or "").strip().partition("\n")[0],
        "type": "object",
        "properties": {s.name: _property(s) for s in cls.params.values()},
        "required": [s.name for s in cls.params.values() if s.required],
        "additionalProperties": False,
        "x-inputs": [_port(p, inward=True) for p in cls.inputs],
        "x-outputs": [_port(p, inward=False) for p in cls.outputs],
        "x-requires": cls.requires,
        "x-gives": cls.gives,
        "x-maskable": cls.maskable,
    }


def _property(spec: Spec) -> dict[str, Any]:
    found = {**_of_type(spec.type, spec), "description": spec.doc}
    if not spec.required:
        found["default"] = spec.default
    if spec.unit:
        found["x-unit"] = spec.unit
    if spec.file:
        found["x-file"] = spec.file
    return found


def _of_type(wanted: Any, spec: Spec) -> dict[str, Any]:
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_of_type(a, spec) for a in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return _of_tuple(args, spec)
    found: dict[str, Any] = {"type": _SIMPLE[wanted]}
    # Ranges and choices hold for every element of a tuple, so they belong to the innermost type.
    if spec.choices and wanted is not types.NoneType:
        found = {"enum": list(spec.choices)}
    elif wanted in (int, float):
        found |= {k: v for k, v in (("minimum", spec.low), ("maximum", spec.high)) if v is not None}
    return found


def _of_tuple(args: tuple[Any, ...], spec: Spec) -> dict[str, Any]:
    if len(args) == 2 and args[1] is Ellipsis:
        return {"type": "array", "items": _of_type(args[0], spec)}
    return {
        "type": "array",
        "prefixItems": [_of_type(a, spec) for a in args],
        "minItems": len(args),
        "maxItems": len(args),
    }


def _port(port: Port, *, inward: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"name": port.name, "type": port.type}
    if inward:
        told |= {"many": port.many, "optional": port.optional}
    return {**told, "doc": port.doc} if port.doc else told
