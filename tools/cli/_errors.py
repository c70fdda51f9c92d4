"""From errors to one line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import click

from ...engine.errors import (
    Cancelled,
    EngineError,
    GraphError,
    ParameterError,
    SourceError,
    UnknownProcessError,
)

FAILED = 1
USAGE = 2
SOURCE = 3
INVALID = 4
DIFFERENT = 5
MISSING = 6
LIMIT = 75
INTERRUPTED = 130

_FULL = (errno.ENOSPC, errno.EDQUOT)
show_traceback = False


class Several(Exception):
    """Several errors told together; the exit code is that of the gravest."""

    def __init__(self, errors: list[BaseException]) -> None:
        super().__init__(*errors)
        self.errors = errors


class Told(Exception):
    """The command has said on stderr what was wrong; only the exit code is left."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Interrupted(Exception):
    """Ctrl-C or SIGTERM."""


class Unheard(Exception):
    """Nobody reads our output any more: no error, there is only nobody left to tell."""


def guarded(call: Callable[[], Any]) -> NoReturn:
    """Call *call* and exit: with what it returned as the code, or with an error's line and code."""
    global show_traceback
    show_traceback = False
    with _terminable():
        try:
            code = int(call() or 0)
            sys.stdout.flush()
        except BaseException as e:
            code = _told(e)
    sys.exit(code)


def leave_soon(seconds: float = 5.0) -> None:
    """End this process after *seconds* whatever it still waits for.

    The outputs are abandoned by now. What is left is Python joining its threads; the one that looks after
    worker processes was seen to wait for ever for one that an interrupt had hit while it started.
    """
    last = threading.Timer(seconds, os._exit, (INTERRUPTED,))
    last.daemon = True
    last.start()


def exit_code(error: BaseException) -> int:
    """Return the exit code of *error*, looking through the chain of its causes."""
    if isinstance(error, Several):
        return max(exit_code(e) for e in error.errors)
    if isinstance(error, Told):
        return error.code
    if isinstance(error, KeyboardInterrupt | Interrupted | Cancelled | click.Abort):
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        return error.exit_code
    chain = list(_chain(error))
    if any(isinstance(e, MemoryError) or (isinstance(e, OSError) and e.errno in _FULL) for e in chain):
        return LIMIT
    if any(isinstance(e, SourceError) for e in chain):
        return SOURCE
    if any(isinstance(e, UnknownProcessError) for e in chain):
        return MISSING
    if isinstance(error, GraphError | ParameterError):
        return INVALID
    return FAILED


def lines_of(error: BaseException) -> list[str]:
    """Return what is said of *error*: one line, or one for each of several."""
    if isinstance(error, Several):
        return [line for e in error.errors for line in lines_of(e)]
    if isinstance(error, Told):
        return []
    return ["error: " + " ".join(_text(error).split())]


def _text(error: BaseException) -> str:
    # An error that comes back from a worker process carries its traceback as text; the plain one is inside.
    error = getattr(error, "exception", None) or error
    if isinstance(error, KeyboardInterrupt | Interrupted | click.Abort):
        return "interrupted"
    if isinstance(error, Cancelled):
        return f"interrupted: {error}"
    if isinstance(error, click.UsageError):
        hint = f" (see '{error.ctx.command_path} --help')" if error.ctx else ""
        return error.format_message().rstrip(".") + hint
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, EngineError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory: {error}" if str(error) else "out of memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _told(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, Unheard | BrokenPipeError):
        # Whoever read our output has seen enough; Python must not find the pipe broken once more at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if show_traceback and not isinstance(error, click.ClickException | Told):
        import traceback

        traceback.print_exception(error)
    for line in lines_of(error):
        print(line, file=sys.stderr)
    return exit_code(error)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM end the command as Ctrl-C does: outputs abandoned, the store sound."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
