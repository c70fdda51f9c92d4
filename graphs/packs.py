"""Which packs of others the processes of a graph come from, and in which versions it was made with them.

The processes that come with lerarlink are not among them: the version of each stands at its nodes.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..engine import registry

_OWN = __name__.rpartition(".graphs.")[0] + ".nodes"


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack by the name under which it is installed.

    Attributes
    ----------
    name, version
        Of the distribution, as ``pip`` tells them.
    processes
        Ids of the processes that a graph takes from it, sorted.
    """

    name: str
    version: str
    processes: tuple[str, ...]


def installed(processes: Iterable[str]) -> dict[str, Pack]:
    """Return the installed packs that have some of *processes*, by name; imports none of them."""
    found: dict[tuple[str, str], list[str]] = {}
    index = registry.index()
    for process in sorted(set(processes)):
        module = index.get(process, _OWN)
        if module.startswith(f"{_OWN}."):
            continue
        for package, pack in _distributions().items():
            if module.startswith(f"{package}."):
                found.setdefault(pack, []).append(process)
    return {name: Pack(name, version, tuple(ids)) for (name, version), ids in found.items()}


def pinned(processes: Iterable[str], pins: Mapping[str, Pack]) -> list[Pack]:
    """Return the packs of a graph with *processes*: as *pins* has them, else as they are installed.

    A pin stays what it was, whatever is installed by now, as long as it tells of all that the graph takes from the
    pack; with another process of it comes the version that is installed.
    """
    used = set(processes)
    here = installed(used)
    made = {}
    for name, pin in pins.items():
        if kept := tuple(p for p in pin.processes if p in used):
            made[name] = Pack(name, pin.version, kept)
    for name, pack in here.items():
        if name not in made or set(pack.processes) - set(made[name].processes):
            made[name] = pack
    return [made[name] for name in sorted(made)]


@functools.cache
def _distributions() -> dict[str, tuple[str, str]]:
    """Return package -> name and version of the distribution, for all packs; looked for once, as processes are."""
    points = importlib.metadata.entry_points(group=registry.GROUP)
    return {p.value: (p.dist.name, p.dist.version) for p in points if p.dist is not None}
