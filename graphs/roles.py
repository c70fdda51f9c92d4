"""Which files of another night play which part in a graph: matched by frame type, filter and camera settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.errors import GraphError, SourceError
from .document import Graph, takes_one
from .preprocess.names import filter_name, is_usual
from .preprocess.records import KINDS, FrameRecord

Role = Mapping[str, Any]
"""Words in which the files of one reading node are alike: kind, master, filter, exposure, gain, binning."""

# Words that tell apart nodes of one kind and filter, such as darks of two exposures.
_SETTINGS = ("exposure", "gain", "binning")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reader:
    """A node that reads files.

    Attributes
    ----------
    name
        What the graph calls it: its named input, or the node.
    node, param
        The node and the parameter that names its files.
    single, optional
        Whether it takes one file only; whether it may be left without.
    filled
        Whether it has files now.
    role
        What its files are; None where nothing tells.
    """

    name: str
    node: str
    param: str
    single: bool
    optional: bool
    filled: bool
    role: Role | None


def readers(graph: Graph, roles: Mapping[str, Role] | None = None) -> list[Reader]:
    """Return the nodes of *graph* that read files, by name.

    *roles* are those of the files they read before, by node; without one, the name tells: ``red``, ``dark``.
    """
    named = {(i.node, i.param): i for i in graph.inputs.values()}
    found = []
    for node in graph:
        spec = graph.spec(node)
        process = spec.find()
        for param in process.params.values():
            if param.file != "input":
                continue
            item = named.get((node, param.name))
            if item is None and process.inputs and not spec.params.get(param.name):
                continue  # a file besides its images, such as a table of weights, that it does without
            name = item.name if item else node
            optional = item.optional if item else bool(spec.params.get("optional"))
            role = (roles or {}).get(node) or named_role(name)
            filled = bool(spec.params.get(param.name))
            found.append(
                Reader(
                    name=name, node=node, param=param.name, single=takes_one(param), optional=optional, filled=filled,
                    role=role,
                )
            )  # fmt: skip
    return sorted(found, key=lambda r: r.name)


def named_role(name: str) -> Role | None:
    """Return what the name of an input tells: a frame type, a usual filter, or None."""
    kind = next((k for k in KINDS if k == name.lower().rstrip("s")), None)
    if kind is not None:
        return {"kind": kind}
    if is_usual(name):
        return {"kind": "light", "filter": filter_name(name, {})}
    return None


def fitting(role: Role, records: Iterable[FrameRecord], others: Iterable[Role] = ()) -> list[FrameRecord]:
    """Return the records that fit *role*: its type, whether they are masters, its filter.

    Exposure, gain and binning count where *others*, roles in the same graph, differ by them only.
    """
    rivals = [o for o in others if o is not role and _kind(o) == _kind(role)]
    apart = [w for w in _SETTINGS if w in role and any(w in o and not _equal(o[w], role[w]) for o in rivals)]
    return [
        r
        for r in records
        if r.kind == role.get("kind")
        and r.master == role.get("master", r.master)
        and ("filter" not in role or r.kind not in ("light", "flat") or r.filter == role["filter"])
        and all(_equal(_word(r, w), role[w]) for w in apart)
    ]


def assign(found: Sequence[Reader], records: Sequence[FrameRecord]) -> tuple[dict[Reader, list[str]], list[str]]:
    """Return which files each reader takes, and notes on what stays as it was.

    Raises
    ------
    GraphError
        Two readers are so much alike that nothing tells their files apart, or one file is taken from several.
    SourceError
        No light fits where there were lights; or nothing fits at all.
    """
    roles = [r.role for r in found if r.role is not None]
    taken: dict[Reader, list[str]] = {}
    notes: list[str] = []
    for reader in found:
        role = reader.role if reader.role is not None else _only_light(found, reader)
        fits = [] if role is None else fitting(role, records, roles)
        if not fits:
            _refuse_light(reader, role)
            if reader.filled:
                notes.append(f"{reader.name}: {told(role)} is not among the files given, its files stay")
            continue
        if reader.single and len(fits) > 1:
            names = ", ".join(r.path for r in fits[:3])
            raise GraphError(f"'{reader.name}' takes one file, {len(fits)} fit ({told(role)}): {names}; name it")
        taken[reader] = [r.path for r in fits]
    _refuse_twins(taken)
    if not taken:
        raise SourceError(f"none of {len(records)} files fits an input: {', '.join(r.name for r in found)}")
    return taken, notes


def told(role: Role | None) -> str:
    """Return a role as words."""
    if role is None:
        return "what it reads"
    words = ["master" if role.get("master") else "", str(role.get("kind", "")), str(role.get("filter", ""))]
    if "exposure" in role:
        words.append(f"{role['exposure']:g} s")
    return " ".join(w for w in words if w)


def _only_light(found: Sequence[Reader], reader: Reader) -> Role | None:
    """A single input whose name tells nothing takes the lights."""
    plain = [r for r in found if r.role is None]
    return {"kind": "light"} if plain == [reader] else None


def _refuse_light(reader: Reader, role: Role | None) -> None:
    missing = not reader.optional and (not reader.filled or (role is not None and role.get("kind") == "light"))
    if missing:
        raise SourceError(f"'{reader.name}': no file given fits ({told(role)}); name it: {reader.name}=PATH")


def _refuse_twins(taken: Mapping[Reader, list[str]]) -> None:
    owner: dict[str, str] = {}
    for reader, paths in taken.items():
        for path in paths:
            if path in owner:
                raise GraphError(
                    f"'{owner[path]}' and '{reader.name}' read files that are alike, such as {path}: "
                    f"give them by name, {reader.name}=PATH"
                )
            owner[path] = reader.name


def _kind(role: Role) -> tuple[Any, ...]:
    return role.get("kind"), role.get("master"), role.get("filter")


def _word(record: FrameRecord, word: str) -> Any:
    found = getattr(record, word)
    return list(found) if isinstance(found, tuple) else found


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-3)
    return bool(a == b)
