"""What a run tells: progress while it goes on, a report at its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .links.resolving import Resolved


@dataclass(frozen=True, slots=True)
class Progress:
    """Told while a run goes on: which nodes are at work, and how far their stage is."""

    stage: int
    action: str
    nodes: tuple[str, ...]
    done: int
    total: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage of a run cost.

    Attributes
    ----------
    action
        ``measure``, ``keep`` (masters, for later stages), ``write`` or ``compute``.
    nodes
        The nodes at work.
    seconds, cpu_seconds
        Wall-clock time; processor time of this process (and of worker processes that ended meanwhile).
    peak
        Resident bytes of this process at most, since it began.
    read, written
        Bytes of source files read; bytes of the files written and of pixels put into the store.
    """

    action: str
    nodes: tuple[str, ...]
    seconds: float
    cpu_seconds: float
    peak: int
    read: int
    written: int


@dataclass(slots=True)
class Report:
    """What a run did.

    Attributes
    ----------
    values
        The Value of each step that measured or computed one, by node label (``node`` or ``node[3]``).
    states
        Per node label: ``measured``, ``recalled`` (its Value was in the store), ``computed`` or ``written``.
    written
        Files that were written, in order.
    seconds
        Wall-clock time.
    passes
        How often pixels were read for measuring.
    stages
        What each stage cost, in order.
    links
        What parameter links gave.
    """

    values: dict[str, Any] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    seconds: float = 0.0
    passes: int = 0
    stages: list[Stage] = field(default_factory=list)
    links: tuple[Resolved, ...] = ()

    @property
    def bytes_read(self) -> int:
        """Bytes of source files read in all stages."""
        return sum(s.read for s in self.stages)

    @property
    def bytes_written(self) -> int:
        """Bytes of the files that were written."""
        return sum(os.path.getsize(p) for p in self.written)


Watcher = Callable[[Progress], None]
