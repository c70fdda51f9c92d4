"""Each error has its line and its exit code."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.errors import (
    Cancelled,
    EngineError,
    GraphError,
    NodeFailed,
    ParameterError,
    SourceError,
    UnknownProcessError,
    UnresolvedLinkError,
)
from lerarlink.tools.cli._errors import Several, exit_code, guarded, lines_of

Lerar = Callable[..., Any]


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


FAILED = NodeFailed("n", "a.b", "", "x")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FAILED, 1),
        (EngineError("x"), 1),
        (ZeroDivisionError("x"), 1),
        (click.UsageError("x"), 2),
        (click.BadParameter("x"), 2),
        (SourceError("x"), 3),
        (caused(NodeFailed("n", "a.b", "", "x"), SourceError("x")), 3),
        (GraphError("x"), 4),
        (UnresolvedLinkError("x"), 4),
        (ParameterError("x"), 4),
        (UnknownProcessError("x"), 6),
        (MemoryError(), 75),
        (caused(NodeFailed("n", "a.b", "", "x"), MemoryError()), 75),
        (OSError(errno.ENOSPC, "full"), 75),
        (OSError(errno.EDQUOT, "full"), 75),
        (OSError(errno.EACCES, "no"), 1),
        (KeyboardInterrupt(), 130),
        (Cancelled("x"), 130),
        (click.Abort(), 130),
        (Several([GraphError("x"), UnknownProcessError("y")]), 6),
    ],
)
def test_errors_have_their_exit_codes(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_of_several_lines_is_told_in_one(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise GraphError("first\n   second")

    with pytest.raises(SystemExit) as e:
        guarded(fail)
    assert e.value.code == 4
    assert capsys.readouterr() == ("", "error: first second\n")


def test_several_errors_have_a_line_each() -> None:
    told = lines_of(Several([GraphError("a"), GraphError("b")]))
    assert told == ["error: a", "error: b"]


def test_an_unexpected_error_says_how_to_see_more() -> None:
    assert lines_of(KeyError("x")) == ["error: unexpected KeyError: 'x' (--debug shows where)"]


def test_debug_shows_the_traceback_and_is_forgotten_by_the_next_call(run_lerar: Lerar) -> None:
    shown = run_lerar("--debug", "inspect", "nothing.fits")
    assert "Traceback" in shown.stderr and shown.exit_code == 3
    assert "Traceback" not in run_lerar("inspect", "nothing.fits").stderr


def test_a_wrong_option_is_wrong_use(run_lerar: Lerar) -> None:
    done = run_lerar("run", "g.yaml", "--no-such-option")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ") and "--no-such-option" in done.stderr
    assert done.stderr.count("\n") == 1


def test_whoever_closes_the_pipe_early_hears_no_complaint() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "lerarlink.tools.cli", "nodes", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()  # long before the first line is written
    told = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), told) == (0, b"")


# A run that gets the signal the moment its first output file is opened, however slow or fast the machine is.
_INTERRUPTED_AT_ITS_OUTPUT = """
import os, signal, sys
from lerarlink.tools.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
folder, number, waiting = sys.argv.pop(1), int(sys.argv.pop(1)), [True]

def watch(event, arguments):
    if event == "open" and waiting and os.path.dirname(str(arguments[0])) == folder:
        waiting.clear()
        os.kill(os.getpid(), number)

sys.addaudithook(watch)
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_convert_leaves_nothing_and_says_so(number: int, tmp_path: Path) -> None:
    big = tmp_path / "big.fits"
    rng = np.random.default_rng(2)
    fits.writeto(big, rng.integers(0, 60000, (1500, 2000), np.uint16))
    out = tmp_path / "out"
    out.mkdir()
    arguments = ["convert", str(big), str(out / "x.fits"), "--compression", "gzip"]
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_AT_ITS_OUTPUT, str(out), str(int(number)), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 130
    assert done.stderr == "error: interrupted\n"
    assert list(out.iterdir()) == []
