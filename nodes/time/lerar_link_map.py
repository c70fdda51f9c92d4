"""LerarLinkMap: which pixels of a series vary in step with a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Composite, Expand, ParameterError, Port, param
from ._expanding import INPUTS, planned_by
from ._settings import Detecting

PARTS = {
    "correlation": "of each pixel's residuals with the seed's",
    "lag": "seconds by which a pixel comes later than the seed",
    "coherence": "gamma, 0 .. 1, at the period, from segment to segment",
    "significance": "-log10 p of the coherence",
    "lag_err": "standard error of lag",
    "correlation_significance": "-log10 p of the correlation",
    "disattenuated": "correlation of what varies with the period alone, where both do",
    "self": "1 where a pixel shares noise with the seed",
}


class LerarLinkMap(Composite, Detecting, id="time.lerar_link_map"):
    """Tell which pixels of a series of registered frames vary with a seed, and how much later.

    The seed is a light curve: the mean of the pixels of `box`, or a `seed` linked in, with a value for each frame
    that is used. Of both the slow terms of the fit are taken out.

    Correlation is that of the residuals; without a link, r sqrt(v / (1 - r²)) follows Student's t with v = N - 2 - J
    degrees of freedom. Noise attenuates it; `disattenuated` tells that of the harmonic parts alone, where both are
    significant at `level`. Coherence is taken at the period: the run is cut into `segments`, each of three periods
    at least, and the complex lock-in values of pixel and seed compared: gamma² = ``|sum Z S*|² / (sum |Z|² sum
    |S|²)``, p = (1 - gamma²)^(K - 1); the lag is the phase of the sum, its error ``sqrt((1 - gamma²) / (2 K
    gamma²))`` in radians.

    The seed's own pixels share its noise: they are flagged in `self` and have no significance, unless `leave_one_out`
    subtracts each of them from the seed first. `clusters` are connected significant pixels, `edges` the pairs of
    clusters that are coherent with each other. Frames of one channel are wanted.

    Made of LockInPlan, RegionLightCurve, LinkToSeed, LinkOutput and LinkClusters.
    """

    inputs = (*INPUTS, Port("seed", "series", optional=True, doc="light curve to compare with, instead of the box"))
    outputs = (
        *(Port(part, doc=doc) for part, doc in PARTS.items()),
        Port("clusters", "table", doc="places that go with the seed"),
        Port("edges", "table", doc="places that go with each other"),
        Port("series", "series", doc="the seed"),
        Port("report", "measures", doc="what was planned, and warnings"),
    )
    maskable = False

    box: tuple[int, int, int, int] | None = param(default=None, doc="y0, x0, y1, x1 of the seed in pixels")
    segments: int = param(default=12, low=4, high=100, doc="parts of the run whose phases are compared")
    leave_one_out: bool = param(default=False, doc="judge the seed's own pixels by the others of it")
    level: float = param(default=0.01, low=1e-6, high=0.5, doc="rate of false discoveries among pixels")

    def check(self) -> None:
        super().check()
        if self.vector().is_search or self.is_box():
            raise ParameterError(f"LerarLinkMap: one period is wanted, and no box, got {self.trv}")
        if self.leave_one_out and (self.box is None or self.matched != "off"):
            raise ParameterError("LerarLinkMap: leave_one_out wants a box, and matched=off: filtered pixels are "
                                 "not those the seed is made of")  # fmt: skip

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        plan = planned_by(self, add, feeds, purpose="fold")
        seed = feeds.get("seed")
        if seed is None:
            if self.box is None:
                raise ParameterError("LerarLinkMap: a box or the input 'seed' is wanted, neither is given")
            seed = add("time.region_light_curve", "series", frames=feeds["frames"], plan=plan["fit"], box=self.box)
            seed = seed["series"]
        frequency = 1.0 / self.vector().period
        made = add("time.link_to_seed", "link", frames=feeds["frames"], plan=plan["fit"], seed=seed,
                   frequency=frequency, segments=self.segments, box=self.box, leave_one_out=self.leave_one_out,
                   level=self.level)["image"]  # fmt: skip
        maps = {part: add("time.link_output", part, image=made, part=part)["image"] for part in PARTS}
        tables = add("time.link_clusters", "clusters", image=made, frequency=frequency, level=self.level)
        return {**maps, "clusters": tables["clusters"], "edges": tables["edges"], "series": seed,
                "report": plan["measures"]}  # fmt: skip
