"""Levels of large images from a sample of their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine.api import Box
from lerarlink.nodes.integration import _sampling
from lerarlink.nodes.integration._sampling import sampled_box, sampled_rows

HEIGHT, WIDTH = 640, 200


def test_small_images_are_measured_whole_and_large_ones_in_even_bands() -> None:
    assert sampled_rows(100, 100, False).all()
    assert sampled_rows(3072, 4096, True).all()
    rows = sampled_rows(3072, 4096, False)
    assert rows.mean() == pytest.approx(1 / 8, rel=0.1)
    assert np.flatnonzero(rows).mean() == pytest.approx(1535.5, abs=30)
    starts = np.flatnonzero(np.diff(rows.astype(int)) == 1) + 1
    assert (starts % 40 == 0).all()
    assert np.ptp(np.diff(starts)) <= 40


def test_the_box_asked_for_has_all_sampled_rows_and_ends_with_them() -> None:
    rows = np.zeros(50, bool)
    rows[[7, 8, 30]] = True
    assert sampled_box(Box(0, 2, 40, 9), rows) == Box(7, 2, 31, 9)
    assert sampled_box(Box(9, 2, 30, 9), rows).empty


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sampling, "SMALL", 0)
    monkeypatch.setattr(_sampling, "_BAND_SAMPLES", 5 * WIDTH)


def frames(folder: Path) -> tuple[Graph, list[Any], list[Any]]:
    rng = np.random.default_rng(3)
    y = np.linspace(-1, 1, HEIGHT)[:, None]
    images, nodes, g = [], [], Graph()
    for i in range(4):
        images.append((1000 + 30 * i + (20 * i) * y + rng.normal(0, 10, (HEIGHT, WIDTH))).astype(np.float32))
        header = fits.Header([("LERBLO", 0.0), ("LERBHI", 65535.0)])
        fits.PrimaryHDU(images[i], header).writeto(folder / f"{i}.fits")
        nodes.append(g.add("ReadImage", name=f"r{i}", path=str(folder / f"{i}.fits")))
    return g, nodes, images


def test_sampled_levels_are_those_of_the_sampled_rows(tmp_path: Path, small_is_large: None) -> None:
    g, nodes, images = frames(tmp_path)
    rows = sampled_rows(HEIGHT, WIDTH, False)
    assert 0.1 < rows.mean() < 0.15
    for node, image in zip(nodes[:2], images, strict=False):
        told = g.add("IntegrationStatistics", image=node).value()
        assert told["sampled"] == rows.mean()
        (channel,) = told["channels"]
        assert channel["count"] == rows.sum() * WIDTH
        assert channel["median"] == pytest.approx(float(np.median(image[rows].astype(float))), abs=1e-9)
        assert channel["mean"] == pytest.approx(float(image[rows].astype(float).mean()), abs=1e-9)
        assert abs(channel["median"] - np.median(image)) < 0.5
        whole = g.add("IntegrationStatistics", image=node, whole_image=True).value()
        assert whole["sampled"] == 1.0
        assert whole["channels"][0]["count"] == HEIGHT * WIDTH


def test_rejected_shares_are_those_of_the_sampled_rows(tmp_path: Path, small_is_large: None) -> None:
    g, nodes, _ = frames(tmp_path)
    node = g.add("ImageIntegration", images=nodes, rejection="min_max", weight_mode="dont_care", min_max_low=0)
    told = node.value("measures")
    rows = sampled_rows(HEIGHT, WIDTH, False)
    assert (told["sampled"], told["rejection"], told["combined"]) == (rows.mean(), "min_max", 4)
    fates = node.output("rejected").image.compute()
    for frame, fate in zip(told["frames"], fates, strict=True):
        assert frame["rejected_high"][0] == pytest.approx(float(fate[rows].mean()))
