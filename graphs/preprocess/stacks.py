"""Which lights are integrated into which master, and which cannot be."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import names
from .group import Group, Rules, celsius, colour, seconds
from .match import LeftOut, Matching


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Lights that become one master.

    Attributes
    ----------
    name
        Unique: the filter; with the object before it, where there are several.
    filter
        As in the names of files: ``R``, ``OSC``, ``mono``.
    object
        What was looked at; empty where that is not known.
    groups
        The groups of lights, each calibrated in its own way.
    """

    name: str
    filter: str
    object: str
    groups: tuple[Group, ...]

    @property
    def count(self) -> int:
        return sum(len(g.records) for g in self.groups)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files of all lights, in the order in which they are integrated."""
        return tuple(r.path for g in self.groups for r in g.records)

    @property
    def mosaic(self) -> bool:
        """Whether these are frames of a colour camera."""
        return self.groups[0].first.cfa is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """All stacks, what is left out of them, and what ought to be told."""

    stacks: tuple[Stack, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def objects(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(s.object for s in self.stacks))

    def of(self, object: str) -> tuple[Stack, ...]:
        return tuple(s for s in self.stacks if s.object == object)


def stacks_of(matching: Matching, *, register: bool) -> Stacks:
    """Return the stacks of the lights in *matching*: one for each object, filter, and word in `Rules.split_by`.

    Frames that are registered all lie on one grid, so those of another sensor size than most are left out; without
    registration they become masters of their own.
    """
    lights = matching.lights()
    known = _objects(lights)
    left_out: list[LeftOut] = []
    together: dict[tuple[str, ...], list[Group]] = defaultdict(list)
    for object in dict.fromkeys(known.values()):
        mine = [g for g in lights if known[g.name] == object]
        main = _main_size(mine)
        for group in mine:
            if register and not _fits(_sensor(group), main, group):
                left_out += _other_size(group, main)
            else:
                together[object, *_apart(group, matching.rules, register)].append(group)
    keys = sorted(together, key=lambda k: (k[0], _place(k[1]), k[1:]))
    stacks = _named([(k, tuple(together[k])) for k in keys])
    return Stacks(stacks=stacks, left_out=tuple(left_out), notes=tuple(_few(stacks)))


_ORDER = ("L", "R", "G", "B", "Ha", "OIII", "SII")


def _place(filter: str) -> int:
    return _ORDER.index(filter) if filter in _ORDER else len(_ORDER)


def _objects(lights: Sequence[Group]) -> dict[str, str]:
    """Return the object of each group of lights; frames without one belong to the only one there is."""
    spelled = {"".join(g.first.object.lower().split()): g.first.object for g in lights if g.first.object}
    only = next(iter(spelled.values())) if len(spelled) == 1 else ""
    return {g.name: spelled["".join(g.first.object.lower().split())] if g.first.object else only for g in lights}


def _sensor(group: Group) -> tuple[int, int]:
    first = group.first
    return first.width * first.binning[0], first.height * first.binning[1]


def _main_size(groups: Iterable[Group]) -> tuple[int, int]:
    counts: Counter[tuple[int, int]] = Counter()
    for group in groups:
        counts[_sensor(group)] += len(group.records)
    return max(counts, key=lambda size: (counts[size], size))


def _fits(size: tuple[int, int], main: tuple[int, int], group: Group) -> bool:
    # Binning drops the columns and rows that do not fill a pixel.
    slack = 2 * max(*group.first.binning, 2)
    return all(abs(a - b) <= slack for a, b in zip(size, main, strict=True))


def _other_size(group: Group, main: tuple[int, int]) -> list[LeftOut]:
    first = group.first
    binned = f" binned {first.binning[0]}x{first.binning[1]}" if first.binning != (1, 1) else ""
    why = f"{first.width}x{first.height}{binned} pixels; most lights are {main[0]}x{main[1]} unbinned"
    return [LeftOut(record.path, why) for record in group.records]


def _apart(group: Group, rules: Rules, register: bool) -> tuple[str, ...]:
    """Return what keeps the master of *group* apart from others; the filter first."""
    size = "" if register else f"{group.first.width}x{group.first.height}"
    kind = "mosaic" if group.first.cfa else ""
    return colour(group), kind, size, *(_word(group, w) for w in rules.split_by)


def _word(group: Group, word: str) -> str:
    first = group.first
    if word == "exposure":
        return "" if group.exposure is None else seconds(group.exposure)
    if word == "temperature":
        return "" if group.temperature is None else celsius(group.temperature)
    if word == "night":
        return "/".join(group.nights)
    if word == "gain":
        return "" if first.gain is None else f"gain {first.gain:g}"
    return str(first.keywords.get(word, getattr(first, word, "") or ""))


def _named(found: Sequence[tuple[tuple[str, ...], tuple[Group, ...]]]) -> tuple[Stack, ...]:
    """Return stacks with names made of what tells them apart."""
    several_objects = len({key[0] for key, _ in found}) > 1
    telling = [i for i in range(2, max((len(k) for k, _ in found), default=0)) if len({k[i] for k, _ in found}) > 1]
    made = []
    for key, groups in found:
        parts = [*([key[0]] if several_objects and key[0] else []), key[1], *(key[i] for i in telling if key[i])]
        name = "_".join(names.file_part(p.replace(" ", "")) for p in parts)
        made.append(Stack(name=name, filter=names.file_part(key[1]), object=key[0], groups=groups))
    return tuple(made)


def _few(stacks: Iterable[Stack]) -> Iterable[str]:
    for stack in stacks:
        if stack.count == 1:
            yield f"{stack.name}: 1 light only; its master is that frame alone, nothing is averaged or rejected"
        elif stack.count == 2:
            yield f"{stack.name}: 2 lights only; they are averaged, outliers cannot be told"
