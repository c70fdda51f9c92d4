"""SeriesTable: what is known of each frame of a series, a row a frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...engine.api import Frame, Known, ParameterError, Port, Process, param, parse_trv, table_value
from ._ensemble import FEWEST, Ensemble, components, constant_members, ensemble
from ._matched import FWHM
from ._photometry import unweighted
from ._variation import judge_of

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Gain = Literal["auto", "ensemble", "region", "none"]
Background = Literal["sky", "none"]


class Comparing(Process):
    """Parameters of how frames are compared, shared by FrameSeriesMeasures and SeriesTable."""

    background: Background = param(
        default="sky", choices=("sky", "none"), doc="none: frames have no sky, as target pixel files have none"
    )
    gain: Gain = param(
        default="auto", choices=("auto", "ensemble", "region", "none"),
        doc="transparency by reference stars, by the mean of a region above the sky, or left alone; auto: by stars if "
        "five or more are constant, else by the region where one is given",
    )  # fmt: skip
    trv: str = param(default="", doc="the period looked for: stars that vary with it are no reference stars")
    level: float = param(
        default=0.01, low=1e-9, high=0.5, doc="probability, of all stars together, at which one varies by chance"
    )
    rounds: int = param(default=3, low=0, high=10, doc="how often stars that vary are looked for")
    exclude: tuple[tuple[float, float], ...] = param(
        default=(), doc="rows and columns of stars that are no reference stars, such as the target"
    )
    least_gain: float = param(default=0.3, low=0.0, high=1.0, doc="frames of less transparency are left out")
    most_noise: float = param(
        default=3.0, low=1.0, high=1000.0, doc="frames of more times the median noise are left out"
    )
    components: int = param(
        default=0, low=0, high=5, doc="how many columns pc1, pc2 ... tell what the stars' light curves have in common"
    )

    def check(self) -> None:
        if self.trv:
            parse_trv(self.trv)


class SeriesTable(Comparing, id="time.series_table", version=2):
    """Put together the table of FrameSeriesMeasures, where it is described, from what was measured in each frame."""

    inputs = (
        Port("frames", many=True, doc="the series; only its headers count"),
        Port("photometry", "measures", doc="from FramePhotometry"),
        Port("times", "times", optional=True, doc="from TimeAxis, for trv"),
        Port("region", "table", optional=True, doc="from RegionLevels: the mean of the reference region in each frame"),
    )
    outputs = (Port("table", "table", doc="a row a frame"),)
    maskable = False

    def compute(self, known: Known) -> dict[str, Any]:
        frames: Sequence[Frame] = known.frames["frames"]
        seen: Mapping[str, Any] = known.values["photometry"]
        notes: list[str] = []
        n, flux = len(frames), np.asarray(seen["flux"], np.float64)
        sky = np.asarray(seen["level"], np.float64) if self.background == "sky" else np.zeros((n, 1, 1, 1))
        noise = np.asarray(seen["sigma"], np.float64)
        if self.background == "sky" and not np.isfinite(sky).any():
            raise ParameterError(f"{type(self).__name__}: there is no sky between the stars; set background to none")
        timely = _timely(known.values.get("times"), n)
        usable = timely & np.isfinite(sky).all(axis=(1, 2, 3))
        found, evidence = self._ensemble(flux, np.asarray(seen["places"]), float(seen["fwhm"]), usable, known, notes)
        gain = self._gain(found, sky, usable, known, notes, n)
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma = np.where(gain > 0.0, noise / gain, np.nan)
        used = self._used(usable, gain, sigma, timely, notes)
        dy, dx, fwhm = unweighted(np.asarray(seen["shape"], np.float64), float(seen["fwhm"]) / FWHM)
        columns: dict[str, Any] = {
            "gain": gain, "bg": sky.mean(axis=(1, 2, 3)), "sigma": sigma, "fwhm": fwhm, "dx": dx, "dy": dy,
            "airmass": np.array([_airmass(f) for f in frames]), "used": used.astype(int),
        }  # fmt: skip
        units = {"bg": frames[0].unit, "sigma": frames[0].unit, "fwhm": "px", "dx": "px", "dy": "px"}
        if found is not None and self.components:
            for k, column in enumerate(components(found.relative, found.weights, self.components), 1):
                columns[f"pc{k}"] = column
        left_out = [i for i in range(n) if timely[i] and not used[i]]
        return table_value(
            columns, units, sky=sky, notes=notes, left_out=left_out, gain_from=self._source(found, known),
            stars=_stars(seen["places"], found, evidence),
        )  # fmt: skip

    # -- transparency -----------------------------------------------------------------------------

    def _ensemble(
        self, flux: Floats, places: Floats, fwhm: float, usable: Bools, known: Known, notes: list[str]
    ) -> tuple[Ensemble | None, Floats]:
        """Return the ensemble of the stars that do not vary, and the evidence against each star."""
        evidence = np.zeros(flux.shape[1])
        if self.gain in ("region", "none"):
            return None, evidence
        with np.errstate(invalid="ignore"):
            seen = (np.isfinite(flux[usable]).mean(axis=0) > 0.5) & (np.nansum(flux[usable], axis=0) > 0.0)
        for y, x in self.exclude:
            seen &= np.hypot(places[:, 0] - y, places[:, 1] - x) > 2.0 * fwhm
        members = seen
        judge = judge_of(parse_trv(self.trv), known.values["times"], usable) if self._judges(known) else None
        if judge is not None and seen.sum() >= FEWEST and self.rounds:
            least = -math.log10(self.level / max(1, int(seen.sum())))
            constant, told = constant_members(flux[:, seen], usable, judge, least, self.rounds)
            members, evidence[seen] = seen.copy(), told
            members[seen] = constant
            if out := int(seen.sum() - members.sum()):
                notes.append(f"{out} of {int(seen.sum())} reference stars vary and are left out of the ensemble")
        if not members.any():
            if self.gain == "ensemble":
                raise ParameterError(
                    f"LRR-4: none of {flux.shape[1]} stars can be a reference star; give a reference region "
                    "(reference), or set gain to none"
                )
            return None, evidence
        if members.sum() < FEWEST:
            notes.append(f"the ensemble has {int(members.sum())} reference stars, {FEWEST} at least are wanted")
            if self.gain == "auto":
                return None, evidence
        return ensemble(flux, members, usable), evidence

    def _judges(self, known: Known) -> bool:
        return bool(self.trv) and known.values.get("times") is not None

    def _gain(
        self, found: Ensemble | None, sky: Floats, usable: Bools, known: Known, notes: list[str], n: int
    ) -> Floats:
        if found is not None:
            return found.gain
        region = known.values.get("region")
        if region is None and self.gain == "region":
            raise ParameterError("LRR-4: gain by a region wants that region: give reference, y0, x0, y1, x1 in pixels")
        if region is None or self.gain == "none":
            if self.gain == "auto":
                notes.append("changes of transparency are not corrected: there are no reference stars")
            return np.ones(n)
        above = np.array(region["columns"]["mean"], np.float64) - sky.mean(axis=(1, 2, 3))
        middle = float(np.median(above[usable & np.isfinite(above)]))
        if not middle > 0.0:
            raise ParameterError(f"LRR-4: the reference region is not brighter than the sky, by {middle:.6g}")
        return np.asarray(above / middle, np.float64)

    def _source(self, found: Ensemble | None, known: Known) -> str:
        if found is not None:
            return "ensemble"
        return "region" if known.values.get("region") is not None and self.gain != "none" else "none"

    def _used(self, usable: Bools, gain: Floats, sigma: Floats, timely: Bools, notes: list[str]) -> Bools:
        """Return which frames are good enough, and note those that are not."""
        typical = float(np.median(sigma[usable & np.isfinite(sigma)])) if np.isfinite(sigma[usable]).any() else math.nan
        with np.errstate(invalid="ignore"):
            dim, noisy = ~(gain >= self.least_gain), sigma > self.most_noise * typical
        for what, which in (
            (f"transparency below {self.least_gain:g}", timely & usable & dim),
            (f"more than {self.most_noise:g} times the usual noise", timely & usable & ~dim & noisy),
            ("no sky", timely & ~usable),
        ):
            if which.any():
                told = ", ".join(map(str, np.nonzero(which)[0][:10])) + (", ..." if which.sum() > 10 else "")
                notes.append(f"{int(which.sum())} frames are left out for {what}: {told}")
        return usable & ~dim & ~noisy


def _timely(times: Mapping[str, Any] | None, count: int) -> Bools:
    if times is None:
        return np.ones(count, np.bool_)
    if len(times["times_ns"]) != count:
        raise ParameterError(f"SeriesTable: {count} frames are linked, but the times are of {len(times['times_ns'])}")
    made = np.zeros(count, np.bool_)
    made[np.asarray(times["order"], np.intp)] = True
    return made


def _airmass(frame: Frame) -> float:
    for told in (frame.word("airmass"), frame.card("AIRMASS"), frame.card("SECZ")):
        if isinstance(told, int | float) and not isinstance(told, bool) and told >= 1.0:
            return float(told)
    return math.nan


def _stars(places: Any, found: Ensemble | None, evidence: Floats) -> dict[str, Any]:
    """Return what became of each reference star."""
    rows, columns = np.asarray(places, np.float64).reshape(-1, 2).T
    weight = np.zeros(len(rows)) if found is None else found.weights
    return {"row": rows.tolist(), "column": columns.tolist(), "weight": weight.tolist(), "evidence": evidence.tolist()}
