"""Values as references see them: trees of named entries, each a number (or one a channel) with unit and error."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import LinkError

# Numbers of a list that are still taken for channels or frames; longer ones belong to stars or pixels.
_MOST = 10_000
_PLAIN = (bool, int, float)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a Value.

    Attributes
    ----------
    value
        A number, a tuple with one for each channel, or anything else that only bare references take.
    unit
        As text; empty for pure numbers.
    error
        Standard error, shaped like *value*; None where it is not known.
    n
        Pixels or stars behind it; None where it is not known.
    flags
        What its maker says of it.
    """

    value: Any
    unit: str = ""
    error: Any = None
    n: int | None = None
    flags: str = ""


def entry_of(value: Any, path: tuple[str, ...], units: Mapping[str, str], owner: str) -> Entry:
    """Return what *path* leads to in a Value.

    Names are looked up one after the other, and joined by dots where a mapping has such a key. Below ``channels``
    (a list of mappings, one for each channel) and ``columns`` they need not be named.

    Parameters
    ----------
    units
        Units that the process declares for plain numbers, by key.
    owner
        What to call the Value in messages.

    Raises
    ------
    LinkError
        LNK-2: there is no such entry; names the nearest ones.
    """
    found = _lookup(value, path)
    if found is None:
        raise _unknown(value, path, owner)
    return _entry(found[0], _declared(value, path, units))


def row_of(value: Any, path: tuple[str, ...], row: int, rows: int) -> Entry | None:
    """Return one row of a column of a table Value with *rows* rows; None where it has no such column."""
    columns = value.get("columns") if isinstance(value, Mapping) else None
    key = ".".join(path)
    if not isinstance(columns, Mapping) or key not in columns or len(columns[key]) != rows:
        return None
    cell = columns[key][row]
    return Entry(_number(cell) if cell is not None else float("nan"), _declared(value, path, {}))


def _lookup(value: Any, path: tuple[str, ...]) -> tuple[Any] | None:
    """Return what a path leads to, in a tuple of one; None where it leads nowhere."""
    if not path:
        return (value,)
    if not isinstance(value, Mapping):
        return None
    for length in range(len(path), 0, -1):
        key = ".".join(path[:length])
        if key in value and (found := _lookup(value[key], path[length:])) is not None:
            return found
    channels = value.get("channels")
    if isinstance(channels, Sequence) and channels and all(isinstance(c, Mapping) for c in channels):
        found_all = [_lookup(c, path) for c in channels]
        return None if None in found_all else ([f[0] for f in found_all if f is not None],)
    columns = value.get("columns")
    return _lookup(columns, path) if isinstance(columns, Mapping) else None


def _declared(value: Any, path: tuple[str, ...], units: Mapping[str, str]) -> str:
    """Return the unit of a plain number: that of its column, or what the process declares for its key."""
    key = ".".join(path)
    told = value.get("units") if isinstance(value, Mapping) else None
    if isinstance(told, Mapping) and isinstance(told.get(key), str):
        return str(told[key])
    return units.get(key, units.get(path[-1], "") if path else "")


def _entry(found: Any, unit: str) -> Entry:
    if isinstance(found, Mapping) and "value" in found:
        n = found.get("n")
        flags = found.get("flags", "")
        return Entry(
            value=_numbers(found["value"]),
            unit=str(found.get("unit", unit)),
            error=_numbers(found.get("error")),
            n=int(np.min(n)) if n is not None and np.size(n) else None,
            flags=flags if isinstance(flags, str) else ", ".join(map(str, flags)),
        )
    return Entry(_numbers(found), unit)


def _numbers(found: Any) -> Any:
    """Return a number or a tuple of numbers where *found* is that; else what it is."""
    if isinstance(found, _PLAIN):
        return _number(found)
    if isinstance(found, np.ndarray) and found.ndim == 1 and found.size <= _MOST and found.dtype.kind in "biuf":
        found = found.tolist()
    if isinstance(found, list | tuple) and 0 < len(found) <= _MOST and all(isinstance(v, _PLAIN) for v in found):
        return tuple(_number(v) for v in found) if len(found) > 1 else _number(found[0])
    return found


def _number(value: Any) -> Any:
    return value if isinstance(value, bool) else float(value) if isinstance(value, int | float) else value


def _unknown(value: Any, path: tuple[str, ...], owner: str) -> LinkError:
    key, has = ".".join(path), sorted(set(keys_of(value)))
    near = difflib.get_close_matches(key, has, n=3, cutoff=0.5) or has[:6]
    if not has:
        return LinkError("LNK-2", f"{owner} has no entry '{key}': it is no tree of named entries")
    return LinkError("LNK-2", f"{owner} has no entry '{key}'", cure=f"near it: {', '.join(near)}")


def keys_of(value: Any, prefix: str = "", depth: int = 6) -> Iterator[str]:
    """Yield the dotted keys of all entries of a Value, those of its channels once."""
    if not isinstance(value, Mapping) or depth == 0:
        return
    for key, item in value.items():
        if key in ("channels", "columns") and not prefix:
            for inner in item[:1] if isinstance(item, list | tuple) else [item]:
                yield from keys_of(inner, "", depth - 1)
        elif isinstance(item, Mapping) and "value" not in item:
            yield from keys_of(item, f"{prefix}{key}.", depth - 1)
        else:
            yield f"{prefix}{key}"
