"""The page that tells of two nights is true: its commands are run, and say what stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from lerarlink.tools.cli import lerar

PAGE = Path(__file__).parents[2] / "docs" / "story.md"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.M | re.S)


def fits_to(told: str, wanted: list[str]) -> bool:
    """Return whether *told* is what the page says: ``...`` stands for anything, alone on a line for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line).replace(r"\.\.\.", ".*?") + r"\n" for line in wanted
    )
    return re.fullmatch(pattern, told if told.endswith("\n") or not told else f"{told}\n") is not None


def calls(block: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a block, each with the lines that stand below it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def test_the_story_of_two_nights_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = 0
    for kind, block in BLOCK.findall(PAGE.read_text("utf-8")):
        if kind == "python":
            exec(block, {})
            continue
        for command, wanted in calls(block):
            program, *arguments = shlex.split(command)
            assert program == "lerar"
            done = CliRunner().invoke(lerar, arguments)
            assert done.exit_code in (0, 5), f"{command}\n{done.output}"
            told = "\n".join(line.rstrip() for line in done.output.splitlines())
            assert fits_to(told, wanted), f"{command}\n{told}"
            commands += 1
    assert commands > 12
    for made in ("first/rgb.png", "second/rgb.png", "final/rgb.fits", "blink.png", "changes.html", "report.html"):
        assert (tmp_path / made).stat().st_size > 1000
