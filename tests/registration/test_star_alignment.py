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
from lerarlink.engine.api import Frame, Known, ParameterError
from lerarlink.engine.errors import EngineError
from lerarlink.nodes.registration._maps import applied
from lerarlink.nodes.registration.detect_stars import DetectStars
from lerarlink.nodes.registration.match_stars import MatchStars
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


def test_a_choice_beyond_the_series_is_refused() -> None:
    with pytest.raises(ParameterError, match="image 5, there are 2"):
        ReferenceFrame().frame(Known(frames={"images": (None, None)}, values={"choice": {"index": 5}}))


def test_dithered_frames_of_a_faint_cluster_lie_on_one_another(real_data: Callable[[str], Path]) -> None:
    """M 13: a drift of about 11 px a frame, stars of a signal to noise of 6."""
    paths = tuple(str(real_data(f"m13-dithers/M13_blue_000{i}.fits.fz")) for i in range(1, 6))
    g = Graph()
    series = g.add("ReadSeries", paths=paths)
    for threshold in (3.5, 5.0):
        aligned = g.add("StarAlignment", images=series, reference_index=0, threshold=threshold)
        shifts = [t["shift"] for t in aligned.output("transform").value()]
        assert shifts[1] == pytest.approx([-12, 1], abs=2)
        assert shifts[2] == pytest.approx([-25, 4.5], abs=2)
        assert shifts[3] == pytest.approx([-34, 4], abs=2)
        assert shifts[4] == pytest.approx([-46, 3.5], abs=2)
    window = np.s_[400:680, 520:800]
    raw = gaussian_filter(fits.getdata(paths[4]).astype(float), 2)[window]
    first, last = (gaussian_filter(aligned.output("image").image[i].compute()[0], 2)[window] for i in (0, 4))
    before, after = (np.corrcoef(first.ravel(), one.ravel())[0, 1] for one in (raw, last))
    assert after > before + 0.05


def test_maps_are_true_to_a_hundredth_of_a_pixel() -> None:
    """400 stars of a power law, 3 px wide; dithers, small rotations, and the other side of the meridian."""
    rng = np.random.default_rng(12)
    sky = np.column_stack([rng.uniform(-30, 1030, 500), rng.uniform(-30, 780, 500), 4000 * (rng.pareto(1.2, 500) + 1)])
    found = [stars_of(sky, pose, at) for at, pose in enumerate(LARGE_POSES)]
    x, y = np.meshgrid(np.linspace(40, 960, 24), np.linspace(40, 710, 18))
    for pose, image in zip(LARGE_POSES[1:], found[1:], strict=True):
        transform = MatchStars().compute(Known(values={"stars": image, "reference": found[0]}))
        px, py = applied(transform["inverse"], x, y)
        tx, ty = turned(pose, x, y)
        assert math.sqrt(((px - tx) ** 2 + (py - ty) ** 2).mean()) < 0.012
        assert transform["kind"] in ("shift", "rigid", "similarity")


LARGE_POSES = [(0.0, 0.0, 0.0), (0.3, 12.3, -7.7), (180.2, -9.1, 15.6)]


def turned(pose: tuple[float, float, float], x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return where places of a 1000 x 750 reference lie in a frame of *pose*."""
    c, s = math.cos(math.radians(pose[0])), math.sin(math.radians(pose[0]))
    dx, dy = x - 499.5, y - 374.5
    return c * dx - s * dy + 499.5 + pose[1], s * dx + c * dy + 374.5 + pose[2]


def stars_of(sky: Floats, pose: tuple[float, float, float], seed: int) -> dict[str, Any]:
    """Return the star list of a frame of the sky: Moffat stars integrated over pixels, photon noise."""
    image = np.full((750, 1000), 400.0)
    x, y = turned(pose, sky[:, 0], sky[:, 1])
    fine = (np.arange(3) - 1) / 3
    for sx, sy, flux in zip(x, y, sky[:, 2], strict=True):
        x0, x1 = (int(np.clip(sx + d, 0, 1000)) for d in (-20, 21))
        y0, y1 = (int(np.clip(sy + d, 0, 750)) for d in (-20, 21))
        if x0 >= x1 or y0 >= y1:
            continue
        u = (np.arange(x0, x1)[:, None] + fine - sx).ravel()
        v = (np.arange(y0, y1)[:, None] + fine - sy).ravel()
        light = (1.0 + (u[None, :] ** 2 + v[:, None] ** 2) / 2.94**2) ** -3.0 * 2.0 / (math.pi * 2.94**2)
        image[y0:y1, x0:x1] += flux * light.reshape(y1 - y0, 3, x1 - x0, 3).mean(axis=(1, 3))
    tile = np.random.default_rng(seed).poisson(image).astype(np.float32)[None]
    process, frame = DetectStars(), Frame(width=1000, height=750, bounds=(0.0, 65535.0))
    known = Known(frames={"image": frame}, box=frame.box)
    found: dict[str, Any] = process.finish(process.measure(known, tile), known)
    return found
