"""Parameters of PixInsight as those of processes here: names, types and enumerations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...engine.errors import ParameterError
from ...engine.params import Spec, checked
from .sheet import Sheet
from .xpsm_reading import Instance, Rows

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WHOLE = re.compile(r"[-+]?\d{1,18}")
_REAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?")


def snake(name: str) -> str:
    """Return ``rangeClipLow`` as ``range_clip_low``."""
    return _HUMP.sub("_", name).lower()


def plain(text: str) -> bool | int | float | str:
    """Return text as what it looks like: true and false, a number, or itself."""
    if text in ("true", "false"):
        return text == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _REAL.fullmatch(text) else text


def plain_table(rows: Rows) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(plain(cell) for cell in row.values()) for row in rows)


def kept(instance: Instance) -> dict[str, Any]:
    """Return all parameters and tables of an instance, for a placeholder."""
    names = re.compile(r"[A-Za-z_]\w*", re.A)
    found: dict[str, Any] = {k: plain(v) for k, v in instance.parameters.items() if names.fullmatch(k)}
    found |= {k: plain_table(v) for k, v in instance.tables.items() if names.fullmatch(k)}
    if instance.description:
        found.setdefault("description", instance.description)
    return found


def typed(spec: Spec, text: str, words: Mapping[str, Any] | None = None) -> Any:
    """Return *text* as a value of parameter *spec*.

    Parameters
    ----------
    words
        What enumeration values become that are not merely written in another way.

    Raises
    ------
    ParameterError
        It is no legal value.
    """
    value: Any
    if words is not None and text in words:
        value = words[text]
    elif spec.choices and isinstance(spec.choices[0], str):
        value = _choice(spec, text)
    elif spec.type is str:
        value = text
    else:
        value = plain(text.strip())
        if isinstance(value, float) and value.is_integer() and spec.type is int:
            value = int(value)
    return checked(spec, value, "PixInsight's value")


def _choice(spec: Spec, text: str) -> str:
    """Return the choice that is written like *text* but for case and underscores, with or without a prefix."""
    for candidate in (text, text.rpartition("_")[2], text.rpartition("::")[2]):
        wanted = candidate.replace("_", "").lower()
        for choice in spec.choices:
            if choice.replace("_", "").lower() == wanted:
                return str(choice)
    return text


class Reading:
    """Takes the parameters of one instance; what nobody took is told at the end."""

    def __init__(self, sheet: Sheet, instance: Instance) -> None:
        self.sheet = sheet
        self.instance = instance
        self.left = dict(instance.parameters)
        self.tables = dict(instance.tables)

    def text(self, name: str, default: str = "") -> str:
        return self.left.pop(name, default)

    def truth(self, name: str, default: bool = False) -> bool:
        return self.left.pop(name, str(default)).strip().lower() == "true"

    def number(self, name: str, default: float) -> float:
        text = self.left.pop(name, "")
        value = plain(text.strip()) if text else default
        return float(value) if isinstance(value, int | float) else default

    def rows(self, name: str) -> Rows:
        return self.tables.pop(name, ())

    def params(
        self,
        process: str,
        renamed: Mapping[str, str] | None = None,
        words: Mapping[str, Mapping[str, Any]] | None = None,
        but: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Take every parameter that *process* has, by the same name in snake case or as *renamed*."""
        from ...engine import registry

        specs: Mapping[str, Spec] = registry.find(process).params
        found: dict[str, Any] = {}
        for name in list(self.left):
            own = (renamed or {}).get(name, snake(name))
            if own in specs and own not in but:
                text = self.left.pop(name)
                try:
                    value = typed(specs[own], text, (words or {}).get(name))
                except ParameterError as e:
                    self.sheet.note("unmapped", f"{self.instance.kind}.{name} = {text[:60]}", str(e))
                    continue
                # What is at its default anyway would only hide what was chosen.
                if specs[own].required or value != specs[own].default:
                    found[own] = value
        return found

    def neutral(self, **values: bool | float | str) -> None:
        """Take parameters that have no counterpart and need none at these values; others are told."""
        for name, value in values.items():
            if name not in self.left:
                continue
            text = self.left.pop(name)
            if plain(text.strip()) != value:
                self.sheet.note(
                    "unmapped", f"{self.instance.kind}.{name} = {text[:60]}",
                    f"has no counterpart, which does not matter only where it is {value!r}",
                )  # fmt: skip

    def idle(self, *names: str) -> None:
        """Take parameters that have no say in pixels (``*`` at the end: all that begin so)."""
        taken = self._taken(names)
        if taken:
            self.sheet.note("idle", ", ".join(taken), "no say in pixels, or in how they are come by here")

    def other(self, why: str, *names: str) -> None:
        """Take parameters of a method that is another one here."""
        taken = self._taken(names)
        if taken:
            self.sheet.note("differs", ", ".join(taken), why)

    def _taken(self, names: Iterable[str]) -> list[str]:
        taken = []
        for name in [n for n in self.left if any(_fits(n, wanted) for wanted in names)]:
            del self.left[name]
            taken.append(name)
        for name in [n for n in self.tables if any(_fits(n, wanted) for wanted in names)]:
            del self.tables[name]
            taken.append(name)
        return taken

    def done(self) -> None:
        """Tell what is left."""
        for name, text in self.left.items():
            self.sheet.note("unmapped", f"{self.instance.kind}.{name} = {text[:60]}", "has no counterpart")
        for name, rows in self.tables.items():
            if rows:
                why = f"a table of {len(rows)} rows, has no counterpart"
                self.sheet.note("unmapped", f"{self.instance.kind}.{name}", why)


def _fits(name: str, wanted: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted
