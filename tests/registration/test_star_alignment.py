"""StarAlignment end to end on simulated and real series; the choice of the reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from scipy.ndimage import gaussian_filter

from lerarlink import Graph
from lerarlink.engine.api import Known, ParameterError
from lerarlink.engine.errors import EngineError
from lerarlink.nodes.registration.choose_reference import ChooseReference, ranks
from lerarlink.nodes.registration.reference_frame import ReferenceFrame

Floats = npt.NDArray[np.float64]
HEIGHT, WIDTH = 300, 400
# Degrees, and where the centre lies.
POSES = [(0.0, 0.0, 0.0), (0.4, 7.3, -5.6), (179.7, -12.1, 3.4), (-2.0, 15.5, 9.9)]


def taken(pose: tuple[float, float, float], seed: int, fwhm: float = 2.6) -> Floats:
    """Return a frame of one and the same sky, turned and moved by *pose*."""
    rng = np.random.default_rng(99)
    x, y = rng.uniform(-60, WIDTH + 60, 160), rng.uniform(-60, HEIGHT + 60, 160)
    peak = 300 * (rng.pareto(1.3, 160) + 1)
    angle, dx, dy = math.radians(pose[0]), pose[1], pose[2]
    cx, cy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    px = math.cos(angle) * (x - cx) - math.sin(angle) * (y - cy) + cx + dx
    py = math.sin(angle) * (x - cx) + math.cos(angle) * (y - cy) + cy + dy
    image = np.random.default_rng(seed).normal(500, 5, (HEIGHT, WIDTH))
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    for sx, sy, p in zip(px, py, np.minimum(peak, 20000), strict=True):
        rows, columns = (slice(max(0, int(c) - 12), max(0, int(c) + 13)) for c in (sy, sx))
        image[rows, columns] += p * np.exp(
            -((u[rows, columns] - sx) ** 2 + (v[rows, columns] - sy) ** 2) / (2 * (fwhm / 2.3548) ** 2)
        )
    return image


@pytest.fixture
def night(tmp_path: Path) -> list[str]:
    paths = []
    for i, pose in enumerate(POSES):
        path = tmp_path / f"light{i}.fits"
        fits.PrimaryHDU(np.round(taken(pose, i)).astype(np.uint16)).writeto(path)
        paths.append(str(path))
    return paths


def test_all_frames_of_a_night_come_to_lie_on_the_reference(night: list[str]) -> None:
    g = Graph()
    series = g.add("ReadSeries", paths=tuple(night))
    aligned = g.add("StarAlignment", images=series, reference_index=0)
    transforms = aligned.output("transform").value()
    found = [t["rotation"] % 360 for t in transforms]
    assert found == pytest.approx([p[0] % 360 for p in POSES], abs=0.01)
    truth = taken(POSES[0], 50)
    images = aligned.output("image").image
    assert len(images) == len(POSES)
    for i in range(len(images)):
        made = images[i].compute()[0]
        assert made.shape == (HEIGHT, WIDTH)
        both = np.isfinite(made)
        assert both.mean() > 0.85
        # 20000 ADU high stars differ by 100 ADU for each hundredth of a pixel; noise is 5.
        away = np.abs(made - truth)[both]
        assert float(np.percentile(away, 99.9)) < 150, i
        assert float(np.std(away)) < 30


def test_a_linked_reference_is_what_all_are_aligned_on(night: list[str]) -> None:
    g = Graph()
    series = g.add("ReadSeries", paths=tuple(night[:2]))
    reference = g.add("ReadImage", path=night[3])
    found = g.add("StarAlignment", images=series, reference=reference).output("transform").value()
    assert [t["rotation"] for t in found] == pytest.approx([2.0, 2.4], abs=0.01)


def test_a_frame_without_stars_is_an_error_or_missing_as_asked(night: list[str], tmp_path: Path) -> None:
    cloudy = tmp_path / "cloudy.fits"
    fits.PrimaryHDU(np.random.default_rng(9).normal(500, 5, (HEIGHT, WIDTH)).astype(np.uint16)).writeto(cloudy)
    g = Graph()
    series = g.add("ReadSeries", paths=(*night[:2], str(cloudy)))
    strict = g.add("StarAlignment", name="strict", images=series, reference_index=0)
    with pytest.raises(EngineError, match=r"strict/warp\[2\].*could not be registered"):
        strict.output("image").image[2].compute()
    kind = g.add("StarAlignment", name="kind", images=series, reference_index=0, on_failure="missing")
    assert np.isnan(kind.output("image").image[2].compute()).all()
    assert [t["kind"] == "none" for t in kind.output("transform").value()] == [False, False, True]


def stars(n: int, fwhm: float, eccentricity: float, noise: float) -> dict[str, Any]:
    figures = {"fwhm": fwhm, "eccentricity": eccentricity, "noise": noise}
    return {"columns": ["x", "y", "flux"], "table": np.zeros((n, 3)), **figures}


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
    assert chosen([stars(0, math.nan, math.nan, 1.0)] * 2)["index"] == 0


def test_equal_figures_share_their_rank() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, np.inf])).tolist() == [1.5, 0.0, 1.5, 3.0]


def test_a_choice_beyond_the_series_is_refused() -> None:
    with pytest.raises(ParameterError, match="image 5, there are 2"):
        ReferenceFrame().frame(Known(frames={"images": (None, None)}, values={"choice": {"index": 5}}))


def test_dithered_frames_of_a_faint_cluster_lie_on_one_another(real_data: Callable[[str], Path]) -> None:
    """M 13: a drift of about 11 px a frame, stars of a signal to noise of 6. One frame shows too few of them."""
    paths = tuple(str(real_data(f"m13-dithers/M13_blue_000{i}.fits.fz")) for i in (1, 2, 3, 5))
    g = Graph()
    series = g.add("ReadSeries", paths=paths)
    aligned = g.add("StarAlignment", images=series, reference_index=0)
    shifts = [t["shift"] for t in aligned.output("transform").value()]
    assert shifts[1] == pytest.approx([-12, 1], abs=2)
    assert shifts[2] == pytest.approx([-25, 4.5], abs=2)
    assert shifts[3] == pytest.approx([-44.5, 4.3], abs=2)
    window = np.s_[400:680, 520:800]
    raw = gaussian_filter(fits.getdata(paths[3]).astype(float), 2)[window]
    first, last = (gaussian_filter(aligned.output("image").image[i].compute()[0], 2)[window] for i in (0, 3))
    before, after = (np.corrcoef(first.ravel(), one.ravel())[0, 1] for one in (raw, last))
    assert after > before + 0.05
