"""A difference in words: lines for people, plain data for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...engine import registry
from ...engine.errors import UnknownProcessError
from ..schema import Document
from .changes import Change, Difference, Kind

_MOST_NAMES = 8
_LONG_LIST = 6
_LONG_TEXT = 60
WORDS: dict[Kind, str] = {
    "removed": "removed", "added": "added", "replaced": "replaced", "updated": "updated", "renamed": "renamed",
    "rewired": "rewired", "retuned": "retuned", "described": "noted", "document": "graph",
}  # fmt: skip


def lines(found: Difference) -> list[str]:
    """Return the changes, a line each, what was merely affected, and what it means for the outputs."""
    made = [f"{WORDS[c.kind]:<8} {sentence(c)}" for c in found.changes]
    if found.affected:
        made.append(f"{'affected':<8} {some(found.affected)}")
    made += [f"note: {text}" for text in notes(found)]
    if found:
        made.append(meaning(found))
    return made


def meaning(found: Difference) -> str:
    """Return what the changes mean, as far as the graphs alone can tell."""
    if not found.new_results and not found.outputs:
        return "no output changes"
    told = f"outputs {some(found.outputs)} change" if len(found.outputs) > 1 else ""
    told = told or (f"output {found.outputs[0]} changes" if found.outputs else "no output changes")
    return f"{told}; {len(found.new_results)} of {len(found.b.nodes)} nodes give something else"


def notes(found: Difference) -> list[str]:
    if not found.moved_files:
        return []
    many = found.moved_files
    paths = "1 relative path is" if many == 1 else f"{many} relative paths are"
    return [f"{paths} written alike, but seen from another folder: {found.a.folder or '.'}, {found.b.folder or '.'}"]


def sentence(change: Change) -> str:
    """Return one change without its kind: ``median-6: radius 2 -> 3 px``."""
    if change.kind == "added":
        return f"{change.node}: {_what(change.after)}{_fed(change.after)}"
    if change.kind == "removed":
        return f"{change.node}: {_what(change.before)}"
    if change.kind == "renamed":
        return f"{change.node} (was {change.before})"
    if change.kind == "replaced":
        return f"{change.node}: {_what(change.before)} -> {_what(change.after)}"
    if change.kind == "updated":
        return f"{change.node}: version {change.before} -> {change.after}"
    if change.kind == "rewired":
        return f"{change.node}: {change.item} {_link(change.before)} -> {_link(change.after)}"
    where = f"{change.node}: " if change.node else ""
    before, after = both(change.before, change.after)
    before = _marked(before, change.before, change.was_set)
    after = _marked(after, change.after, change.is_set)
    if before == after:  # a file that holds something else now
        after += " (another content)"
    return f"{where}{change.item} {before} -> {after}{' ' + change.unit if change.unit else ''}"


def _marked(text: str, value: Any, is_set: bool) -> str:
    if is_set:
        return text
    return "(not set)" if value is None else f"{text} (default)"


def both(before: Any, after: Any) -> tuple[str, str]:
    """Return two values as texts that tell them apart; of two long lists, what one has and the other has not."""
    if isinstance(before, list) and isinstance(after, list) and max(len(before), len(after)) > _LONG_LIST:
        return f"[{len(before)} items]", f"[{len(after)} items{_turnover(before, after)}]"
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > _LONG_TEXT:
        start = next((i for i, (x, y) in enumerate(zip(before, after, strict=False)) if x != y), 0)
        start = max(0, min(start, max(len(before), len(after)) - 1) - _LONG_TEXT // 3)
        return _excerpt(before, start), _excerpt(after, start)
    return value(before), value(after)


def _excerpt(text: str, start: int) -> str:
    end = start + _LONG_TEXT
    return f"{'...' if start else ''}{text[start:end]!r}{'...' if end < len(text) else ''}"


def _turnover(before: list[Any], after: list[Any]) -> str:
    old, new = Counter(map(repr, before)), Counter(map(repr, after))
    gone, come = list((old - new).elements()), list((new - old).elements())
    told = [f"{sign} {some(items, 3)}" for sign, items in (("+", come), ("-", gone)) if items]
    return f"; {', '.join(told)}" if told else "; in another order"


def value(of: Any) -> str:
    """Return a value of a document as YAML would write it, nearly."""
    if of is None:
        return "none"
    if isinstance(of, bool):
        return "true" if of else "false"
    if isinstance(of, list | tuple):
        return f"[{', '.join(map(value, of))}]" if len(of) <= _LONG_LIST else f"[{len(of)} items]"
    if isinstance(of, Mapping):
        return ", ".join(f"{k}: {value(v)}" for k, v in of.items())
    if isinstance(of, str):
        return of if of and of.isprintable() and of == of.strip() and " -> " not in of else repr(of)
    return repr(of)


def some(names: Sequence[str], most: int = _MOST_NAMES) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def process_name(process: str) -> str:
    """Return the class name of a process; its id where it is not installed."""
    try:
        return registry.find(process).__name__
    except UnknownProcessError:
        return process


def _what(node: Document) -> str:
    params = node.get("params", {})
    told = [f"{k} = {value(v)}" for k, v in list(params.items())[:3]]
    told += [f"{len(params) - 3} more"] if len(params) > 3 else []
    return process_name(node["process"]) + (f" ({', '.join(told)})" if told else "")


def _fed(node: Document) -> str:
    feeds = node.get("feeds", {})
    return "".join(f", {port} from {_link(feed)}" for port, feed in feeds.items())


def _link(feed: Any) -> str:
    if feed is None:
        return "(nothing)"
    if isinstance(feed, str):
        return feed
    return f"[{', '.join(feed)}]" if len(feed) <= _LONG_LIST else f"[{len(feed)} links]"


def plain(found: Difference) -> dict[str, Any]:
    """Return a difference as plain data; the page on comparing tells what each field means."""
    return {
        "equal": not found,
        "a": found.a.title,
        "b": found.b.title,
        "changes": list(_changes(found)),
        "affected": list(found.affected),
        "outputs": list(found.outputs),
        "new_results": list(found.new_results),
        "nodes": {"a": len(found.a.nodes), "b": len(found.b.nodes), "paired": len(found.pairs)},
        "notes": notes(found),
    }


def _changes(found: Difference) -> Iterator[dict[str, Any]]:
    for c in found.changes:
        made: dict[str, Any] = {"kind": c.kind, "node": c.node}
        for name in ("item", "unit"):
            if text := getattr(c, name):
                made[name] = text
        made |= {"before": c.before, "after": c.after}
        if c.kind in ("retuned", "rewired"):
            made |= {"was_set": c.was_set, "is_set": c.is_set}
        yield made
