"""Frames that belong together: taken alike, so that they are integrated or calibrated alike."""

from __future__ import annotations

import datetime as dt
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import names
from .records import FrameRecord, Kind

ROLES = {"light": "light", "flat": "flat", "dark": "dark", "darkflat": "dark flat", "bias": "bias"}
WORDS = ("camera", "gain", "offset", "read_mode", "temperature")
"""Words that `Rules.ignore` may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How alike frames must be.

    Attributes
    ----------
    temperature
        Degrees by which the sensors of a frame and its dark may differ.
    exposure
        Seconds by which a light and its dark, a flat and its dark flat may differ.
    ignore
        Words that need not agree, some of `WORDS`.
    keywords
        The user's words that must agree where both sides have them.
    optimize_darks
        A dark of another exposure may be scaled, if there is a bias.
    without
        Kinds of calibration frames that are done without on purpose.
    split_by
        Words (exposure, night, gain, or keywords of the user) whose lights are integrated apart.
    """

    temperature: float = 2.0
    exposure: float = 0.5
    ignore: frozenset[str] = frozenset()
    keywords: tuple[str, ...] = ()
    optimize_darks: bool = False
    without: frozenset[str] = frozenset()
    split_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Frames of one kind that were taken alike; a master file is a group of its own.

    Attributes
    ----------
    name
        Unique; the name of its node: ``light-R``, ``dark-300s``.
    title
        The same for reading: ``flat R, gain 100``.
    first
        A record that stands for all in what they have in common.
    exposure, temperature
        Medians of those that are known.
    """

    kind: Kind
    records: tuple[FrameRecord, ...]
    name: str = ""
    title: str = ""
    master: bool = False
    exposure: float | None = None
    temperature: float | None = None
    first: FrameRecord = field(repr=False)

    @classmethod
    def of(cls, records: Sequence[FrameRecord]) -> Group:
        first = records[0]
        return cls(
            kind=first.kind,
            records=tuple(records),
            master=first.master,
            exposure=_median(r.exposure for r in records),
            temperature=_median(r.temperature for r in records),
            first=first,
        )

    @property
    def count(self) -> str:
        """How many frames of what, such as ``20 darks`` or ``1 master dark``."""
        n, role = len(self.records), ROLES[self.kind]
        if self.master:
            return f"a master {role}"
        return f"{n} {role}" if n == 1 else f"{n} {'biases' if role == 'bias' else role + 's'}"

    @property
    def nights(self) -> tuple[str, ...]:
        return tuple(sorted({r.night for r in self.records if r.night}))


def groups_of(records: Iterable[FrameRecord], rules: Rules) -> list[Group]:
    """Return *records* as groups, by kind and name; whatever order they come in."""
    ordered = sorted(records, key=lambda r: (r.start or "", r.path))
    finer = _finer_words(ordered, rules)
    found: dict[Any, list[FrameRecord]] = defaultdict(list)
    for record in ordered:
        found[_key(record, finer, rules)].append(record)
    groups: list[Group] = []
    for together in found.values():
        for cluster in _by_exposure(together, finer, rules):
            groups += [Group.of(c) for c in _by_temperature(cluster, finer, rules)]
    return named(groups)


def _finer_words(records: Sequence[FrameRecord], rules: Rules) -> dict[Kind, set[str]]:
    """Return by which further words frames of each kind are told apart, where that decides what they are linked to."""
    raw_flats = [r for r in records if r.kind == "flat" and not r.master]
    has_darks = any(r.kind == "dark" for r in records)
    has_bias = any(r.kind == "bias" for r in records)
    several_nights = len({r.night for r in records if r.kind == "flat"}) > 1
    light = {"exposure", *(["temperature"] if has_darks else []), *(["night"] if several_nights else [])}
    light |= {"night", "exposure", "temperature"} & set(rules.split_by)
    flat = {"night", *(["exposure"] if raw_flats and not has_bias else [])}
    made: dict[Kind, set[str]] = {
        "light": light,
        "flat": flat,
        "dark": {"exposure", "temperature"},
        "darkflat": {"exposure", "temperature"},
        "bias": {"temperature"},
    }
    return {kind: words - rules.ignore for kind, words in made.items()}


def _key(record: FrameRecord, finer: Mapping[Kind, set[str]], rules: Rules) -> Any:
    light_or_flat = record.kind in ("light", "flat")
    settings = ("gain", "offset", "read_mode", "camera")
    return (
        record.kind,
        record.path if record.master else None,
        (record.width, record.height, record.channels),
        record.binning,
        tuple(None if w in rules.ignore else getattr(record, w) for w in settings),
        (record.filter, record.cfa) if light_or_flat else None,
        record.object if record.kind == "light" else None,
        record.night if "night" in finer[record.kind] else None,
        tuple(sorted(record.keywords.items())),
    )


def _by_exposure(records: list[FrameRecord], finer: Mapping[Kind, set[str]], rules: Rules) -> list[list[FrameRecord]]:
    if "exposure" not in finer[records[0].kind]:
        return [records]
    if records[0].kind == "flat":
        # Flats of one panel differ by what the program found best; they share a dark flat all the same.
        return _clusters(records, lambda r: r.exposure, lambda shortest: 2.0 * rules.exposure)
    # Darks of 2.0 s and 2.4 s are two sets, though either would serve a frame of 2.2 s.
    return _clusters(records, lambda r: r.exposure, lambda shortest: max(0.01, 0.002 * shortest))


def _by_temperature(
    records: list[FrameRecord], finer: Mapping[Kind, set[str]], rules: Rules
) -> list[list[FrameRecord]]:
    if "temperature" not in finer[records[0].kind]:
        return [records]
    return _clusters(records, lambda r: r.temperature, lambda coldest: 2.0 * rules.temperature)


def _clusters(
    records: list[FrameRecord], value: Callable[[FrameRecord], float | None], span: Callable[[float], float]
) -> list[list[FrameRecord]]:
    """Return *records* cut into clusters that span no more than *span* of their least value; unknown ones apart."""
    known = sorted((r for r in records if value(r) is not None), key=lambda r: value(r) or 0.0)
    clusters: list[list[FrameRecord]] = []
    for record in known:
        begins = value(clusters[-1][0]) if clusters else None
        if begins is None or (value(record) or 0.0) - begins > span(begins) + 1e-9:
            clusters.append([])
        clusters[-1].append(record)
    if unknown := [r for r in records if value(r) is None]:
        clusters.append(unknown)
    place = {id(r): i for i, r in enumerate(records)}
    return [sorted(c, key=lambda r: place[id(r)]) for c in clusters]


# -- names ------------------------------------------------------------------------------------------


def named(groups: Sequence[Group]) -> list[Group]:
    """Return *groups* with names that tell them apart by what differs among those of a kind."""
    made: list[Group] = []
    taken: Counter[str] = Counter()
    for kind in ROLES:
        alike = sorted((g for g in groups if g.kind == kind), key=_order)
        telling = {w for w in _TELLING if len({_TELLING[w](g) for g in alike}) > 1}
        for group in alike:
            name, title = _name(group, telling)
            taken[name] += 1
            if taken[name] > 1:
                name, title = f"{name}-{taken[name]}", f"{title} ({taken[name]})"
            made.append(replace(group, name=name, title=title))
    return made


def _order(group: Group) -> tuple[Any, ...]:
    first = group.first
    return (
        first.filter or "", group.exposure or 0.0, group.temperature or 0.0, first.gain or 0.0, first.start or "",
        first.path,
    )  # fmt: skip


def colour(group: Group) -> str:
    """Return what stands for the filter in names: a mosaic without a filter word is a colour camera's."""
    return group.first.filter or ("OSC" if group.first.cfa else "mono")


_TELLING: dict[str, Callable[[Group], str]] = {
    "object": lambda g: (g.first.object or "") if g.kind == "light" else "",
    "exposure": lambda g: "" if g.exposure is None or g.kind in ("bias", "flat") else seconds(g.exposure),
    "gain": lambda g: "" if g.first.gain is None else f"gain {g.first.gain:g}",
    "offset": lambda g: "" if g.first.offset is None else f"offset {g.first.offset:g}",
    "read_mode": lambda g: g.first.read_mode or "",
    "temperature": lambda g: "" if g.temperature is None else celsius(g.temperature),
    "binning": lambda g: "bin {}x{}".format(*g.first.binning),
    "size": lambda g: f"{g.first.width}x{g.first.height}",
    "camera": lambda g: g.first.camera or "",
    "night": lambda g: "/".join(g.nights) if g.kind in ("light", "flat") and len(g.nights) == 1 else "",
    "keywords": lambda g: " ".join(f"{k} {v}" for k, v in sorted(g.first.keywords.items())),
}


def _name(group: Group, telling: set[str]) -> tuple[str, str]:
    head = f"master-{group.kind}" if group.master else group.kind
    spoken = f"master {ROLES[group.kind]}" if group.master else ROLES[group.kind]
    if group.kind in ("light", "flat"):
        main = [colour(group)]
    elif group.kind != "bias" and group.exposure is not None:
        main = [seconds(group.exposure)]
    else:
        main = []
    parts = {w: text for w, tell in _TELLING.items() if (text := tell(group))}
    in_name = [parts[w] for w in parts if w in telling and parts[w] not in main]
    in_title = [parts[w] for w in parts if (w in telling or w == "gain") and parts[w] not in main]
    name = "-".join([head, *(names.file_part(p.replace(" ", "")) for p in (*main, *in_name))])
    return name, ", ".join([" ".join([spoken, *main]), *in_title])


def seconds(value: float) -> str:
    return f"{value:.6g} s"


def celsius(value: float) -> str:
    return f"{value:.1f} C"


def nights_apart(a: Group, b: Group) -> int | None:
    """Return how many nights lie between two groups, 0 for a night they share; None where one is not known."""
    if not a.nights or not b.nights:
        return None
    days = [[dt.date.fromisoformat(n).toordinal() for n in g.nights] for g in (a, b)]
    return min(abs(x - y) for x in days[0] for y in days[1])


def _median(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return statistics.median(known) if known else None
