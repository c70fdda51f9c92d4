"""A row for each light of a session of preprocessing: figures, registration, weight, rejection, or why it is out."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..graphs.preprocess.match import LeftOut
from ..graphs.preprocess.stacks import Stack
from ..graphs.preprocess.survey import by_frame
from .preprocess import Session

Row = dict[str, Any]

# Columns of the table -> where they stand in a row; the third is the unit.
COLUMNS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("file", ("file",), ""),
    ("master", ("master",), ""),
    ("used", ("used",), ""),
    ("why not", ("why",), ""),
    ("exposure", ("exposure",), "s"),
    ("lowest raw", ("levels", "minimum"), ""),
    ("highest raw", ("levels", "maximum"), ""),
    ("FWHM", ("figures", "FWHM"), "px"),
    ("eccentricity", ("figures", "Eccentricity"), ""),
    ("stars", ("figures", "Stars"), ""),
    ("noise", ("figures", "Noise"), ""),
    ("median", ("figures", "Median"), ""),
    ("SNR", ("figures", "SNR"), ""),
    ("PSF signal weight", ("figures", "PSFSignalWeight"), ""),
    ("PSF SNR", ("figures", "PSFSNR"), ""),
    ("model", ("registration", "kind"), ""),
    ("dx", ("registration", "dx"), "px"),
    ("dy", ("registration", "dy"), "px"),
    ("rotation", ("registration", "rotation"), "deg"),
    ("scale", ("registration", "scale"), ""),
    ("rms", ("registration", "rms"), "px"),
    ("stars matched", ("registration", "pairs"), ""),
    ("overlap", ("registration", "overlap"), ""),
    ("weight", ("integration", "weight"), ""),
    ("gain", ("integration", "gain"), ""),
    ("offset", ("integration", "offset"), ""),
    ("rejected low", ("integration", "rejected_low"), ""),
    ("rejected high", ("integration", "rejected_high"), ""),
    ("local scale", ("local_normalization", "scale"), ""),
)


def rows_of(session: Session) -> list[Row]:
    """Return a row for each light that was found, used or not, by master and in the order of integration.

    What could not be had is None, or not there.
    """
    why = {item.path: item.why for item in session.job.told.left_out}
    known = {s.name: s for s in session.begun.stacks.stacks}
    used = {s.name: s for s in session.job.stacks.stacks}
    lights = {r.path: (g, r) for g in session.begun.matching.lights() for r in g.records}
    place = {path: (name, i) for name, s in known.items() for i, path in enumerate(s.paths)}
    integrated = {name: _integration(session, stack) for name, stack in used.items()}
    made: list[Row] = []
    for path, (group, record) in lights.items():
        stack = place.get(path, ("", 0))[0]
        told = integrated.get(stack, {}).get(path)
        excluded = told.pop("excluded") if told else ""
        reason = why.get(path, "") or (f"left out of the integration: {excluded}" if excluded else "")
        made.append(
            {
                "file": path, "group": group.name, "master": stack, "object": record.object, "filter": record.filter,
                "exposure": record.exposure, "start": record.start, "night": record.night,
                "used": not reason, "why": reason,
                "reference": session.references.get(known[stack].object) == path if stack else False,
                "levels": _levels(session.levels.get(path)), "figures": session.figures.get(path),
                "registration": _registration(session.transforms.get(path)), "integration": told or None,
                "local_normalization": _local(session, used.get(stack), path),
            }
        )  # fmt: skip
    rank = {name: i for i, name in enumerate(known)}
    made.sort(key=lambda r: (rank.get(r["master"], len(rank)), place.get(r["file"], ("", 0))[1]))
    return [*made, *_unread(session.job.told.left_out, lights)]


def _unread(left_out: Iterable[LeftOut], lights: Mapping[str, Any]) -> list[Row]:
    """Return rows of the files that never came so far as to be lights."""
    return [
        {"file": item.path, "master": "", "used": False, "why": item.why}
        for item in left_out
        if item.path not in lights
    ]


def _levels(value: Any) -> Row | None:
    """Return the least and greatest raw sample of all channels."""
    channels = [c for c in value["channels"] if c["count"]] if value else []
    if not channels:
        return None
    return {
        "minimum": min(c["minimum"] for c in channels),
        "maximum": max(c["maximum"] for c in channels),
    }


def _registration(value: Any) -> Row | None:
    if value is None:
        return None
    if value["kind"] == "none":
        return {"kind": "none", "why": value["why"]}
    dx, dy = value["shift"]
    return {
        "dx": dx, "dy": dy,
        **{n: value[n] for n in ("kind", "rotation", "scale", "flipped", "rms", "pairs", "overlap")},
    }  # fmt: skip


def _integration(session: Session, stack: Stack) -> dict[str, Row]:
    """Return what an integration did to each light: path -> factors and shares, by channel."""
    run = session.runs.get("masters")
    told = run.values.get(f"integrated-{stack.name}/report") if run else None
    if told is None and run:
        told = run.values.get(f"integrated-{stack.name}/plan")
    if told is None:
        return {}
    shares = ("weight", "rejected_low", "rejected_high", "beyond_range", "missing")
    return {
        path: {
            "excluded": one["excluded"],
            **{name: list(one[name]) for name in shares if name in one},
            "gain": [pair[0] for pair in one["output"]],
            "offset": [pair[1] for pair in one["output"]],
        }
        for path, one in zip(stack.paths, told["frames"], strict=True)
    }


def _local(session: Session, stack: Stack | None, path: str) -> Row | None:
    run = session.runs.get("masters")
    if stack is None or run is None:
        return None
    value = by_frame(run.values, f"normalized-{stack.name}", stack.paths).get(path)
    if value is None:
        return None
    if value["kind"] == "none":
        return {"kind": "none", "why": value["why"]}
    return {n: value[n] for n in ("kind", "scale", "scale_from", "pairs", "left_out")}


# -- as a table -------------------------------------------------------------------------------------


def cell(row: Row, path: tuple[str, ...]) -> Any:
    """Return what stands in a row at *path*; of several channels the mean. None where there is nothing."""
    found: Any = row
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, list):
        numbers = [v for v in found if isinstance(v, int | float) and math.isfinite(v)]
        return sum(numbers) / len(numbers) if numbers else None
    return None if isinstance(found, float) and not math.isfinite(found) else found


def csv_of(rows: Iterable[Row]) -> str:
    """Return *rows* as comma-separated values with a line of titles; of several channels the mean."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([f"{title} ({unit})" if unit else title for title, _, unit in COLUMNS])
    for row in rows:
        writer.writerow([_plain(cell(row, path)) for _, path, _ in COLUMNS])
    return text.getvalue()


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    return ("yes" if value else "no") if isinstance(value, bool) else value
