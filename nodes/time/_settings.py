"""The parameters of fits over time, shared by LerarLink, LerarSearch and what they are made of."""

from __future__ import annotations

from typing import Literal

from ...engine.api import ParameterError, Process, Trv, param, parse_trv
from ._discoveries import Correction

Noise = Literal["local", "white"]
Plan = Literal["auto", "accumulate", "block"]
Shape = Literal["auto", "harmonic", "box"]

MOST_HARMONICS = 8
REGRESSORS = ("fwhm", "dx", "dy", "airmass", "pc1", "pc2", "pc3", "pc4", "pc5")


class Marking(Process):
    """Parameters of which pixels are marked as significant. They are no part of a fit, which stays when they change."""

    correction: Correction = param(
        default="fdr", choices=("fdr", "family", "none"),
        doc="what level is of: fdr: the share of false ones among marked pixels; family: the probability that any is "
        "marked by chance; none: that of one pixel",
    )  # fmt: skip
    level: float = param(default=0.01, low=1e-6, high=0.5, doc="share or probability of chance, for the mask")


class Detecting(Process):
    """Parameters of a fit over time."""

    trv: str = param(default="[TRV:1h]", doc="the period looked for, such as [TRV:14.8s]; a range searches")
    shape: Shape = param(
        default="auto", choices=("auto", "harmonic", "box"), doc="form of the variation; auto: as trv says"
    )
    duration: float = param(
        default=0.0, low=0.0, unit="s", doc="box: how long it lasts; more than 2 cadences, less than a quarter period; "
        "0: as trv says",
    )  # fmt: skip
    harmonics: int = param(
        default=1, low=0, high=MOST_HARMONICS, doc="multiples of the frequency that are fitted; 0: as many as the "
        "Bayesian information criterion wants, up to 8, in each pixel; h= in trv goes before",
    )  # fmt: skip
    noise: Noise = param(
        default="local", choices=("local", "white"),
        doc="judged by: local: the power at frequencies nearby; white: the residuals",
    )  # fmt: skip
    sidebands: int = param(
        default=0, low=0, high=128, usual=(0, 64), doc="local: frequencies nearby; 0: 32, or 16 where noise has a slope"
    )
    detrend: int = param(default=2, low=0, high=5, doc="degree of the polynomial over time that is fitted besides")
    regressors: tuple[str, ...] = param(
        default=(), doc="columns of the frame table that are fitted besides, such as dx, dy, fwhm, airmass, pc1 .. pc5"
    )
    median_window: float = param(
        default=0.0, low=0.0, unit="s", doc="box: width of a running median that is subtracted first; 0: none"
    )
    clip: float = param(
        default=5.0, low=0.0, high=20.0, usual=(3.0, 20.0), unit="sigma",
        doc="samples farther than this from a pixel's median are outliers; 0: none are",
    )  # fmt: skip
    matched: Literal["auto", "off"] = param(
        default="auto", choices=("auto", "off"), doc="auto: frames are convolved with a star first; off: for extended "
        "variation",
    )  # fmt: skip
    fwhm: float = param(default=0.0, low=0.0, high=64.0, unit="px", doc="width of that star; 0: as the table says")
    weights: Literal["noise", "none"] = param(
        default="noise", choices=("noise", "none"), doc="noise: frames count by 1/sigma² of the table"
    )
    plan: Plan = param(
        default="auto", choices=("auto", "accumulate", "block"),
        doc="frames one after another, or all frames of a strip at once; auto: by their size",
    )  # fmt: skip
    oversample: int = param(
        default=0, low=0, high=20, usual=(0, 20), doc="trials in the width of a peak; 0: as trv says, else 5"
    )
    calibration: int = param(
        default=10_000, low=100, high=1_000_000, doc="series of pure noise that tell what the best of many trials means"
    )
    force: bool = param(default=False, doc="go on where exposures smear the variation away")

    def vector(self) -> Trv:
        """Return what `trv` says."""
        return parse_trv(self.trv)

    def is_box(self) -> bool:
        """Return whether a box is fitted rather than harmonics."""
        return (self.vector().shape or "harmonic") == "box" if self.shape == "auto" else self.shape == "box"

    def most_harmonics(self) -> int:
        """Return how many harmonics are fitted, at most."""
        if self.is_box():
            return 1
        return self.vector().harmonics or self.harmonics or MOST_HARMONICS

    def chooses_harmonics(self) -> bool:
        """Return whether each pixel takes as many of them as it needs."""
        return not self.is_box() and self.vector().harmonics is None and self.harmonics == 0

    def box_seconds(self) -> float:
        """Return how long the box lasts."""
        said = self.vector().duration
        return self.duration or (said.seconds if said else 0.0)

    def check(self) -> None:
        owner = type(self).__name__
        trv = self.vector()
        if trv.seed is None:
            trv.hertz  # noqa: B018 - raises where no period is named
        if unknown := [r for r in self.regressors if r not in REGRESSORS and not r.isidentifier()]:
            raise ParameterError(f"{owner}: regressors must name columns of the frame table, got {unknown}")
        if self.sidebands and self.sidebands < 8:
            raise ParameterError(f"{owner}: sidebands must be 0 or lie in [8, 128], got {self.sidebands}")
        if self.clip and self.clip < 3.0:
            raise ParameterError(f"{owner}: clip must be 0 or lie in [3, 20] sigma, got {self.clip:g}")
        if self.oversample and self.oversample < 3:
            raise ParameterError(f"{owner}: oversample must be 0 or lie in [3, 20], got {self.oversample}")
        if self.is_box() and not self.box_seconds() > 0.0:
            raise ParameterError(f"{owner}: shape=box wants its duration, in trv (dur=) or as parameter")
        if self.median_window and not self.is_box():
            raise ParameterError(f"{owner}: median_window is for shape=box; harmonics take detrend")
