"""Stars found in one image and matched with those of another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..contest import forget
from ..data import draw
from ..sources import Held, hold
from ..workload import OURS, Entrant, Figure, Settings, Task, Workload, peer

_SKY, _NOISE, _SIGMA = 0.05, 0.0015, 1.3


def make(folder: Path, size: Settings) -> None:
    """Two images of the same stars, the second turned by 1 degree and moved, and where its stars are."""
    rng = np.random.default_rng(9)
    width, height, n = size["width"], size["height"], size["stars"]
    x, y = rng.uniform(12, width - 13, n), rng.uniform(12, height - 13, n)
    peak = np.minimum(0.8, 0.02 * (1 - rng.random(n)) ** -0.8)
    c, s = math.cos(math.radians(1.0)), math.sin(math.radians(1.0))
    places = {
        "first": (x, y),
        "second": (c * (x - width / 2) - s * (y - height / 2) + width / 2 + 7.4,
                   s * (x - width / 2) + c * (y - height / 2) + height / 2 - 5.8),
    }  # fmt: skip
    for name, (u, v) in places.items():
        noise = np.random.default_rng([9, len(name)])
        image = np.float32(_SKY) + np.float32(_NOISE) * noise.standard_normal((height, width), dtype=np.float32)
        table = np.column_stack([u, v, peak, np.full(n, _SIGMA)])
        draw(image, 0, table[np.argsort(table[:, 1])], reach=9)
        np.save(folder / f"{name}.npy", image)
    np.save(folder / "truth.npy", np.column_stack([*places["second"], peak]))


def _told(task: Task, places: Any, pairs: int) -> None:
    """Note how far the brighter stars that were found lie from where they are."""
    from scipy.spatial import cKDTree

    truth = np.load(task.data / "truth.npy")
    height, width = task.size["height"], task.size["width"]
    lone = cKDTree(truth[:, :2]).query(truth[:, :2], k=2)[0][:, 1] > 25
    inside = (truth[:, 0] > 10) & (truth[:, 0] < width - 11) & (truth[:, 1] > 10) & (truth[:, 1] < height - 11)
    bright = truth[lone & inside & (truth[:, 2] > 60 * _NOISE)]
    off, _ = cKDTree(np.asarray(places)).query(bright[:, :2])
    near = off < 1.0
    task.facts.update(
        found=len(places), pairs=int(pairs), missed=int((~near).sum()), bright=len(bright),
        error=float(np.sqrt(np.mean(off[near] ** 2) / 2)) if near.any() else float("nan"),
    )  # fmt: skip


# -- entrants -----------------------------------------------------------------------------------------


def ours(task: Task) -> None:
    """The list of the first image is known, as that of a reference is; one thread."""
    from ....engine.process import Known
    from ....graphs.document import Graph
    from ....nodes.registration.match_stars import MatchStars

    g = Graph()
    nodes = []
    for name in ("first", "second"):
        image = g.add(Held, name=name, held=hold(name, np.load(task.data / f"{name}.npy")[None]))
        nodes.append(g.add("DetectStars", name=f"stars-{name}", image=image))
    reference = nodes[0].value(scheduler="sync")

    def detected() -> Any:
        forget(task.store)
        return nodes[1].value(scheduler="sync")

    stars = task.best("detect", detected, task.size["width"] * task.size["height"], task.size["_times"])
    known = Known(values={"stars": stars, "reference": reference})
    found = task.best("match", lambda: MatchStars().compute(known), 0.0, task.size["_times"])
    _told(task, np.asarray(stars["table"])[:, :2], found["pairs"])


def sep_astroalign(task: Task) -> None:
    sep, align = peer("sep"), peer("astroalign")
    first, second = (np.load(task.data / f"{name}.npy") for name in ("first", "second"))

    def detected(image: Any) -> Any:
        background = sep.Background(image)
        found = sep.extract(image - background, 5.0, err=background.globalrms)
        return found[np.argsort(found["flux"])[::-1]]

    def places(found: Any) -> Any:
        return np.column_stack([found["x"], found["y"]])

    reference = places(detected(first))
    stars = places(task.best("detect", lambda: detected(second), second.size, task.size["_times"]))
    _, pairs = task.best("match", lambda: align.find_transform(stars, reference), 0.0, task.size["_times"])
    _told(task, stars, len(pairs[0]))


def photutils_finder(task: Task) -> None:
    """Detection only: photutils does not match."""
    detection, stats = peer("photutils.detection"), peer("astropy.stats")
    image = np.load(task.data / "second.npy")

    def detected() -> Any:
        _, median, deviation = stats.sigma_clipped_stats(image[::4, ::4])
        return detection.DAOStarFinder(threshold=5.0 * deviation, fwhm=2.355 * _SIGMA)(image - median)

    found = task.best("detect", detected, image.size, 1)
    columns = [next(found[n] for n in names if n in found.colnames) for names in _COLUMNS]
    _told(task, np.column_stack([np.asarray(c) for c in columns]), 0)


_COLUMNS = (("x_centroid", "xcentroid"), ("y_centroid", "ycentroid"))
"""What photutils calls the places, newer name first."""


# -- what comes of it ---------------------------------------------------------------------------------


def agree(found: Mapping[str, tuple[dict[str, Any], Path]], size: Settings) -> dict[str, str]:
    """The truth is known: hardly a bright star may be missing, and places must be right."""
    return {
        name: f"{facts['missed']} of {facts['bright']} bright stars missed, error {facts['error']:.3f} px"
        if facts["missed"] > 0.03 * facts["bright"] or not facts["error"] < 0.1
        else ""
        for name, (facts, _) in found.items()
    }


def figures(results: Any) -> list[Figure]:
    detect, match = (results.least(OURS, name) for name in ("detect", "match"))
    both = [results.least("sep, astroalign", name) for name in ("detect", "match")]
    return [
        Figure("detect and match", detect + match if detect and match else None, "CPU s", 0.1),
        Figure("detect", detect, "CPU s"),
        Figure("match", match, "CPU s"),
        Figure("error of a place, one axis", results.fact(OURS, "error"), "px", 0.02),
        Figure("sep and astroalign", sum(both) if all(both) else None, "CPU s"),
    ]


WORKLOAD = Workload(
    name="stars",
    title="Stars: detect and match",
    about=(
        "Gaussian stars on a flat sky, in memory, one thread. Stars are found and measured in one image, then matched "
        "with the list of another that is turned by a degree. Places are compared with the truth, for lone stars 60 "
        "times above the noise of a pixel."
    ),
    sizes={
        "small": {"width": 500, "height": 400, "stars": 90, "_times": 1},
        "full": {"width": 4096, "height": 3072, "stars": 2000, "_times": 5},
    },
    make=make,
    shares="stars",
    entrants=(
        Entrant(OURS, ours),
        Entrant("sep, astroalign", sep_astroalign, "astroalign"),
        Entrant("photutils", photutils_finder, "photutils.detection"),
    ),
    agree=agree,
    figures=figures,
    by_section=True,
)
