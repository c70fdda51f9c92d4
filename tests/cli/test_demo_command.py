"""`lerar demo` refuses nights that cannot be; what it makes is tested with the demo itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lerar = Callable[..., Any]


@pytest.mark.parametrize(
    "arguments",
    [["--size", "0x0"], ["--size", "tall"], ["--seed", "-1"], ["--frames", "1"], ["--osc", "RGBW"], ["--width", "160"]],
)
def test_a_night_that_cannot_be_is_wrong_use(run_lerar: Lerar, tmp_path: Path, arguments: list[str]) -> None:
    done = run_lerar("demo", "--out", tmp_path / "d", *arguments)
    assert done.exit_code == 2
    assert arguments[0] in done.error
    assert not (tmp_path / "d").exists()
