"""Which frame of a series the others are aligned on."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lerarlink import Graph
from lerarlink.engine.api import Known, ParameterError
from lerarlink.nodes.registration.choose_reference import ChooseReference, ranks

WIDTH, HEIGHT = 2000, 1500
SKY = np.random.default_rng(5).uniform(-1500, 3500, (3000, 2))
FLUX = np.sort(np.random.default_rng(6).pareto(1.2, 3000))[::-1]


def stars(n: int, fwhm: float, eccentricity: float, noise: float) -> dict[str, Any]:
    figures = {"fwhm": fwhm, "eccentricity": eccentricity, "noise": noise, "width": WIDTH, "height": HEIGHT}
    return {"columns": ["x", "y", "flux"], "table": np.zeros((n, 3)), **figures}


def frame(angle: float = 0.0, dx: float = 0.0, dy: float = 0.0, fwhm: float = 3.0) -> dict[str, Any]:
    """Return the stars of one sky as a frame turned by *angle* degrees and moved shows them."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = SKY[:, 0] - WIDTH / 2, SKY[:, 1] - HEIGHT / 2
    x, y = c * x - s * y + WIDTH / 2 + dx, s * x + c * y + HEIGHT / 2 + dy
    seen = (x > 0) & (y > 0) & (x < WIDTH) & (y < HEIGHT)
    table = np.column_stack([x, y, FLUX])[seen]
    return {**stars(0, fwhm, 0.4, 5.0), "table": table}


def chosen(lists: list[dict[str, Any]], **params: Any) -> Any:
    process = ChooseReference(**params)
    return process.value("choice", process.compute(Known(values={"stars": tuple(lists)})))


def test_the_sharp_round_quiet_frame_with_many_stars_is_the_reference() -> None:
    lists = [stars(100, 3.0, 0.4, 5.0), stars(120, 2.5, 0.3, 4.0), stars(90, 2.4, 0.5, 6.0)]
    choice = chosen(lists)
    assert choice["index"] == 1
    # Ranks of FWHM, eccentricity, noise, less that of stars: 2+1+1-1, 1+0+0-2, 0+2+2-0.
    assert choice["scores"] == [3.0, -1.0, 4.0]
    assert chosen(lists, frame_index=2)["index"] == 2
    with pytest.raises(ParameterError, match=r"\[0, 2\] for a series of 3, got 3"):
        chosen(lists, frame_index=3)


def test_a_frame_with_hardly_any_star_is_not_the_reference() -> None:
    """A cloud leaves two sharp stars: first by FWHM, roundness and noise."""
    lists = [stars(100, 3.0, 0.4, 5.0), stars(100, 3.0, 0.4, 5.0), stars(2, 1.0, 0.0, 0.1)]
    assert chosen(lists)["index"] == 0


def test_a_frame_without_stars_is_the_reference_only_among_its_like() -> None:
    empty, clouded = stars(0, math.nan, math.nan, math.nan), stars(0, math.nan, math.nan, 1.0)
    assert chosen([empty])["index"] == 0
    assert chosen([empty, empty])["index"] == 0
    assert chosen([empty, clouded])["index"] == 1
    assert chosen([empty, empty, empty, clouded, stars(1, 9.0, 0.9, 9.0)])["index"] == 4


def test_the_sharpest_frame_of_the_minority_gives_way_to_the_majority() -> None:
    """Five frames of one night, two of another, sharper but turned by 69 degrees."""
    first = [frame(0.2 * i, 5.0 * i, -3.0 * i, fwhm=3.0 - 0.01 * i) for i in range(5)]
    second = [frame(69.0, 10.0, fwhm=2.0), frame(69.3, fwhm=2.1)]
    choice = chosen([*second, *first])
    assert choice["company"] == [2, 2, 5, 5, 5, 5, 5]
    assert choice["index"] == 6
    assert chosen(second)["index"] == 0


def test_the_side_of_a_meridian_flip_with_more_frames_gives_the_reference() -> None:
    choice = chosen([frame(180.0, fwhm=2.0), frame(0.0, 4.0), frame(0.0), frame(180.2, 7.0)])
    assert choice["company"] == [2, 2, 2, 2]
    assert choice["index"] == 0
    assert chosen([frame(180.0, fwhm=2.0), frame(0.0, 4.0), frame(0.0, fwhm=2.9)])["index"] != 0


def test_of_a_drifting_series_a_frame_in_the_middle_is_taken() -> None:
    drift = [frame(0.0, 150.0 * i, fwhm=2.0 + abs(i - 1) * 0.1) for i in range(9)]
    choice = chosen(drift)
    assert choice["company"] == [3, 4, 5, 5, 5, 5, 5, 4, 3]
    assert choice["index"] == 2


def test_unrelated_frames_are_judged_by_their_stars_alone() -> None:
    rng = np.random.default_rng(8)
    lists = [
        {**frame(fwhm=3.0 - 0.1 * i), "table": np.column_stack([rng.uniform(0, 1500, (60, 2)), FLUX[:60]])}
        for i in range(3)
    ]
    choice = chosen(lists)
    assert choice["company"] == [1, 1, 1]
    assert choice["index"] == 2


def test_equal_figures_share_their_rank() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, np.inf])).tolist() == [1.5, 0.0, 1.5, 3.0]


def test_of_two_real_nights_the_longer_gives_the_reference(real_data: Callable[[str], Path]) -> None:
    """The night of fewer frames has the sharper ones."""
    name = "seestar-m94/night{}_Light_M94_10.0s_IRCUT_2025{}.fits.fz"
    first = [real_data(name.format(1, when)) for when in ("0326-212131", "0326-212402", "0326-212629")]
    second = [real_data(name.format(2, "0409-225435"))]
    g = Graph()
    found = g.add("DetectStars", image=g.add("ReadSeries", paths=tuple(map(str, (*second, *first)))))
    choice = g.add("ChooseReference", stars=found).output("choice").value()
    assert choice["company"] == [1, 3, 3, 3]
    assert choice["index"] != 0
