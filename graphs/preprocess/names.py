"""What names of files, folders and filters say, as capture programs and people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

from ...engine.frame import Scalar

# -- frame types ------------------------------------------------------------------------------------

_KIND = re.compile(
    r"(?<![a-z])(master|stacked|combined|super)?[\s_-]*"
    r"(dark[\s_-]*flat|flat[\s_-]*dark|flat|dark|bias|light)(?:e?s|field|frame)?(?![a-z])"
)
_MASTER = re.compile(r"(?<![a-z])(master|combined|stacked|superbias|superdark|superflat|integration)")


def kind_in(inside: str) -> tuple[str, str] | None:
    """Return the frame type that a path names and the part that says so; the file's name, then the nearest folder."""
    parts = PurePath(inside.replace("\\", "/")).parts
    for part in reversed(parts):
        found = _KIND.search(part.lower())
        if found:
            kind = re.sub(r"[^a-z]", "", found[2]).replace("flatdark", "darkflat")
            return f"master-{kind}" if found[1] or says_master(part) else kind, part
    return None


def says_master(name: str) -> bool:
    return bool(_MASTER.search(name.lower()))


# -- words in names ---------------------------------------------------------------------------------

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_EDGE, _END = r"(?:^|(?<=[_\-\s/]))", r"(?=$|[_\-\s./])"
_PATTERNS: tuple[tuple[str, re.Pattern[str], float], ...] = (
    ("exposure", re.compile(rf"{_EDGE}(\d+(?:\.\d+)?)\s?ms{_END}", re.IGNORECASE), 0.001),
    ("exposure", re.compile(rf"{_EDGE}(\d+(?:\.\d+)?)\s?(?:s|sec|secs|seconds){_END}", re.IGNORECASE), 1.0),
    ("gain", re.compile(rf"{_EDGE}gain[_\-]?(\d+(?:\.\d+)?){_END}", re.IGNORECASE), 1.0),
    ("offset", re.compile(rf"{_EDGE}offset[_\-]?(\d+(?:\.\d+)?){_END}", re.IGNORECASE), 1.0),
    ("iso", re.compile(rf"{_EDGE}iso[_\-]?(\d+){_END}", re.IGNORECASE), 1.0),
    ("binning", re.compile(rf"{_EDGE}bin(?:ning)?[_\-]?(\d)(?:x\d)?{_END}", re.IGNORECASE), 1.0),
    ("temperature", re.compile(rf"(?:^|(?<=[_\s/])|(?<=-))({_NUMBER})\s?(?:deg)?C{_END}"), 1.0),
)
_FILTER_WORD = re.compile(rf"{_EDGE}filter[_\-]([A-Za-z0-9]+)", re.IGNORECASE)


def bare(inside: str) -> str:
    """Return a path with ``/`` throughout and without the extensions of image files."""
    return re.sub(r"\.(?:fits?|fts|xisf|fz|gz|tiff?)(?=\.|$)", "", inside.replace("\\", "/"), flags=re.IGNORECASE)


def words_in(inside: str) -> dict[str, tuple[Scalar, str]]:
    """Return what a path tells of a frame: word -> (value, how it was spelled). The last one in the path counts."""
    text = bare(inside)
    found: dict[str, tuple[Scalar, str]] = {}
    for word, pattern, unit in _PATTERNS:
        if word not in found and (hits := list(pattern.finditer(text))):
            found[word] = (round(float(hits[-1][1]) * unit, 6), hits[-1][0].strip("_- /"))
    if named := list(_FILTER_WORD.finditer(text)):
        found["filter"] = (named[-1][1], named[-1][0])
    elif spelled := _filter_token(text):
        found["filter"] = (spelled, spelled)
    return found


def _filter_token(text: str) -> str | None:
    """Return the last part of a path that is the name of a usual filter and nothing else."""
    tokens = [t for t in re.split(r"[/_\-\s.]+", text) if t]
    return next((t for t in reversed(tokens) if _usual(t) and (t.isupper() or len(t) > 1)), None)


# -- filters ----------------------------------------------------------------------------------------

_FILTERS = {
    "L": ("l", "lum", "luminance", "luminosity"),
    "R": ("r", "red"),
    "G": ("g", "green"),
    "B": ("b", "blue"),
    "Ha": ("ha", "halpha", "hydrogenalpha"),
    "Hb": ("hb", "hbeta"),
    "OIII": ("oiii", "o3", "oxygeniii"),
    "SII": ("sii", "s2", "sulfurii", "sulphurii"),
    "NII": ("nii", "n2"),
}
_USUAL = {spelled: name for name, spellings in _FILTERS.items() for spelled in spellings}
_NO_FILTER = ("nofilter", "empty", "open", "noname", "nonefilter", "unfiltered")


def filter_name(spelled: str | None, own: Mapping[str, str]) -> str | None:
    """Return the one name of a filter for its usual spellings: ``Lum``, ``luminance`` are ``L``.

    A width stays part of the name (``Ha 7nm``), since flats of another filter do not serve. *own* are the user's
    names; they count first, by the spelling without regard to case.
    """
    if spelled is None:
        return None
    for theirs, mine in own.items():
        if theirs.strip().lower() == spelled.strip().lower():
            return mine
    plain, width = _plain(spelled)
    if plain in _NO_FILTER:
        return None
    usual = _usual(plain)
    if usual is None:
        return spelled.strip()
    return f"{usual} {width}nm" if width else usual


def is_usual(name: str) -> bool:
    """Return whether *name*, apart from a width, is one that everybody uses for the same filter."""
    return _plain(name)[0] in _USUAL


def _usual(plain: str) -> str | None:
    return _USUAL.get(plain.lower())


def _plain(spelled: str) -> tuple[str, str]:
    """Return the letters of a filter's name in lower case, and its width in nm where it has one."""
    low = spelled.lower().replace("\N{GREEK SMALL LETTER ALPHA}", "alpha")
    low = low.replace("\N{GREEK SMALL LETTER BETA}", "beta")
    width = re.search(r"(\d+(?:\.\d+)?)\s*nm", low)
    if width:
        low = low.replace(width[0], "")
    return re.sub(r"[^a-z0-9]", "", low), width[1] if width else ""


def file_part(text: str) -> str:
    """Return *text* as part of a file name or a node's name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-.") or "none"
