"""What an output file tells of how it was made. The engine only hands it from whoever runs a graph to the writers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .evaluation import Evaluation
from .process import Provenance


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the pixels of one output come from: what a run knows when it is about to write them.

    Attributes
    ----------
    evaluation
        Frames, keys and Values of the plan.
    sink
        The step that writes.
    content
        Returns the digest of a source file.
    """

    evaluation: Evaluation
    sink: int
    content: Callable[[Path], str]


Sign = Callable[[Origin], Provenance]
"""Returns what the file that a sink writes is to tell; has no say in keys or pixels."""
