"""Which calibration frames serve which others, and why; for each link that is missing, the nearest miss and a cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ...engine.errors import unresolved
from . import names
from .differences import Difference, differences, matching_keywords, unknown
from .group import ROLES, Group, Rules, celsius, colour, groups_of, nights_apart, seconds
from .records import FrameRecord

Role = Literal["dark", "bias", "flat", "darkflat"]
Status = Literal["linked", "unresolved", "unneeded", "waived"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLink:
    """One calibration step of a group of frames.

    Attributes
    ----------
    target
        The frames to be calibrated.
    role
        What with.
    status
        linked; unresolved: nothing fits; unneeded: another link does it; waived: done without on purpose.
    source
        What is linked.
    reason
        Why it matches, or why it is not needed.
    scaled
        The dark has another exposure and is scaled, its bias taken off.
    nearest, wanted, there
        For an unresolved link the candidate that comes nearest; what is wanted, and what it has instead.
    cure
        What would help.
    """

    target: Group
    role: Role
    status: Status
    source: Group | None = None
    reason: str = ""
    scaled: bool = False
    nearest: Group | None = None
    wanted: str = ""
    there: str = ""
    cure: str = ""

    @property
    def miss(self) -> str:
        """What is missing, in a sentence: ``dark flat of 2.5 s wanted, nearest is 5 s (20 dark flats)``."""
        nearest = f"nearest is {self.there} ({self.nearest.count})" if self.nearest else "there is none"
        return f"{ROLES[self.role]} of {self.wanted} wanted, {nearest}"

    def __str__(self) -> str:
        if self.status == "unresolved":
            return unresolved(self.target.title, self.miss, cure=self.cure)
        if self.source is None:
            return f"{self.target.title}: {ROLES[self.role]} {self.reason}"
        return f"{self.target.title}: {ROLES[self.role]} is {self.source.title}, by {self.reason}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is not used, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """All groups and what links them.

    Attributes
    ----------
    groups
        Lights, flats, darks, dark flats and biases.
    links
        One for each calibration step of each group, lights first.
    left_out
        Files that are not used.
    notes
        What else ought to be told.
    """

    rules: Rules = field(default_factory=Rules)
    groups: tuple[Group, ...] = ()
    links: tuple[FrameLink, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def broken(self) -> tuple[FrameLink, ...]:
        return tuple(link for link in self.links if link.status == "unresolved")

    def of(self, target: Group) -> dict[Role, FrameLink]:
        return {link.role: link for link in self.links if link.target.name == target.name}

    def lights(self) -> tuple[Group, ...]:
        return tuple(g for g in self.groups if g.kind == "light")


def match(records: Iterable[FrameRecord], rules: Rules | None = None) -> Matching:
    """Return the groups of *records* and the links between them.

    A light wants a dark and a flat, a flat a dark flat or else a bias. Size, binning, camera, gain, offset and read
    mode must agree as far as both sides tell them; darks also in exposure and temperature; flats in filter instead
    of camera settings. Of several that fit, the one that agrees in the most words is linked, then the nearest in
    night, exposure and temperature, then a master, then the larger set.
    """
    rules = rules or Rules()
    used, left_out = [], []
    for record in records:
        if record.kind == "light" and record.master:
            left_out.append(LeftOut(record.path, "a finished stack of lights, not a raw frame"))
        else:
            used.append(record)
    groups = groups_of(used, rules)
    links = [link for group in groups for link in links_of(group, groups, rules)]
    notes = [f"{r.path}: {doubt}" for r in used for doubt in r.doubts]
    return Matching(
        rules=rules, groups=tuple(groups), links=tuple(links), left_out=tuple(left_out), notes=tuple(notes)
    )


def links_of(target: Group, groups: Sequence[Group], rules: Rules) -> Iterator[FrameLink]:
    """Yield the links of one group: those of a light or of raw flats; others are not calibrated."""
    if target.kind == "light":
        dark, bias = _dark_and_bias(target, groups, rules)
        yield from (dark, bias, _one(target, "flat", groups, rules))
    elif target.kind == "flat" and not target.master:
        yield from _dark_flat_and_bias(target, groups, rules)


# -- lights -----------------------------------------------------------------------------------------


def _dark_and_bias(target: Group, groups: Sequence[Group], rules: Rules) -> tuple[FrameLink, FrameLink]:
    dark = _one(target, "dark", groups, rules)
    if dark.status == "linked":
        return dark, FrameLink(target=target, role="bias", status="unneeded", reason="not needed: it is in the dark")
    bias = _one(target, "bias", groups, rules)
    if dark.status == "unresolved" and bias.status == "linked" and rules.optimize_darks:
        dark = _scaled_dark(target, groups, rules) or dark
    if dark.status == "unresolved" and bias.status == "unresolved":
        # One thing is missing, not two: with a dark no bias is needed.
        bias = FrameLink(target=target, role="bias", status="unneeded", reason="none that fits; a dark is wanted")
    return dark, bias


def _scaled_dark(target: Group, groups: Sequence[Group], rules: Rules) -> FrameLink | None:
    """Return the dark of the nearest exposure, which is all that may differ."""
    def only_exposure(group: Group) -> bool:
        return [d.word for d in differences(target, group, "dark", rules)] == ["exposure"]

    found = [g for g in _candidates("dark", groups) if only_exposure(g)]
    if not found:
        return None
    best = min(found, key=lambda g: _preference(target, g, "dark", rules))
    reason = f"{reason_of(target, best, 'dark')}, scaled from {seconds(best.exposure or 0.0)}"
    return FrameLink(target=target, role="dark", status="linked", source=best, reason=reason, scaled=True)


# -- flats ------------------------------------------------------------------------------------------


def _dark_flat_and_bias(target: Group, groups: Sequence[Group], rules: Rules) -> Iterator[FrameLink]:
    dark = _one(target, "darkflat", groups, rules)
    if dark.status == "linked":
        yield dark
        yield FrameLink(target=target, role="bias", status="unneeded", reason="not needed: it is in the dark flat")
        return
    bias = _one(target, "bias", groups, rules)
    if bias.status == "linked" and dark.status == "unresolved":
        miss = f" ({dark.miss})" if dark.nearest else ""
        reason = f"not needed: the bias serves{miss}"
        yield FrameLink(target=target, role="darkflat", status="unneeded", reason=reason)
        yield bias
        return
    yield dark
    if dark.status == "unresolved":
        # One thing is missing, not two: a dark flat or a bias would do.
        yield FrameLink(target=target, role="bias", status="unneeded", reason="none that fits; a dark flat is wanted")
    else:
        yield bias


# -- one link ---------------------------------------------------------------------------------------


def _candidates(role: Role, groups: Sequence[Group]) -> list[Group]:
    # Most programs have no word for dark flats: any dark of the flat's exposure is one.
    kinds = ("darkflat", "dark") if role == "darkflat" else (role,)
    return [g for g in groups if g.kind in kinds]


def _one(target: Group, role: Role, groups: Sequence[Group], rules: Rules) -> FrameLink:
    if role in rules.without:
        return FrameLink(target=target, role=role, status="waived", reason="done without, as told")
    found = _candidates(role, groups)
    fits = [g for g in found if not differences(target, g, role, rules)]
    if fits:
        best = min(fits, key=lambda g: _preference(target, g, role, rules))
        return FrameLink(
            target=target, role=role, status="linked", source=best, reason=reason_of(target, best, role)
        )
    return _unresolved(target, role, found, rules)


def _unresolved(target: Group, role: Role, found: Sequence[Group], rules: Rules) -> FrameLink:
    if not found:
        wanted = _specification(target, role)
        return FrameLink(target=target, role=role, status="unresolved", wanted=wanted, cure=_cure(target, role, []))
    nearest = min(found, key=lambda g: _distance(target, g, role, rules))
    apart = differences(target, nearest, role, rules)
    return FrameLink(
        target=target,
        role=role,
        status="unresolved",
        nearest=nearest,
        wanted=", ".join(d.wanted for d in apart),
        there=", ".join(d.there for d in apart),
        cure=_cure(target, role, apart),
    )


def _preference(target: Group, source: Group, role: Role, rules: Rules) -> tuple[Any, ...]:
    """Return what sorts candidates that all fit, the best first; no two are alike."""
    nights = nights_apart(target, source)
    exposure = abs((target.exposure or 0.0) - (source.exposure or 0.0)) if role in ("dark", "darkflat") else 0.0
    other_gain = role == "flat" and _apart(target.first.gain, source.first.gain) > 0
    return (
        -matching_keywords(target, source),
        len(unknown(target, source, role, rules)),
        0 if role != "flat" or nights is None else nights,
        other_gain,
        round(exposure, 3),
        role == "darkflat" and source.kind != "darkflat",
        _apart(target.temperature, source.temperature),
        0 if nights is None else nights,
        not source.master,
        -len(source.records),
        source.name,
    )


def _distance(target: Group, source: Group, role: Role, rules: Rules) -> tuple[Any, ...]:
    apart = differences(target, source, role, rules)
    return len(apart), sum(d.grave for d in apart), sum(d.amount for d in apart), -len(source.records), source.name


def _apart(a: float | None, b: float | None) -> float:
    return 0.0 if a is None or b is None else abs(a - b)


# -- words ------------------------------------------------------------------------------------------


def reason_of(target: Group, source: Group, role: Role) -> str:
    """Return in what the two agree: ``exposure 300 s, gain 100, -10.0 C: 20 darks``."""
    told = [*_specified(target, role)] or [f"{target.first.width}x{target.first.height}"]
    nights = nights_apart(target, source) if role == "flat" else None
    if nights is not None:
        told.append("the same night" if nights == 0 else f"{nights} night{'s' if nights > 1 else ''} apart")
    silent = unknown(target, source, role, Rules())
    return f"{', '.join(told)}: {source.count}" + (f"; not told: {', '.join(silent)}" if silent else "")


def _specification(target: Group, role: Role) -> str:
    told = (text.removeprefix("exposure ") for text in _specified(target, role))
    return ", ".join([*told, f"{target.first.width}x{target.first.height}"])


def _specified(target: Group, role: Role) -> Iterator[str]:
    first = target.first
    if role in ("dark", "darkflat") and target.exposure is not None:
        yield f"exposure {seconds(target.exposure)}"
    if role == "flat":
        yield f"filter {first.filter}" if first.filter else colour(target)
    elif first.gain is not None:
        yield f"gain {first.gain:g}"
    if role != "flat" and first.offset is not None:
        yield f"offset {first.offset:g}"
    if role in ("dark", "darkflat") and target.temperature is not None:
        yield celsius(target.temperature)
    if first.binning != (1, 1):
        yield "bin {}x{}".format(*first.binning)


def _cure(target: Group, role: Role, apart: Sequence[Difference]) -> str:
    words = {d.word for d in apart}
    cures = [f"add {_plural(role)} of {_specification(target, role)}"]
    if words == {"exposure"} and role == "dark":
        cures.append("biases and --optimize-darks, to scale those there are")
    elif words == {"exposure"} and role == "darkflat":
        cures.append("biases, which serve short flats as well")
    elif words == {"temperature"}:
        cures.append(f"--temperature-tolerance {apart[0].amount + 0.05:.1f}")
    elif words == {"filter"} and not names.is_usual(there := apart[0].there.removeprefix("filter ")):
        # A name that only one program or wheel has may well be another one for the same filter.
        cures.append(f"if it is the same filter, --filter-name '{there}={target.first.filter or 'none'}'")
    elif len(words) == 1 and words <= {"camera", "gain", "offset", "read_mode"}:
        cures.append(f"--ignore {next(iter(words))}")
    elif role == "darkflat":
        cures.append("biases")
    cures.append(f"--without {role}")
    return "cure: " + ", or ".join(cures)


def _plural(role: Role) -> str:
    return "biases" if role == "bias" else ROLES[role] + "s"
