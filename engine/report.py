"""What a run tells: progress while it goes on, a report at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


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
    """

    values: dict[str, Any] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    seconds: float = 0.0
    passes: int = 0


Watcher = Callable[[Progress], None]
