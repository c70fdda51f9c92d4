"""Star lists taken to the frame of a reference agree with stars found on the aligned image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from scipy.spatial import cKDTree

from lerarlink import Graph

SIDE = 400
Y, X = np.mgrid[:SIDE, :SIDE].astype(float)


def sky(path: Path, places: Any, seed: int) -> str:
    image = np.random.default_rng(seed).normal(200.0, 3.0, (SIDE, SIDE))
    for n, (x, y) in enumerate(places):
        part = np.s_[max(0, int(y) - 15) : int(y) + 16, max(0, int(x) - 15) : int(x) + 16]
        image[part] += (800 + 40 * n) * np.exp(-((Y[part] - y) ** 2 + (X[part] - x) ** 2) / (2 * 1.6**2))
    fits.PrimaryHDU(image.astype(np.float32)).writeto(path)
    return str(path)


def test_moved_lists_agree_with_stars_found_on_the_aligned_images(tmp_path: Path) -> None:
    grid = np.stack(np.meshgrid(np.arange(30, 380, 45), np.arange(30, 380, 45)), -1).reshape(-1, 2)
    first = grid + np.random.default_rng(3).uniform(-9, 9, grid.shape)
    angle, scale = np.deg2rad(4.0), 1.03
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    second = (first - SIDE / 2) @ turn.T + SIDE / 2 + (7.3, -4.6)
    g = Graph()
    paths = [sky(tmp_path / f"{n}.fits", places, n) for n, places in enumerate((first, second))]
    aligned = g.add("StarAlignment", images=g.add("ReadSeries", paths=tuple(paths)), reference_index=0)
    found = g.add("DetectStars", image=aligned)
    moved, seen = aligned.output("stars").value()[1], found.output("stars").value()[1]
    at = {name: moved["columns"].index(name) for name in ("x", "y", "flux")}
    a, b = np.asarray(moved["table"]), np.asarray(seen["table"])
    distance, pairs = cKDTree(a[:, [at["x"], at["y"]]]).query(b[:, [at["x"], at["y"]]])
    near = distance < 1.0
    assert near.sum() > 40
    assert np.median(distance[near]) < 0.02
    # The image is shrunk by 1.03: fluxes become smaller by its square.
    ratio = b[near, at["flux"]] / a[pairs[near], at["flux"]]
    assert abs(np.median(ratio) - 1.0) < 0.004
    assert (moved["width"], moved["height"]) == (SIDE, SIDE)


def test_the_list_of_an_image_that_could_not_be_registered_is_empty(tmp_path: Path) -> None:
    g = Graph()
    places = np.random.default_rng(5).uniform(30, 370, (40, 2))
    paths = [sky(tmp_path / "0.fits", places, 0), sky(tmp_path / "1.fits", places[:0], 1)]
    aligned = g.add(
        "StarAlignment", images=g.add("ReadSeries", paths=tuple(paths)), reference_index=0, on_failure="missing"
    )
    assert len(aligned.output("stars").value()[1]["table"]) == 0
