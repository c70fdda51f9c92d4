"""Where processes are found: by convention in `nodes/`, through entry points in third-party packs.

A pack is a package whose modules ``<family>/<name>.py`` each hold the process ``<family>.<name>``.
Finding a process imports its module only, so that a run loads what it uses and nothing else.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from .errors import UnknownProcessError
from .process import Process

GROUP = "lerarlink.nodes"
_OWN = __name__.rpartition(".engine.")[0] + ".nodes"
_extra: dict[str, type[Process]] = {}


def register(cls: type[Process]) -> type[Process]:
    """Add a process made outside any pack (a notebook, a test); usable as a decorator.

    Packs come first: a class here never stands in for an installed process of the same name or id.
    """
    _extra[cls.id] = cls
    return cls


def find(name: str) -> type[Process]:
    """Return the process with id or class name *name*, such as ``color.linear_fit`` or ``LinearFit``.

    Raises
    ------
    UnknownProcessError
        No installed pack has it; the message names the nearest ones.
    """
    ids = index()
    wanted = name if name in ids else _by_class_name(name, ids)
    if wanted is not None:
        return _load(wanted, ids[wanted])
    for cls in _extra.values():
        if name in (cls.id, cls.__name__):
            return cls
    raise UnknownProcessError(_unknown(name))


def is_current(cls: type[Process]) -> bool:
    """Return whether *cls* is still what its id and name stand for: nothing else was registered or loaded since."""
    module = index().get(cls.id)
    if module is None and cls.id in _extra:
        return _extra[cls.id] is cls
    loaded = getattr(sys.modules.get(cls.__module__), cls.__name__, None) is cls
    return loaded and module in (None, cls.__module__)


@functools.cache
def index() -> Mapping[str, str]:
    """Return process id -> module name of all packs, found by file name, importing no process.

    Packs are looked for once a process; what is installed later counts from the next start.
    """
    found: dict[str, str] = {}
    for package in _packages():
        found |= dict(_scan(package))
    return MappingProxyType(found)


def everything() -> list[type[Process]]:
    """Import and return every installed process, sorted by id."""
    ids = index()
    return sorted([*(_load(i, m) for i, m in ids.items()), *_extra.values()], key=lambda c: c.id)


def _packages() -> list[str]:
    points = importlib.metadata.entry_points(group=GROUP)
    return list(dict.fromkeys([_OWN, *(p.value for p in points if p.value != "lerarlink.nodes")]))


def _scan(package: str) -> Iterator[tuple[str, str]]:
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        for file in sorted(Path(place).glob("*/*.py")):
            if not file.name.startswith("_"):
                yield f"{file.parent.name}.{file.stem}", f"{package}.{file.parent.name}.{file.stem}"


def _by_class_name(name: str, ids: Mapping[str, str]) -> str | None:
    plain = name.lower().replace("_", "")
    return next((i for i in ids if i.partition(".")[2].replace("_", "") == plain), None)


def _load(process_id: str, module: str) -> type[Process]:
    for item in vars(importlib.import_module(module)).values():
        if isinstance(item, type) and issubclass(item, Process) and item.id == process_id:
            return item
    raise UnknownProcessError(f"module {module} holds no process '{process_id}'")


@functools.cache
def _near(name: str) -> list[str]:
    return difflib.get_close_matches(name.lower(), list(index()), n=3, cutoff=0.5)


def _unknown(name: str) -> str:
    near = _near(name)
    hint = f"; near it: {', '.join(near)}" if near else ""
    return f"no installed pack has process '{name}'{hint}"
