"""Links as plain text, a block for each group that is calibrated."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from .group import ROLES
from .match import FrameLink, Matching

_WIDTH = 100


def draw(matching: Matching) -> str:
    """Return the links as text of at most 100 columns; a missing one is marked ``X``."""
    lines = [*_blocks(matching), *_unused(matching), *_lists(matching), _sum(matching)]
    return "\n".join(lines) + "\n"


def _blocks(matching: Matching) -> Iterator[str]:
    for group in matching.groups:
        links = list(matching.of(group).values())
        if not links:
            continue
        yield f"{group.title}: {group.count}"
        for link in links:
            yield from _link(link, last=link is links[-1])
        yield ""


def _link(link: FrameLink, *, last: bool) -> Iterator[str]:
    stem, below = ("`- ", "   ") if last else ("|- ", "|  ")
    role = ROLES[link.role]
    if link.status == "unresolved":
        yield from _wrapped(f"{stem}X  {role:9} ", f"{below}   {'':9} ", f"unresolved link: {link.miss}")
        yield from _wrapped(f"{below}   {'':9} ", f"{below}   {'':9} ", link.cure)
    elif link.source is None:
        yield from _wrapped(f"{stem}-  {role:9} ", f"{below}   {'':9} ", link.reason)
    else:
        yield f"{stem}<- {role:9} {link.source.title}"
        yield from _wrapped(f"{below}   {'':9} ", f"{below}   {'':9} ", link.reason)


def _wrapped(first: str, others: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )


def _unused(matching: Matching) -> Iterator[str]:
    used = {link.source.name for link in matching.links if link.source}
    idle = [g for g in matching.groups if g.kind != "light" and g.name not in used]
    if idle:
        yield "linked to nothing:"
        yield from (f"   {g.title}: {g.count}" for g in idle)
        yield ""


def _lists(matching: Matching) -> Iterator[str]:
    if matching.left_out:
        yield "left out:"
        yield from (f"   {item.path}: {item.why}" for item in matching.left_out)
        yield ""
    if matching.notes:
        yield "to be noted:"
        yield from (f"   {note}" for note in matching.notes)
        yield ""


def _sum(matching: Matching) -> str:
    lights = sum(len(g.records) for g in matching.lights())
    linked, broken = sum(link.status == "linked" for link in matching.links), len(matching.broken)
    return f"{_many(lights, 'light')}, {_many(linked, 'link')}, {_many(broken, 'unresolved link')}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
