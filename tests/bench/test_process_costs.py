"""What a child process costs is what it really used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lerarlink.tools.bench.costs import measured

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells memory and bytes of a process")


def nesting(program: str) -> list[str]:
    """Return a command that runs *program* in a process below its own."""
    return [sys.executable, "-c", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {program!r}])"]


def test_processor_time_of_children_is_counted() -> None:
    spin = "import time\nwhile time.process_time() < 0.2: pass"
    alone = measured([sys.executable, "-c", spin])
    nested = measured(nesting(spin))
    for cost in (alone, nested):
        assert cost.code == 0
        assert 0.18 < cost.cpu < 0.6
        assert cost.wall > 0.18


@linux
def test_anonymous_memory_is_what_was_touched() -> None:
    cost = measured([sys.executable, "-c", "import time\nheld = b'x' * 150_000_000\ntime.sleep(0.15)"])
    assert 150e6 < cost.anonymous < 190e6
    assert cost.resident >= cost.anonymous
    assert cost.anonymous_below == 0


@linux
def test_memory_of_children_is_told_apart() -> None:
    inner = "import time; held = b'x' * 100_000_000; time.sleep(0.15)"
    cost = measured(nesting(inner))
    assert 100e6 < cost.anonymous_below < 130e6 < cost.anonymous + 40e6


@linux
def test_bytes_are_counted(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(3_000_000))
    program = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.with_suffix('.copy').write_bytes(p.read_bytes())"
    cost = measured([sys.executable, "-c", program, str(source)])
    assert 3e6 <= cost.read < 6e6
    assert 3e6 <= cost.written < 3.1e6


def test_failures_are_told(tmp_path: Path) -> None:
    cost = measured([sys.executable, "-c", "raise SystemExit('no such thing')"], errors=tmp_path / "said")
    assert cost.code == 1
    assert "no such thing" in (tmp_path / "said").read_text()
