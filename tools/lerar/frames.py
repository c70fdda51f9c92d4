"""Which frames a Lerar Link takes: those in folders, their kind, and whether they lie on one another."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...engine.errors import SourceError
from ...graphs.series import SeriesOptions, build
from ...nodes.io._frame_file import FrameOptions
from ...nodes.io._frame_files import FRAME_FILES, frames_in
from ..folders import is_image

if TYPE_CHECKING:
    from ...graphs.document import Graph
    from ...graphs.preprocess.match import Matching

_CHECKED = 5
_SHIFTED = 0.3
_TARGET_WORDS = frozenset({"cadenceno", "timecorr", "quality"})
_TARGET_COLUMNS = ("pos_corr1", "pos_corr2")
_RESOLVED, _WIDER = 2.5, 2.5


def frame_files(names: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the files that *names* stand for: files themselves, and the frames in folders, sorted by name.

    Of a folder, calibration frames are left out where their headers tell them.

    Raises
    ------
    SourceError
        There is no such file, or no frame in a folder.
    """
    found: list[str] = []
    for name in names:
        place = Path(name)
        if place.is_dir():
            inside = sorted(str(p) for p in place.iterdir() if p.is_file() and _holds_frames(p.name))
            lights = _lights(inside)
            if not lights:
                raise SourceError(f"{place}: there is no frame in this folder")
            found += lights
        elif place.exists():
            found.append(str(place))
        else:
            raise SourceError(f"{place}: there is no such file or folder")
    return [os.path.abspath(p) for p in dict.fromkeys(found)]


def _holds_frames(name: str) -> bool:
    return not name.startswith(".") and (is_image(name) or name.lower().endswith(".ser"))


def raw_lights(names: Iterable[str | os.PathLike[str]]) -> Matching:
    """Return the lights in folders and files matched with the darks, flats and bias found there, as preprocess does.

    Raises
    ------
    SourceError
        There is no light.
    """
    from ...graphs.preprocess.match import match
    from ..scan import scan

    found = scan(names)
    matching = match(found.records)
    if not matching.lights():
        raise SourceError(f"{', '.join(map(str, names))}: there is no light")
    return matching


def _lights(paths: Sequence[str]) -> list[str]:
    from ..scan import read

    single = [p for p in paths if frames_in(Path(p)) is None]
    other = {r.path for r in read(single).records if r.kind != "light"} if single else set()
    return [p for p in paths if p not in other]


def is_target(paths: Sequence[str]) -> bool:
    """Return whether the frames are the pixels of one star: target pixel files."""
    files = [FRAME_FILES.get(Path(path), FrameOptions()) for path in paths[:1]]
    return any(f is not None and _TARGET_WORDS & {name.lower() for name in f.columns} for f in files)


def registered(paths: Sequence[str], single: bool = False, **how: Any) -> tuple[bool, str]:
    """Return whether the stars of a few frames spread over the series lie on one another, and a sentence about it."""
    from ...graphs.document import Graph

    count = len(paths)
    if not single:
        count = len(Graph().add("ReadFrames", name="frames", paths=tuple(paths)).image)
    chosen = sorted({round(i * (count - 1) / (_CHECKED - 1)) for i in range(_CHECKED)})
    graph = Graph()
    stars = [_stars_of(graph, [paths[i]] if single else paths, 0 if single else i, n) for n, i in enumerate(chosen)]
    matched = [
        graph.add("MatchStars", name=f"match-{n}", stars=s, reference=stars[0]) for n, s in enumerate(stars) if n
    ]
    if not matched:
        return True, "one frame needs no registration"
    values = graph.run([m.name for m in matched], **how).values
    found = [values[f"{m.name}[0]"] for m in matched]
    if any(v["kind"] == "none" for v in found):
        few = all("at least" in v.get("why", "") for v in found)
        return few, f"{'too few stars to register by' if few else 'frames differ'}: {found[-1].get('why', '')}"
    worst = max(_moved(v) for v in found)
    return worst <= _SHIFTED, f"stars move by up to {worst:.2f} px between frames"


def _stars_of(graph: Graph, paths: Sequence[str], index: int, n: int) -> Any:
    frame = graph.add("ReadFrames", name=f"frame-{n}", paths=tuple(paths), first=index, count=1)
    clean = graph.add("CosmeticCorrection", name=f"clean-{n}", image=frame, hot_auto_check=True, hot_auto_value=10.0)
    return graph.add("DetectStars", name=f"stars-{n}", image=clean, max_stars=500)


def _moved(transform: Mapping[str, Any]) -> float:
    """Return by how many pixels a transform moves the corners of the reference, at most."""
    import numpy as np

    width, height = transform["reference_width"], transform["reference_height"]
    corners = np.array([[x, y, 1.0] for x in (0.0, width - 1.0) for y in (0.0, height - 1.0)]).T
    there = np.asarray(transform["inverse"][0]["matrix"], float) @ corners
    return float(np.hypot(*(there[:2] / there[2] - corners[:2])).max())


def decided(
    paths: Sequence[str], options: SeriesOptions, register: bool | None, tell: Callable[[str], None], how: Any
) -> SeriesOptions:
    """Say what kind of frames these are, and whether they are to be registered."""
    options = replace(options, single=all(frames_in(Path(p)) is None for p in paths))
    if is_target(paths):
        options = replace(options, target=True, register=False)
        if not options.regressors:
            options = replace(options, regressors=drifts(paths))
            if options.regressors:
                tell(f"the star's drift over the pixels is fitted besides: {', '.join(options.regressors)}")
        return options
    if register is None:
        lie, why = registered(paths, options.single, **quiet(how))
        tell(f"{why}: {'taken as registered' if lie else 'frames are registered'}")
        register = not lie
    return replace(options, register=register)


def widened(
    paths: Sequence[str], options: SeriesOptions, tell: Callable[[str], None], how: Mapping[str, Any]
) -> SeriesOptions:
    """Widen the profile of stars that pixels hardly resolve.

    Once such stars are interpolated, the height of a narrow profile depends on where within a pixel a star fell, and
    on the seeing; a wider one sums their light.
    """
    if not options.register or options.width:
        return options
    graph = build(paths, options)
    known = [w for w in graph["measures"].value(**quiet(how))["columns"]["fwhm"] if w is not None and math.isfinite(w)]
    if not known or statistics.median(known) >= _RESOLVED:
        return options
    width = round(_WIDER * statistics.median(known), 1)
    tell(f"stars are {statistics.median(known):.2f} px wide; they are measured by a profile of {width:g} px")
    return replace(options, width=width)


def drifts(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of target pixel files that tell where the star lies, if they do."""
    from ...graphs.document import Graph

    columns = Graph().add("ReadFrames", name="frames", paths=tuple(paths)).value("frames")["columns"]
    if not all(name in columns for name in _TARGET_COLUMNS):
        return ()
    for name in _TARGET_COLUMNS:
        known = [v for v in columns[name] if v is not None and math.isfinite(v)]
        if len(known) < 0.9 * len(columns[name]) or len(set(known)) < 10:
            return ()
    return _TARGET_COLUMNS


def quiet(how: Mapping[str, Any]) -> dict[str, Any]:
    """Return which of the options of a run count for looking at single Values."""
    return {k: v for k, v in how.items() if k in ("workers", "memory", "scheduler")}
