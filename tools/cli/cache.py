"""`lerar cache`: look after the store of results."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from datetime import datetime

import rich_click as click

from ._group import common
from ._output import note, size, table, tell, tell_json

_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B?", re.IGNORECASE)


@click.group("cache")
@common
def command() -> None:
    """Look after the store: measured values, kept pixels, digests of sources, compiled loops.

    Everything in it can be made again.
    """


@command.command("ls")
@click.option("--all", "every", is_flag=True, help="One line for each file.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common
def ls(every: bool, as_json: bool) -> None:
    """Say what the store holds."""
    from ...engine.store import Store

    store = Store()
    entries = list(store.entries())
    kinds: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        kinds[entry.kind].append(entry.bytes)
    totals = {kind: {"files": len(b), "bytes": sum(b)} for kind, b in kinds.items()}
    total = sum(e.bytes for e in entries)
    if as_json:
        files = [{"kind": e.kind, "key": e.key, "bytes": e.bytes, "modified": e.modified} for e in entries]
        tell_json({"folder": str(store.root), "bytes": total, "kinds": totals, **({"files": files} if every else {})})
        return
    if every:
        rows = [(e.kind, e.key, size(e.bytes), _when(e.modified)) for e in entries]
        tell(table(("kind", "key", "size", "written"), rows, right=[2]))
    else:
        rows = [(kind, str(t["files"]), size(t["bytes"]), "") for kind, t in totals.items()]
        tell(table(("kind", "files", "size", ""), rows, right=[1, 2]))
    tell(f"{size(total)} in {store.root}")


@command.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common
def verify(as_json: bool) -> None:
    """Check every stored result against its checksum, and remove what is damaged."""
    from ...engine.store import Store

    store = Store()
    bad = store.verify()
    if as_json:
        tell_json({"folder": str(store.root), "removed": [{"kind": e.kind, "key": e.key} for e in bad]})
        return
    for entry in bad:
        tell(f"removed damaged {entry.kind[:-1]} {entry.key}")
    tell(f"{len(bad)} damaged in {store.root}" if bad else f"all sound in {store.root}")


@command.command("prune")
@click.option("--limit", required=True, metavar="SIZE", help="Bytes to keep at most, such as 2GB or 500MB.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common
def prune(limit: str, as_json: bool) -> None:
    """Remove the longest unused results until the store is no larger than a limit."""
    from ...engine.store import Store

    store = Store()
    gone = store.prune(_bytes(limit))
    freed = sum(e.bytes for e in gone)
    if as_json:
        tell_json({"folder": str(store.root), "removed": len(gone), "bytes": freed})
    else:
        tell(f"removed {len(gone)} files, {size(freed)}, from {store.root}")


@command.command("clear")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common
def clear(yes: bool, as_json: bool) -> None:
    """Remove everything the store made; other files in its folder stay."""
    from ...engine.store import Store

    store = Store()
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody is here to be asked: give --yes")
        if not click.confirm(f"Remove all results in {store.root}?", err=True):
            note("nothing removed")
            return
    freed = store.clear()
    if as_json:
        tell_json({"folder": str(store.root), "bytes": freed})
    else:
        tell(f"removed {size(freed)} from {store.root}")


def _bytes(text: str) -> int:
    found = _LIMIT.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"wanted a size such as 2GB or 500MB, got '{text}'", param_hint="--limit")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** " kmgt".index(found[2].lower() or " "))


def _when(stamp: float) -> str:
    return datetime.fromtimestamp(stamp).strftime("%Y-%m-%d %H:%M")
