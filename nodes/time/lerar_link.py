"""LerarLink: what varies with a period, in every pixel of a series, far below the noise of one frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Composite, Expand, Port
from ._expanding import INPUTS, MAPS, MARKS, SEED, maps_of, marks_of, planned_by, seeded_by
from ._settings import Detecting, Marking


class LerarLink(Composite, Marking, Detecting, id="time.lerar_link"):
    """Fit a period to every pixel of a series of registered frames; tell amplitude, phase and significance.

    Frames are to be linear, registered and brought to one level and transparency beforehand (CommonMode). Times come
    from TimeAxis, noise, widths and regressors from the table of FrameSeriesMeasures; without it all frames count
    alike. Each frame is convolved with a star's Gaussian of unit peak response, so that maps are of point sources and
    their peaks keep the image's unit (`matched` = off: maps of single pixels).

    The model is a constant, a polynomial over time, regressors, and the harmonics of a frequency, fitted together by
    weighted least squares: one design for all pixels. Samples farther than `clip` robust sigmas from a pixel's median
    are replaced by it; where that is more than 5 % of the frames a pixel gets normal equations of its own, above 30 %
    it is given up (NaN). A written period is rarely exact: all frequencies within its tolerance are tried (step
    1/(5 T)), and the significance counts them.

    By default the power at f is judged by that at m frequencies nearby, ``f +- k/T``, k = 2, 3, ...: F(2, 2m)
    whatever the noise's colour, as long as it is flat there; `noise` = white takes the residuals, which is more
    sensitive and wrong where noise has a memory. With several harmonics each is judged by its own surroundings, and
    they are put together by Fisher's method. `shape` = box fits a dip of known period, middle and duration instead,
    judged by the depths of the same box at 40 other phases.

    With [TRV:seed(name)] the period is the best one of the light curve that is linked to `seed`, within three of its
    errors (SeedPeriod). The significance of the pixels that this light curve comes from is then too great, since their
    noise helped to choose the period; other pixels are judged as at any period named beforehand.

    Significance is -log10 p, never p. `detected` marks the pixels that are significant with all pixels counted, as
    `correction` and `level` say (SignificanceMask); the fit does not depend on these two.

    Methods: least-squares spectra with a floating mean (Zechmeister & Kuerster 2009, A&A 496, 577), their exact
    statistics (Schwarzenberg-Czerny 1998, MNRAS 301, 831), false alarms over a range (Baluev 2008, MNRAS 385, 1279)
    or, where no formula holds, series of pure noise through the same design.

    Errors: LRR-1 too few frames; LRR-2 terms that cannot be told apart; LRR-3 too few side frequencies; LRR-5 frames
    that are not registered; LRR-6 stretched frames; TRV-1 .. TRV-3 about the period.

    Made of LockInPlan, SideNoise, LockIn, LockInOutput and SignificanceMask; of SeedPeriod where
    there is a seed.
    """

    inputs = (*INPUTS, SEED)
    outputs = (*MAPS, *MARKS, Port("report", "measures", doc="what was planned, and warnings"))
    maskable = False

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        plan = planned_by(self, add, feeds, seed=seeded_by(self, add, feeds))
        noise = None
        if self.noise == "local" and not self.sidebands and not self.is_box():
            noise = add("time.side_noise", "noise", frames=feeds["frames"], plan=plan["fit"])["noise"]
        maps = maps_of(self, add, feeds, plan["fit"], noise)
        return {**maps, **marks_of(self, add, maps["significance"]), "report": plan["measures"]}
