"""How a run goes on: bars in a terminal, plain lines elsewhere, all on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rich_click as click

from ._output import note, size

if TYPE_CHECKING:
    import rich.progress

    from ...engine.run import Progress

Watch = Callable[["Progress"], None]
# A stage may serve a hundred nodes; a line of the terminal does not hold their names.
_NAMES = 44
_ROWS = 12


def progress_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --progress/--no-progress: None where the user leaves it to the terminal."""
    return click.option(
        "--progress/--no-progress", default=None, help="Show progress (default: where stderr is a terminal)."
    )(function)


@contextlib.contextmanager
def watching(wanted: bool | None) -> Iterator[Watch | None]:
    """Give a watcher for a run, or None where nobody looks; bars are gone when the block ends."""
    terminal = sys.stderr.isatty()
    if wanted is False or (wanted is None and not terminal):
        yield None
    elif terminal:
        bars = _Bars()
        with bars.display:
            yield bars
    else:
        lines = _Lines()
        yield lines
        lines.close()


@dataclass(slots=True)
class _Stage:
    """Where a stage began, so that its own speed can be told from the run's totals."""

    number: int
    action: str
    bytes: int
    seconds: float

    def is_of(self, event: Progress) -> bool:
        # A measure that passes several times over its pixels is told as one stage that starts again.
        return self.number == event.stage and self.action == event.action

    def speed(self, event: Progress) -> float:
        return (event.bytes - self.bytes) / max(event.seconds - self.seconds, 1e-3)

    def rest(self, event: Progress) -> float:
        return (event.seconds - self.seconds) / event.done * (event.total - event.done)


def _title(event: Progress) -> str:
    names = ", ".join(event.nodes)
    if len(names) > _NAMES:
        more = f" .. {len(event.nodes)} nodes"
        names = names[: _NAMES - len(more)].rstrip(", ") + more
    return f"{event.action} {names}"


class _Bars:
    """A line for each running node, and one for the whole run.

    The nodes of a stage advance together, band by band. Those beyond `_ROWS` share the last line.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self.display = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[told]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._stage = _Stage(-1, "", 0, 0.0)
        self._rows: list[rich.progress.TaskID] = []
        self._total = self.display.add_task("total", total=None, told="")
        self._last = 0

    def __call__(self, event: Progress) -> None:
        if not self._stage.is_of(event) or event.done < self._last:
            self._begin(event)
        self._last = event.done
        told = f"{event.done}/{event.total} bands  {size(self._stage.speed(event))}/s"
        if event.done < event.total:
            told += f"  {self._stage.rest(event):.0f} s left"
        for row in self._rows:
            self.display.update(row, completed=event.done, total=event.total, told=told)
        self.display.update(self._total, told=f"stage {event.stage}  {size(event.bytes)}  {event.seconds:.1f} s")

    def _begin(self, event: Progress) -> None:
        for row in self._rows:
            self.display.remove_task(row)
        self._stage = _Stage(event.stage, event.action, event.bytes, event.seconds)
        self._rows = [self.display.add_task(title, total=event.total, told="") for title in _row_titles(event)]


def _row_titles(event: Progress) -> list[str]:
    names = list(event.nodes)
    if len(names) > _ROWS:
        names[_ROWS - 1 :] = [f"{len(names) - _ROWS + 1} more nodes"]
    return [f"{event.action} {name if len(name) <= _NAMES else name[: _NAMES - 3] + '...'}" for name in names]


class _Lines:
    """One line at the end of each pass, for logs."""

    def __init__(self) -> None:
        self._stage = _Stage(-1, "", 0, 0.0)
        self._event: Progress | None = None

    def __call__(self, event: Progress) -> None:
        if not self._stage.is_of(event) or (self._event is not None and event.done < self._event.done):
            self.close()
            start = (self._event.bytes, self._event.seconds) if self._event else (0, 0.0)
            self._stage = _Stage(event.stage, event.action, *start)
        self._event = event

    def close(self) -> None:
        event = self._event
        if event is not None and self._stage.is_of(event):
            note(
                f"stage {event.stage}: {_title(event)}: {event.done}/{event.total} bands, "
                f"{size(self._stage.speed(event))}/s, {event.seconds:.1f} s"
            )
