"""`lerar --help` starts without the libraries that pixels need."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from lerarlink.tools.cli._group import COMMANDS, Stub

Lerar = Callable[..., Any]

HEAVY = {"numpy", "scipy", "astropy", "dask", "networkx", "numba", "msgpack", "PIL", "tifffile", "yaml"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["no-such-command"]])
def test_help_imports_no_library_of_pixels_or_graphs(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "lerarlink.tools.cli", *arguments], capture_output=True, text=True
    )
    imported = set(re.findall(r"\|\s+([\w.]+)$", done.stderr, re.MULTILINE))
    assert "click" in imported  # the list is of what was really imported
    assert not {name.partition(".")[0] for name in imported} & HEAVY
    assert not any(name.startswith("lerarlink.tools.cli.run") for name in imported)


def test_every_command_can_be_loaded_and_says_in_the_list_what_it_says_itself(run_lerar: Lerar) -> None:
    listed = run_lerar("--help").stdout
    for name, (_, line) in COMMANDS.items():
        loaded = Stub(name).load()
        assert loaded.name == name
        assert line in listed
        helped = run_lerar(name, "--help")
        assert helped.exit_code == 0 and f"lerar {name}" in helped.stdout
