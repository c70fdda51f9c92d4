"""Drizzling without the samples that an integration of the registered frames rejects."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine.api import Box, Known, Port, Process, param
from lerarlink.engine.errors import EngineError
from lerarlink.engine.graph import Node
from lerarlink.nodes.integration._drizzle_rejection import on_grid, without_rejected

Floats = npt.NDArray[np.float64]
H, W, N = 90, 110, 9
STARS = [(25.3, 30.8, 9000.0), (60.1, 71.4, 5000.0), (70.7, 20.2, 12000.0)]
SIGMA = 1.8


def turned(degrees: float, dx: float, dy: float) -> Floats:
    """Return the matrix from places of the reference to those of a frame."""
    a = math.radians(degrees)
    c, s, cx, cy = math.cos(a), math.sin(a), (W - 1) / 2, (H - 1) / 2
    return np.array([[c, -s, cx - c * cx + s * cy + dx], [s, c, cy - s * cx - c * cy + dy], [0.0, 0.0, 1.0]])


class Turned(Process, id="docs.turned"):
    """A source of transforms."""

    inputs = ()
    outputs = (Port("transform", "transform"),)
    degrees: float = param(default=0.0, doc="how far")
    dx: float = param(default=0.0, doc="how far")
    dy: float = param(default=0.0, doc="how far")

    def compute(self, known: Known) -> Any:
        m = turned(self.degrees, self.dx, self.dy)
        return {
            "kind": "rigid", "inverse": [{"matrix": m}], "forward": [{"matrix": np.linalg.inv(m)}], "scale": 1.0,
            "width": W, "height": H, "reference_width": W, "reference_height": H, "noise": 0.0,
        }  # fmt: skip


def frames(dithers: list[tuple[float, float, float]], noise: float, seed: int = 0) -> list[Floats]:
    """Return stars on a sky of 200 as frames with these dithers would see them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:H, :W].astype(np.float64)
    made = []
    for dither in dithers:
        m = np.linalg.inv(turned(*dither))
        u, v = (m[k, 0] * x + m[k, 1] * y + m[k, 2] for k in (0, 1))
        image = 200.0 + sum(
            f * np.exp(-((u - sx) ** 2 + (v - sy) ** 2) / (2 * SIGMA**2)) / (2 * math.pi * SIGMA**2)
            for sy, sx, f in STARS
        )
        made.append(image + rng.normal(0, noise, image.shape))
    return made


def dithers() -> list[tuple[float, float, float]]:
    rng = np.random.default_rng(4)
    return [(0.0, 0.0, 0.0), *((float(a), float(b), float(c)) for a, b, c in rng.uniform(-2, 2, (N - 1, 3)))]


def night(folder: Path, images: list[Floats], cfa: str = "") -> tuple[Graph, list[Node], list[Node], list[Node]]:
    """Return a graph with frames, their transforms, and the frames registered."""
    g = Graph()
    raw, maps, lying = [], [], []
    for i, (image, dither) in enumerate(zip(images, dithers(), strict=False)):
        cards = [("LERBLO", 0.0), ("LERBHI", 65535.0), *([("BAYERPAT", cfa)] if cfa else [])]
        path = folder / f"{i}.fits"
        fits.PrimaryHDU(image.astype(np.float32), fits.Header(cards)).writeto(path)
        raw.append(g.add("ReadImage", name=f"raw{i}", path=str(path)))
        maps.append(g.add(Turned, name=f"map{i}", degrees=dither[0], dx=dither[1], dy=dither[2]))
        seen = g.add("Debayer", name=f"rgb{i}", image=raw[i], debayer_method="bilinear") if cfa else raw[i]
        lying.append(g.add("Warp", name=f"lying{i}", image=seen, reference=raw[0], transform=maps[i]))
    return g, raw, maps, lying


def integration(g: Graph, lying: list[Node], **more: Any) -> Node:
    settings = {"rejection": "winsorized_sigma_clip", "weight_mode": "dont_care", "normalization": "additive"} | more
    return g.add("ImageIntegration", images=lying, **settings)


def drizzle(g: Graph, raw: list[Node], maps: list[Node], made: Node | None, **more: Any) -> Node:
    """Return the frames drizzled; with what *made*, an integration, rejects left out."""
    feeds = {} if made is None else {"plan": made.output("plan"), "rejected": made.output("rejected")}
    return g.add("DrizzleIntegration", images=raw, transforms=maps, reference=raw[0], **feeds, **more)


def fluxes(image: Floats, scale: float) -> list[float]:
    """Return what the stars have above the sky, summed over 8 sigma, in units of the reference."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    y, x = (y + 0.5) / scale - 0.5, (x + 0.5) / scale - 0.5
    return [float((image - 200.0)[np.hypot(y - sy, x - sx) < 8 * SIGMA].sum() / scale**2) for sy, sx, _ in STARS]


def test_fluxes_are_conserved_to_one_in_ten_thousand(tmp_path: Path) -> None:
    g, raw, maps, lying = night(tmp_path, frames(dithers(), 0.0))
    made = integration(
        g, lying, rejection="percentile_clip", pc_clip_low=0.9, pc_clip_high=0.9,
        rejection_normalization="no_rejection_normalization", normalization="no_normalization",
    )  # fmt: skip
    for scale, drop in ((1.0, 1.0), (2.0, 0.9)):
        out = drizzle(g, raw, maps, made, scale=scale, drop_shrink=drop).compute()[0].astype(np.float64)
        assert fluxes(out, scale) == pytest.approx([f for _, _, f in STARS], rel=1e-4)


def test_what_struck_single_frames_is_left_out(tmp_path: Path) -> None:
    clean = frames(dithers(), 3.0)
    struck = [image.copy() for image in clean]
    rng = np.random.default_rng(9)
    for image in struck:
        for y, x in rng.integers(8, 80, (12, 2)):
            image[y, x : x + 3] += 4000.0
    g, raw, maps, lying = night(tmp_path, struck)
    made = integration(g, lying)
    with_all = drizzle(g, raw, maps, None, name="all").compute()[0]
    without = drizzle(g, raw, maps, made, name="without")
    (tmp_path / "clean").mkdir()
    truth_graph, *truth = night(tmp_path / "clean", clean)
    truth = drizzle(truth_graph, truth[0], truth[1], None).compute()[0]
    inner = (slice(20, -20), slice(20, -20))
    out = without.compute()[0]
    assert float(np.abs(with_all - truth)[inner].max()) > 300
    # What is left are the feet of interpolated strikes, which an integration keeps as well.
    assert float(np.abs(out - truth)[inner].std()) < 1.5
    assert float(np.abs(out - truth)[inner].max()) < 40
    assert np.array_equal(out, without.compute(strip_samples=220 * 5)[0])
    weight = without.output("weight").image.compute()[0][inner]
    # Drops of 0.9 pixels cover 0.81; of nine frames winsorised sigmas take a noisy sample now and then.
    assert 0.76 < float(np.median(weight)) < 0.83
    assert 0.0 < weight.min() < 0.6


def test_mosaics_lose_the_samples_of_the_colour_that_was_struck(tmp_path: Path) -> None:
    images = frames(dithers(), 2.0, seed=3)
    images[4][40:43, 50:53] += 5000.0
    g, raw, maps, lying = night(tmp_path, images, cfa="RGGB")
    made = integration(g, lying, range_clip_low=False)
    out = drizzle(g, raw, maps, made, name="without", scale=1.0, drop_shrink=1.0).compute()
    all_of_them = drizzle(g, raw, maps, None, name="all", scale=1.0, drop_shrink=1.0).compute()
    assert out.shape == (3, H, W)
    place = (slice(None), slice(36, 48), slice(44, 60))
    assert np.nanmax(all_of_them[place]) > 500
    assert np.nanmax(out[place]) < 230


def test_frames_left_out_reject_nothing_and_maps_agree_with_the_integration(tmp_path: Path) -> None:
    images = frames(dithers()[:6], 3.0)
    images[2][30, 40] += 5000
    images[3][:] = np.nan
    g, _, _, lying = night(tmp_path, images)
    made = integration(g, lying, range_clip_low=False)
    fates = made.output("rejected").image.compute()
    assert fates.shape == (6, H, W)
    assert np.isnan(fates[3]).all()
    assert np.nansum(fates[2]) >= 1
    low, high = (made.output(f"rejection_{side}").image.compute()[0] for side in ("low", "high"))
    there = np.isfinite(low)
    assert np.allclose(np.nansum(fates, axis=0)[there] / 6, (low + high)[there])
    plan = made.value("plan")
    assert plan["frames"][3]["excluded"]
    for told, reported in zip(plan["frames"], made.value("measures")["frames"], strict=True):
        assert all(reported[k] == told[k] for k in told if k != "median")
        assert ("rejected_high" in reported) == (not told["excluded"])


def test_a_sample_is_looked_up_where_its_centre_lies() -> None:
    grid, part = Box(0, 0, 20, 20), Box(4, 5, 14, 17)
    rejected = np.zeros((1, part.height, part.width), np.float32)
    rejected[0, 9 - part.y0, 11 - part.x0] = 1.0
    step = {"matrix": np.array([[1.0, 0.0, 3.4], [0.0, 1.0, -2.6], [0.0, 0.0, 1.0]])}
    tile = np.ones((1, 12, 12), np.float32)
    out = without_rejected(tile, Box(6, 2, 18, 14), {"forward": [step]}, rejected, part, np.empty((0, 0), np.int64))
    # (8, 12) lies at (11.4, 9.4): the column, then the row.
    assert np.argwhere(~np.isfinite(out[0])).tolist() == [[6, 6]]
    assert np.isfinite(tile).all()
    known = [{"kind": "rigid", "scale": 1.0}, {"kind": "none"}, {"kind": "rigid", "scale": 0.25}]
    assert on_grid(Box(0, 8, 4, 12), (2.0, 2.0), known, grid) == Box(0, 0, 8, 12)


def test_rejected_samples_of_other_frames_are_refused(tmp_path: Path) -> None:
    g, raw, maps, lying = night(tmp_path, frames(dithers()[:4], 3.0))
    made = integration(g, lying[:3])
    with pytest.raises(EngineError, match=r"rejected samples of 4 images with 1 channels .* got 3 channels"):
        g.add(
            "DrizzleIntegration", images=raw, transforms=maps, reference=raw[0], rejected=made.output("rejected")
        ).compute()
    local = integration(g, lying, normalized=lying, normalization="local_normalization")
    with pytest.raises(EngineError, match="this one is of locally normalised images"):
        drizzle(g, raw, maps, local, name="local").compute()
