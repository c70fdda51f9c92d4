"""LockIn: amplitude, phase and significance of what varies, pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Drawn, Frame, Known, Port, Process, Tile, param
from . import _conclude as c
from ._box import Boxes, conclude_boxes
from ._matched import halo
from ._parts import SINGLE, part_planes, planes
from ._plan import design_of
from ._search import Grid, search
from ._settings import MOST_HARMONICS
from ._significance import alarm_log10, trials_log10
from ._strip import Pulling, cleaned, held_bytes, parts_of, summed

Floats = npt.NDArray[np.float64]


class LockIn(Process, id="time.lock_in", version=3):
    """Fit what varies to every pixel of a series, as a plan says.

    The part of LerarLink and LerarSearch that makes pixels; everything about the arithmetic is told there. The
    output holds all their images one after the other, since one pass makes them all: LockInOutput picks one.
    """

    inputs = (
        Port("frames", many=True, doc="registered, linear frames on one level"),
        Port("plan", "measures", doc="from LockInPlan"),
        Port("noise", "measures", optional=True, doc="from SideNoise, which chooses the side frequencies"),
    )
    outputs = (Port("image", doc="all images, as channels"),)
    maskable = False
    draws = True

    harmonics: int = param(default=1, low=1, high=MOST_HARMONICS, doc="as in the plan, at most")

    def frame(self, known: Known) -> Frame:
        first: Frame = known.frames["frames"][0]
        return first.with_(channels=first.channels * planes(self.harmonics), color="planes", state="linear")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(halo(known.values["plan"]["fwhm"]))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        frames, plan, box = tiles[0], known.values["plan"], known.box
        channels = known.frames["frames"][0].channels
        noise = known.values.get("noise") or {}
        comb = int(noise.get("sidebands", plan["sidebands"]))
        out = np.empty((planes(self.harmonics), channels, box.height, box.width), np.float32)
        for part in parts_of(box, _bytes(plan), channels):
            made = _MAKERS[plan["method"]](frames, plan, part, comb)
            rows = slice(part.y0 - box.y0, part.y1 - box.y0)
            shaped = made.reshape(len(made), channels, part.height, part.width)
            if plan["row_time"]:
                _roll(shaped, plan["row_time"], part)
            out[:, :, rows] = shaped
        return out.reshape(-1, box.height, box.width)


def _bytes(plan: Mapping[str, Any]) -> int:
    """Return what a pixel takes while it is worked on."""
    if plan["method"] == "grid":
        return 16 * len(plan["frames"]) + 400
    if plan["method"] == "box":
        return held_bytes(plan, len(plan["boxes"]["boxes"]) + plan["terms"], 0)
    made = plan["design"]
    columns = len(made["nuisance"]) + made["harmonics"].shape[0] * made["harmonics"].shape[1]
    return held_bytes(plan, columns, len(made["sides"]))


def _joint(frames: Drawn, plan: Mapping[str, Any], part: Box, comb: int) -> npt.NDArray[np.float32]:
    made = design_of(plan)
    sums = summed(Pulling(frames, plan, part), plan, made.columns(), made.side_columns())
    figures, waves = c.conclude(
        sums, made, plan["seconds"], plan["t0"], local=plan["local"], sides=comb, choose=plan["choose"]
    )
    return _told(figures, waves, plan, comb)


def _grid(frames: Drawn, plan: Mapping[str, Any], part: Box, comb: int) -> npt.NDArray[np.float32]:
    held = Pulling(frames, plan, part).all()
    samples, sums, lost = cleaned(held, plan["clip"], plan["weights"])
    figures, waves = search(samples, lost, sums.missing, sums.pedestal, plan["seconds"], plan["t0"],
                            np.sqrt(plan["weights"]), plan["nuisance"], Grid(**plan["grid"]), sums.bad)  # fmt: skip
    return _told(figures, waves, plan, comb)


def _box(frames: Drawn, plan: Mapping[str, Any], part: Box, comb: int) -> npt.NDArray[np.float32]:
    made = Boxes(**plan["boxes"])
    none = np.zeros((0, len(plan["frames"])), np.float32)
    sums = summed(Pulling(frames, plan, part), plan, made.columns(), none)
    figures, waves = conclude_boxes(sums, made, plan["period"], plan["local"])
    figures[c.PHASE], figures[c.PHASE_ERROR] = np.where(np.isfinite(figures[c.RAW]), 0.0, np.nan), np.nan
    return _told(figures, waves, plan, comb)


_MAKERS = {"joint": _joint, "grid": _grid, "box": _box}


def _told(figures: Floats, waves: Floats, plan: Mapping[str, Any], comb: int) -> npt.NDArray[np.float32]:
    return part_planes(figures, waves, _significance(figures, plan, comb), lambda period: _smearing(plan, period))


def _significance(figures: Floats, plan: Mapping[str, Any], comb: int) -> Floats:
    """Return -log10 p of each pixel with all trial frequencies counted."""
    evidence: Floats = figures[c.EVIDENCE]
    if plan["method"] == "box" or plan["most"] <= 1.0:
        return evidence
    if not plan["local"] and plan["harmonics"] == 1:
        # Pixels with equations of their own are fitted to the frames that are left.
        own = (figures[c.USED] < 1.0 - c.OWN) & np.isfinite(evidence)
        share = np.where(own, figures[c.USED], 1.0)
        free = len(plan["frames"]) * share - plan["terms"] + 1.0
        bound = alarm_log10(evidence, figures[c.POWER], free, plan["width"])
        return np.maximum(bound, trials_log10(evidence, plan["most"], plan["most"]))
    return trials_log10(evidence, plan["worth"][str(comb)], plan["most"])


def _smearing(plan: Mapping[str, Any], period: Floats) -> Any:
    """Return the factor that exposures leave of the amplitude at each of many periods."""
    if plan["method"] == "box" or not plan["exposed"]:
        return 1.0
    lengths, counts = np.unique(plan["exposures"], return_counts=True)
    total = np.zeros(len(period))
    for length, count in zip(lengths, counts, strict=True):
        total += count * np.sinc(length / period)
    return total / len(plan["exposures"])


def _roll(shaped: npt.NDArray[np.float32], row_time: float, part: Box) -> None:
    """Turn phases by what rows of a rolling shutter were exposed later: only they depend on it."""
    late = row_time * np.arange(part.y0, part.y1)[None, :, None]
    turn = 2.0 * np.pi * late / shaped[SINGLE.index("period")].astype(np.float64)
    harmonics = (len(shaped) - len(SINGLE)) // 2
    rows = [(SINGLE.index("phase"), 1), *((len(SINGLE) + harmonics + h, h + 1) for h in range(harmonics))]
    for at, h in rows:
        angle = shaped[at] + h * turn
        shaped[at] = angle - 2.0 * np.pi * np.round(angle / (2.0 * np.pi))
