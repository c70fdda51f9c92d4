"""Simulated frames with known truth: a small sky, a camera, a whole night, and what processing them should find.

`simulate` writes one frame a filter; `simulate_night` (night.py) writes all raw frames of a night, whose truth
(truth.py) judges the masters (judge.py).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .camera import Camera, Filter
from .night import simulate_night
from .sky import Band, Moffat, Sky, SkySettings, Star
from .truth import NightSettings, NightTruth

__all__ = [
    "FILTERS", "Band", "Camera", "ChannelTruth", "Filter", "Line", "Moffat", "NightSettings", "NightTruth", "Sky",
    "SkySettings", "Star", "Truth", "simulate", "simulate_night", "truth_of",
]  # fmt: skip

FILTERS = (
    Filter("R", "R", throughput=0.72, pedestal=180.0),
    Filter("G", "G", throughput=1.0, pedestal=60.0),
    Filter("B", "B", throughput=0.83, pedestal=310.0),
    Filter("L", "L", throughput=2.4, pedestal=40.0),
)


@dataclass(frozen=True, slots=True)
class Line:
    """reference = intercept + slope * target, in ADU."""

    intercept: float
    slope: float


@dataclass(frozen=True, slots=True)
class ChannelTruth:
    """One channel: ADU = gain * light + offset, wherever it is not saturated."""

    name: str
    file: str
    gain: float
    offset: float

    def line_to(self, reference: ChannelTruth) -> Line:
        """Return the line that turns grey pixels of this channel into those of *reference*."""
        slope = reference.gain / self.gain
        return Line(reference.offset - slope * self.offset, slope)


@dataclass(frozen=True)
class Truth:
    """All that is known of simulated frames."""

    sky: SkySettings
    camera: Camera
    channels: tuple[ChannelTruth, ...]
    stars: tuple[Star, ...]

    def channel(self, name: str) -> ChannelTruth:
        return next(c for c in self.channels if c.name == name)

    def line(self, target: str, reference: str) -> Line:
        """Return the line from channel *target* to channel *reference*."""
        return self.channel(target).line_to(self.channel(reference))

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        lines = {
            f"{a.name} to {b.name}": asdict(a.line_to(b)) for a in self.channels for b in self.channels if a is not b
        }
        return {**asdict(self), "lines": lines}


def truth_of(sky: Sky, camera: Camera, filters: tuple[Filter, ...] = FILTERS) -> Truth:
    """Return what frames of *sky* through *filters* should show."""
    channels = tuple(ChannelTruth(f.name, f.file, camera.gain(f), camera.offset(f)) for f in filters)
    return Truth(sky.settings, camera, channels, sky.stars)


def simulate(
    folder: Path,
    settings: SkySettings | None = None,
    camera: Camera | None = None,
    filters: tuple[Filter, ...] = FILTERS,
) -> Truth:
    """Write one frame for each filter, ``R.fits`` and so on, and ``truth.json`` into *folder*, which is made.

    The same settings give the same bytes, whatever the number of processors.
    """
    sky, camera = Sky.make(settings or SkySettings()), camera or Camera()
    truth = truth_of(sky, camera, filters)
    folder.mkdir(parents=True, exist_ok=True)
    camera.write(folder, sky, filters)
    (folder / "truth.json").write_text(json.dumps(truth.document(), indent=1) + "\n", encoding="utf-8")
    return truth
