"""`lerar demo` makes its files and tells what it found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lerar = Callable[..., Any]


def test_demo_makes_picture_graph_and_report(run_lerar: Lerar, tmp_path: Path) -> None:
    size = ["--width", "160", "--height", "120"]
    done = run_lerar("demo", "--out", tmp_path / "d", *size, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert {Path(f).name for f in told["files"]} >= {"lrgb.png", "lrgb.fits", "lrgb.lerar", "lrgb.yaml", "report.html"}
    assert all(Path(f).stat().st_size > 0 for f in told["files"])
    assert {line["channel"] for line in told["lines"]} == {"red", "blue"}
    # What the demo saved can be run again, and knows everything already.
    again = json.loads(run_lerar("run", tmp_path / "d" / "lrgb.lerar", "--json").stdout)
    assert "recalled" in again["states"].values() and "measured" not in again["states"].values()


@pytest.mark.parametrize("arguments", [["--width", "0"], ["--seed", "-1"], ["--height", "tall"]])
def test_a_sky_that_cannot_be_is_wrong_use(run_lerar: Lerar, arguments: list[str]) -> None:
    assert run_lerar("demo", *arguments).exit_code == 2
