"""TimeAxis: when each frame of a series was exposed, by the words of their headers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from ...engine.api import Frame, Known, ParameterError, Port, Process, Trv, param, parse_trv, times_value
from ._barycentric import barycentric_ns, change_of_correction, site_of, target_of
from ._stamps import DAY, SECOND, Stamp, iso_of, quantum_of, stamp_of
from ._time_table import read_table


class TimeAxis(Process, id="time.time_axis"):
    """Tell the middle of each exposure of a series; no pixel is read.

    Of each frame the first of these counts: its row in *table*; DATE-AVG or MJD-AVG; the stamp of a video, or the
    row of a target pixel file; DATE-BEG, DATE-OBS or the like and half the exposure. A series in which some frame
    has none is an error.

    The Value, of type ``times``, holds of each frame ``times_ns`` (whole nanoseconds since ``epoch``) and
    ``exposure_s`` (0 where unknown), ``order``, the frames to be used by rising time, ``quantum_s``, the finest
    difference that the stamps tell, and ``notes``, what is doubtful, in sentences. ``epoch`` is the midnight before
    the first frame, in the Value's ``scale``.

    With the barycentric correction, times are those at which the light would have come to the solar system's
    barycentre, in TDB. ``auto`` makes it where target and site are known and the correction changes during the
    series by more than a hundredth of the shortest period that *trv* means. It works offline.
    """

    inputs = (Port("frames", many=True, doc="the series; only its headers count"),)
    outputs = (Port("times", "times", doc="when each frame was exposed"),)
    maskable = False

    table: str = param(default="", file="input", doc="rows of filename,time for frames whose headers do not tell")
    names: tuple[str, ...] = param(
        default=(), doc="file names of the frames, in order, by which rows are found; none: a row a frame, in order"
    )
    trv: str = param(default="", doc="the period that is looked for, by which some of the checks judge")
    barycentric: Literal["auto", "on", "off"] = param(
        default="auto", choices=("auto", "on", "off"), doc="whether to correct for the way of light; trv may say so too"
    )
    target: tuple[float, float] | None = param(
        default=None, doc="right ascension and declination in degrees; none: by the first frame that tells"
    )
    site: tuple[float, float, float] | None = param(
        default=None, doc="longitude (east positive) and latitude in degrees, height in metres; none: by the header"
    )
    on_duplicate: Literal["error", "drop"] = param(
        default="error", choices=("error", "drop"), doc="of frames of one time, whether to use the first only"
    )
    on_disorder: Literal["error", "sort"] = param(
        default="error", choices=("error", "sort"), doc="whether frames that are not in order of time are sorted"
    )
    on_clock_step: Literal["error", "keep"] = param(
        default="error", choices=("error", "keep"), doc="whether times at which the clock seems set are used"
    )
    row_time: float = param(default=0.0, low=0.0, high=1.0, unit="s", doc="rolling shutter: between a row and the next")

    def check(self) -> None:
        if self.trv:
            parse_trv(self.trv)
        if self.names and not self.table:
            raise ParameterError("TimeAxis: names tell which row of a table is whose; there is no table")
        if self.target is not None and not (0.0 <= self.target[0] <= 360.0 and abs(self.target[1]) <= 90.0):
            raise ParameterError(f"TimeAxis: target must lie in 0 .. 360 and -90 .. 90 degrees, got {self.target}")
        if self.site is not None and not (abs(self.site[0]) <= 360.0 and abs(self.site[1]) <= 90.0):
            raise ParameterError(f"TimeAxis: site must lie in -360 .. 360 and -90 .. 90 degrees, got {self.site}")

    def compute(self, known: Known) -> dict[str, Any]:
        frames: Sequence[Frame] = known.frames["frames"]
        stamps = self._stamps(frames)
        scale, reference = _agreed(stamps)
        order, notes = self._order(stamps)
        notes += [s.doubt for s in stamps if s.doubt][:1]
        period = self._shortest_period()
        quantum = quantum_of([stamps[i] for i in order])
        self._check_clock([stamps[i] for i in order], order, quantum, period)
        middles = [s.middle for s in stamps]
        if self._corrected(frames, [middles[i] for i in order], scale, reference, period, notes):
            target, site = self._place(frames)
            assert target is not None and site is not None
            found, doubts = barycentric_ns(middles, scale, target, site)
            middles, scale, reference = [int(t) for t in found], "tdb", "barycentric"
            notes += doubts
        start = min(middles) // DAY * DAY
        return times_value(
            [m - start for m in middles],
            [s.exposure or 0.0 for s in stamps],
            epoch=iso_of(start),
            scale=scale,
            reference=reference,
            quantum_s=quantum,
            row_time_s=self.row_time,
            source=", ".join(dict.fromkeys(s.source for s in stamps)),
            order=order,
            notes=notes,
        )

    # -- stamps ----------------------------------------------------------------------------------

    def _stamps(self, frames: Sequence[Frame]) -> list[Stamp]:
        told: list[Stamp | None] = [None] * len(frames)
        if self.table:
            told = read_table(self.table, self.names, len(frames))
        found = [t or stamp_of(f) for t, f in zip(told, frames, strict=True)]
        without = [i for i, s in enumerate(found) if s is None]
        if without:
            more = f" and {len(without) - 3} more" if len(without) > 3 else ""
            raise ParameterError(
                f"TIME-1: {len(without)} of {len(frames)} frames tell no time: "
                f"{', '.join(self._name(i, frames) for i in without[:3])}{more}; wanted is one of DATE-AVG, MJD-AVG, "
                f"DATE-BEG, DATE-OBS with EXPTIME, or a table of filename,time"
            )
        return [s for s in found if s is not None]

    def _name(self, index: int, frames: Sequence[Frame]) -> str:
        if self.names:
            return self.names[index]
        said = frames[index].card("FILENAME")
        return f"image {index}" + (f" ({said})" if isinstance(said, str) and said else "")

    def _order(self, stamps: Sequence[Stamp]) -> tuple[list[int], list[str]]:
        """Return the frames to be used by rising time, and what was done for that."""
        middles = [s.middle for s in stamps]
        notes = []
        order = sorted(range(len(stamps)), key=lambda i: (middles[i], i))
        if order != list(range(len(stamps))):
            if self.on_disorder == "error":
                at = next(i for i in range(1, len(stamps)) if middles[i] < middles[i - 1])
                raise ParameterError(
                    f"TIME-2: image {at} was taken {(middles[at - 1] - middles[at]) / SECOND:.6g} s before image "
                    f"{at - 1}; put the frames into the order of time, or set on_disorder to sort"
                )
            notes.append("the frames were sorted by time")
        again = {b: a for a, b in pairwise(order) if middles[a] == middles[b]}
        if again:
            if self.on_duplicate == "error":
                told = ", ".join(f"{a} and {b}" for b, a in list(again.items())[:3])
                raise ParameterError(
                    f"TIME-2: images of one time: {told}{' and more' if len(again) > 3 else ''}; take them out, or set "
                    f"on_duplicate to drop"
                )
            notes.append(f"of equal times only the first is used; left out: {', '.join(map(str, sorted(again)))}")
        return [i for i in order if i not in again], notes

    def _check_clock(self, stamps: Sequence[Stamp], order: Sequence[int], quantum: float, period: float | None) -> None:
        """Raise where the clock was set during the series, as far as the stamps show it."""
        if self.on_clock_step == "keep" or len(stamps) < 2:
            return
        steps = [(b.middle - a.middle) / SECOND for a, b in pairwise(stamps)]
        wrong = []
        for n, (before, step) in enumerate(zip(stamps, steps, strict=False)):
            exposure = before.exposure or 0.0
            # A hundredth for clocks and shutters that are not quite what the header says.
            if step < 0.99 * exposure - 2.0 * quantum:
                wrong.append(f"image {order[n + 1]} begins {exposure - step:.4g} s before image {order[n]} ends")
        if period is not None and quantum > period / 20.0:
            wrong += [f"{gap:.6g} s before image {order[n + 1]} are no multiple of the cadence"
                      for n, gap in _odd_gaps(steps, quantum)]  # fmt: skip
        if wrong:
            raise ParameterError(
                f"TIME-3: the clock seems to have been set: {'; '.join(wrong[:3])}"
                f"{f' and {len(wrong) - 3} more' if len(wrong) > 3 else ''}; correct the times by a table, or set "
                f"on_clock_step to keep"
            )

    # -- the way of light ------------------------------------------------------------------------

    def _vector(self) -> Trv | None:
        return parse_trv(self.trv) if self.trv else None

    def _shortest_period(self) -> float | None:
        vector = self._vector()
        return vector.seconds[0] if vector is not None and vector.seed is None else None

    def _place(self, frames: Sequence[Frame]) -> tuple[tuple[float, float] | None, tuple[float, float, float] | None]:
        target = self.target or next((t for f in frames if (t := target_of(f)) is not None), None)
        site = self.site or next((s for f in frames if (s := site_of(f)) is not None), None)
        return target, site

    def _corrected(
        self, frames: Sequence[Frame], middles: Sequence[int], scale: str, reference: str,
        period: float | None, notes: list[str],
    ) -> bool:  # fmt: skip
        vector = self._vector()
        choice = (vector.barycentric if vector is not None else None) or self.barycentric
        if choice == "off" or reference == "barycentric":
            return False
        target, site = self._place(frames)
        lacking = [name for name, value in (("target", target), ("site", site)) if value is None]
        if choice == "on":
            if lacking:
                raise ParameterError(
                    f"TimeAxis: the barycentric correction wants {' and '.join(lacking)}, the headers tell none"
                )
            return True
        if target is None or site is None:
            notes.append(f"no barycentric correction: {' and '.join(lacking)} unknown")
            return False
        if period is None:
            notes.append("no barycentric correction: no period to judge it by (barycentric: on makes it)")
            return False
        change = change_of_correction(middles, scale, target, site)
        if change <= period / 100.0:
            notes.append(f"no barycentric correction: it changes by {change:.3g} s only during the series")
            return False
        return True


def _agreed(stamps: Sequence[Stamp]) -> tuple[str, str]:
    if not stamps:
        raise ParameterError("TIME-1: a series of at least one frame wanted, got none")
    kinds: dict[tuple[str, str], int] = {}
    for i, stamp in enumerate(stamps):
        kinds.setdefault((stamp.scale, stamp.reference), i)
    if len(kinds) > 1:
        told = ", ".join(f"image {i} {scale} {reference}" for (scale, reference), i in kinds.items())
        raise ParameterError(f"TIME-2: times of one scale and reference wanted, got {told}")
    return next(iter(kinds))


def _odd_gaps(steps: Sequence[float], quantum: float) -> list[tuple[int, float]]:
    """Return the gaps that are no multiple of an even cadence; nothing where the cadence is not even."""
    cadence = statistics.median(steps)
    scatter = statistics.median(abs(s - cadence) for s in steps)
    slack = 5.0 * scatter + quantum
    if not slack < cadence / 4.0:
        return []
    return [(n, s) for n, s in enumerate(steps) if abs(s - round(s / cadence) * cadence) > slack]
