"""The Lerar Link on a simulated night: a source that no frame shows is found by its period."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..engine.report import Watcher
    from .lerar import LerarResult
    from .simulate.series import SimulatedSeries

PICTURE = "found.png"
_NEAR = 2.0


@dataclass(frozen=True, slots=True)
class LerarDemoResult:
    """What a demo of the Lerar Link made.

    Attributes
    ----------
    stars
        Of each star that varies what is true and what was found, None for one that was not.
    false
        Detections that are no star that varies.
    """

    files: tuple[str, ...]
    stars: tuple[dict[str, Any], ...]
    false: int
    frames: int
    simulated: float
    seconds: float

    @property
    def hidden_found(self) -> bool:
        """Whether the source that no frame shows was found."""
        return self.stars[0]["found"] is not None

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "frames": self.frames, "hidden_found": self.hidden_found, "stars": list(self.stars), "false": self.false,
            "simulated": self.simulated, "seconds": self.seconds, "files": list(self.files),
        }  # fmt: skip

    def __str__(self) -> str:
        told = [f"{self.frames} frames simulated in {self.simulated:.1f} s, searched in {self.seconds:.1f} s."]
        for star in self.stars:
            found = star["found"]
            true = f"peak {star['peak']:g} ({star['snr']:.1f} of one frame's noise), varies by {star['amplitude']:.1%}"
            if found is None:
                told.append(f"  {true}: not found")
                continue
            told.append(
                f"  {true}: found {star['off']:.1f} px off, {found['period_s']:.4f} s, "
                f"amplitude {found['amplitude']:.2f} +- {found['amplitude_err']:.2f} "
                f"(true {star['peak'] * star['amplitude']:.2f}), log10 p {found['log10_p']:.1f}"
            )
        told.append(f"  false detections: {self.false}")
        return "\n".join([*told, "Made:", *(f"  {path}" for path in self.files)])


def run_lerar_demo(
    out: Path, *, frames: int = 300, size: tuple[int, int] = (120, 160), seed: int = 1, watch: Watcher | None = None
) -> LerarDemoResult:
    """Simulate short exposures, look for what varies with 14.8 s, and compare it with the truth, all in folder *out*.

    Parameters
    ----------
    size
        Rows and columns of the frames.
    """
    from ..graphs.series import SeriesOptions
    from .lerar import frame_files, run_lerar
    from .simulate.series import FRAMES, SimulatedSeries

    start = time.perf_counter()
    out = out.resolve()
    height, width = size
    series = SimulatedSeries(
        frames=frames, height=height, width=width, constants=max(8, height * width // 400), seed=seed,
        gaps=((frames // 3, 137.3), (frames * 7 // 10, 61.9)), variables=((3.0, 1.0), (300.0, 0.02), (600.0, 0.03)),
    )  # fmt: skip
    series.save(out / "night")
    simulated = time.perf_counter() - start
    result = run_lerar(
        frame_files([out / "night" / FRAMES]), SeriesOptions(trv="[TRV:14.8s]"), out / "found", watch=watch
    )
    picture = out / PICTURE
    picture.write_bytes(_picture(series, result, out / "found"))
    stars, false = compared(series, result.detections)
    return LerarDemoResult(
        files=(str(picture), *result.files), stars=stars, false=false, frames=frames, simulated=simulated,
        seconds=result.seconds,
    )  # fmt: skip


def compared(series: SimulatedSeries, detections: list[dict[str, Any]]) -> tuple[tuple[dict[str, Any], ...], int]:
    """Return what was found of each star that varies, and how many detections are none of them."""
    taken: set[int] = set()
    stars = []
    for star in series.variables:
        off = [math.hypot(d["y"] - star.row, d["x"] - star.column) for d in detections]
        best = min(range(len(off)), key=off.__getitem__, default=None)
        found = best if best is not None and off[best] <= _NEAR else None
        if found is not None:
            taken.add(found)
        stars.append({
            "row": star.row, "column": star.column, "peak": star.peak, "amplitude": star.amplitude,
            "snr": star.peak / series.settings.noise, "off": None if found is None else off[found],
            "found": None if found is None else detections[found],
        })  # fmt: skip
    return tuple(stars), len(detections) - len(taken)


def _picture(series: SimulatedSeries, result: LerarResult, folder: Path) -> bytes:
    """Return one frame, the mean of all, and the significance side by side."""
    import numpy as np

    from ..graphs.document import Graph
    from .plots import Map, maps_png

    def plane(name: str) -> Any:
        return Graph().add("ReadImage", path=str(folder / f"{name}.fits")).image.compute()[0]

    rings = [(d["y"], d["x"]) for d in result.detections]
    one = series.frame(0)
    mean, surely = plane("mean"), plane("significance")
    level = float(np.median(one))
    shown = [Map("one frame", one, level - 30.0, level + 90.0, rings, plain=True),
             Map(f"mean of {series.settings.frames} frames", mean, -2.0, 30.0, rings, plain=True),
             Map("-log10 p of 14.8 s", surely, 0.0, 15.0, rings)]  # fmt: skip
    return maps_png(shown)
