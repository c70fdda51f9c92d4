"""Writes docs/processes.md from the declarations: `python -m lerarlink.tools.process_pages [FILE]`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from pathlib import Path

from ..engine import registry
from ..engine.params import Spec
from ..engine.ports import Port
from ..engine.process import Process

_HEAD = """# Processes

Written by `python -m lerarlink.tools.process_pages` from the declarations; a test holds it to them.
`lerar nodes doc NAME` prints one of these pages.
"""


def page() -> str:
    """Return the reference page of all processes of lerarlink itself, by family."""
    own = [c for c in registry.everything() if c.__module__.startswith("lerarlink.nodes.")]
    parts = [_HEAD]
    for family in sorted({c.id.partition(".")[0] for c in own}):
        parts.append(f"## {family}\n")
        parts += [section(c) for c in own if c.id.startswith(f"{family}.")]
    return "\n".join(parts)


def section(cls: type[Process]) -> str:
    """Return the page of one process, as Markdown."""
    lines = [f"### {cls.__name__}", "", f"`{cls.id}`, version {cls.version}{_states(cls)}", ""]
    lines += [inspect.cleandoc(cls.__doc__ or ""), ""]
    lines += _table("Input", ("port", "takes", ""), (_input(p) for p in cls.inputs))
    lines += _table("Output", ("port", "gives", ""), (_output(p) for p in cls.outputs))
    lines += _table("Parameter", ("type", "default", "range", ""), (_param(s) for s in cls.params.values()))
    return "\n".join(lines)


def _states(cls: type[Process]) -> str:
    wants = f"; wants {cls.requires} data" if cls.requires else ""
    return wants + (f"; gives {cls.gives} data" if cls.gives else "")


def _input(port: Port) -> tuple[str, str, str]:
    kind = f"a series of {port.type}s" if port.many else port.type
    return f"`{port.name}`", kind + (", optional" if port.optional else ""), port.doc


def _output(port: Port) -> tuple[str, str, str]:
    return f"`{port.name}`", port.type, port.doc


def _param(spec: Spec) -> tuple[str, ...]:
    default = "required" if spec.required else f"`{spec.default!r}`"
    limits = " ".join(t for t in (spec.range_text, spec.unit) if t)
    return f"`{spec.name}`", spec.type_name, default, limits, spec.doc


def _table(first: str, others: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    cells = [tuple(c.replace("|", "\\|").replace("\n", " ") for c in row) for row in rows]
    if not cells:
        return []
    width = len(cells[0])
    head = (first, *others)[:1] + others[-(width - 1) :]
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * width}",
        *(f"| {' | '.join(row)} |" for row in cells),
        "",
    ]


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "processes.md"
    target.write_text(page(), "utf-8")
