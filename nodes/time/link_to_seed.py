"""LinkToSeed: how every pixel of a series goes with a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Drawn, Frame, Known, ParameterError, Port, Process, Tile, param
from ._coherence import PARTS, Link, disattenuated, link, linked
from ._conclude import MASKED
from ._matched import halo
from ._strip import Pulling, held_bytes, parts_of, summed


class LinkToSeed(Process, id="time.link_to_seed"):
    """Correlate every pixel of a series with a seed, and tell coherence and lag at a period.

    The part of LerarLinkMap that makes pixels. The output holds its images one after the other, then the complex
    values of the segments, real and imaginary parts in turn.
    """

    inputs = (
        Port("frames", many=True, doc="registered, linear frames on one level"),
        Port("plan", "measures", doc="from LockInPlan"),
        Port("seed", "series", doc="a value a frame of the plan"),
    )
    outputs = (Port("image", doc="all images, as channels"),)
    maskable = False
    draws = True

    frequency: float = param(default=1.0, low=0.0, unit="Hz", doc="of the period")
    segments: int = param(default=12, low=4, high=100, doc="parts of the run")
    box: tuple[int, int, int, int] | None = param(default=None, doc="y0, x0, y1, x1 of the seed's own pixels")
    leave_one_out: bool = param(default=False, doc="subtract each pixel of the seed from it first")
    level: float = param(default=0.01, low=1e-6, high=0.5, doc="significance of what is disattenuated")

    def frame(self, known: Known) -> Frame:
        first: Frame = known.frames["frames"][0]
        if first.channels != 1:
            raise ParameterError(f"LinkToSeed: frames of one channel are wanted, got {first.channels}")
        return first.with_(channels=len(PARTS) + 2 * self.segments, color="planes", bounds=(0.0, 1.0), unit="")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(halo(known.values["plan"]["fwhm"]))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        plan, box = known.values["plan"], known.box
        made = self._link(plan, known.values["seed"])
        out = np.full((len(PARTS) + 2 * self.segments, box.height, box.width), np.nan, np.float32)
        for part in parts_of(box, held_bytes(plan, len(made.columns()), 0) + 64 * self.segments, 1):
            images = self._part(tiles[0], plan, made, part)
            rows = slice(part.y0 - box.y0, part.y1 - box.y0)
            out[: len(images), rows] = images.reshape(len(images), part.height, part.width)
        return out

    def _link(self, plan: Mapping[str, Any], seed: Mapping[str, Any]) -> Link:
        values = np.array(seed["value"], np.float64)
        if len(values) != len(plan["seconds"]):
            raise ParameterError(
                f"LinkToSeed: a seed of {len(plan['seconds'])} values is wanted, one a used frame, got {len(values)}"
            )
        if not np.isfinite(values).all():
            raise ParameterError("LinkToSeed: the seed has frames without a value")
        return link(plan["seconds"], plan["t0"], np.sqrt(plan["weights"]), plan["nuisance"],
                    values - float(np.median(values)), self.frequency, self.segments)  # fmt: skip

    def _part(self, frames: Drawn, plan: Mapping[str, Any], made: Link, part: Box) -> npt.NDArray[np.float64]:
        none = np.zeros((0, len(plan["frames"])), np.float32)
        sums = summed(Pulling(frames, plan, part), plan, made.columns(), none)
        own = self._own(part, halo(plan["fwhm"]))
        found = linked(sums.sums, sums.squares, made)
        if self.leave_one_out and self.box is not None and own.any():
            area = Box(*self.box)
            again = linked(sums.sums[:, own], sums.squares[own], made, area.height * area.width)
            for name in ("correlation", "coherence", "lag", "lag_error", "evidence", "correlation_evidence", "power",
                         "seed_power"):  # fmt: skip
                getattr(found, name)[own] = getattr(again, name)
        images = np.array([
            found.correlation, found.lag, np.sqrt(found.coherence), found.evidence, found.lag_error,
            found.correlation_evidence, disattenuated(found, made.freedom, self.level), own.astype(np.float64),
        ])  # fmt: skip
        if not self.leave_one_out:
            images[3, own] = images[5, own] = np.nan
        values = np.stack([found.values.real, found.values.imag], axis=1).reshape(-1, len(own))
        whole = np.concatenate([images, values])
        lost = np.bitwise_count(sums.bad).sum(axis=0, dtype=np.int64)
        whole[:, lost > MASKED * sums.frames] = np.nan
        return whole

    def _own(self, part: Box, reach: int) -> npt.NDArray[np.bool_]:
        """Return which pixels of *part* share noise with the seed."""
        own = np.zeros((part.height, part.width), np.bool_)
        if self.box is not None:
            b = Box(*self.box).grow(reach).overlap(part)
            if not b.empty:
                own[b.y0 - part.y0 : b.y1 - part.y0, b.x0 - part.x0 : b.x1 - part.x0] = True
        return own.reshape(-1)
