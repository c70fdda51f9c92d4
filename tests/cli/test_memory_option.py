"""--memory takes sizes as people write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from lerarlink.tools.cli._graph_options import ByteSize


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GiB", 2 * 2**30), ("512MiB", 2**29), ("1500MB", 1_500_000_000), ("1.5g", 1_500_000_000), ("268435456", 2**28)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert ByteSize().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "2 apples", "-1GiB", "100MiB", "nan"])
def test_what_is_no_size_or_too_small_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        ByteSize().convert(text, None, None)


def test_a_graph_runs_within_a_budget(
    run_lerar: Callable[..., Any], make_fits: Callable[..., Path], tmp_path: Path
) -> None:
    given = ("run", "stretch", "--input", f"image={make_fits()}", "--out", tmp_path / "out", "--quiet")
    assert run_lerar(*given, "--memory", "256MiB").exit_code == 0
    assert "at least 256MiB" in run_lerar(*given, "--memory", "1MiB").error
