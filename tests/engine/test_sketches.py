"""Statistics read off sketches of the sources: the same to the last bit as by passes over the image."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine import registry, sifting
from lerarlink.engine.graph import Graph
from lerarlink.engine.report import Report
from lerarlink.engine.sketches import Sketches
from lerarlink.engine.store import Store
from lerarlink.nodes.io import read_image

SHAPE = (9000, 60)


@pytest.fixture(autouse=True)
def _small_images_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sifting, "LOOK", 1 << 13)
    monkeypatch.setattr(sifting, "_FEW", 256)
    monkeypatch.setattr("lerarlink.engine.region.MEASURE_TILE_SAMPLES", 60 * 50)
    monkeypatch.setattr(read_image, "_FORESEEN_PIXELS", 1)


def sky(name: str) -> np.ndarray:
    rng = np.random.default_rng(7)
    light = rng.gamma(2.0, 0.01, SHAPE)
    gain, offset = {"R": (1.0, 0.6), "G": (0.8, 0.55), "B": (0.6, 0.7)}[name]
    image = gain * light + offset + rng.normal(0, 0.005, SHAPE)
    return np.clip(image, 0.0, 1.0).astype(np.float32)


def picture(folder: Path, change: Any = lambda name, image: image, linked: bool = True) -> Graph:
    g = Graph()
    for name in "RGB":
        fits.writeto(folder / f"{name}.fits", change(name, sky(name)), overwrite=True)
        g.add("ReadImage", name=name, path=str(folder / f"{name}.fits"))
    green, blue = (g.add("LinearFit", name=f"fit-{n}", image=g[n], reference=g["R"]) for n in "GB")
    g.add("ChannelCombination", name="rgb", red=g["R"], green=green, blue=blue)
    g.add("ScreenTransferFunction", name="display", image=g["rgb"], linked=linked)
    return g


def both(g: Graph, folder: Path, monkeypatch: pytest.MonkeyPatch, scheduler: Any = "threads") -> tuple[Report, Report]:
    """Return what runs tell with sketches, and without."""
    sketched = g.run(["display"], store=Store(folder / "a"), scheduler=scheduler)
    with monkeypatch.context() as m:
        m.setattr(Sketches, "towards", lambda self, targets: [])
        return sketched, g.run(["display"], store=Store(folder / "b"))


def alone(report: Report, size: int) -> int:
    """Return how many passes went over all of the combined image, whose files have *size* bytes."""
    return sum(s.nodes == ("display",) and s.read > size / 2 for s in report.stages)


@pytest.mark.parametrize("scheduler", ["threads", "sync"])
def test_the_stretch_of_fitted_channels_takes_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheduler: Any
) -> None:
    g = picture(tmp_path)
    sketched, plain = both(g, tmp_path, monkeypatch, scheduler)
    assert sketched.values["display"] == plain.values["display"]
    size = 3 * (tmp_path / "R.fits").stat().st_size
    assert (alone(sketched, size), alone(plain, size)) == (0, 1)
    assert max(s.read for s in sketched.stages) <= size + 1, "no file is read twice in a pass"


def _gaps(name: str, image: np.ndarray) -> np.ndarray:
    image[np.random.default_rng(1).random(SHAPE) < 0.2] = np.nan
    image[5, :3] = np.inf, -np.inf, 0.0
    return image


CASES = {
    "gaps": _gaps,
    "steps": lambda name, image: (np.round(image * 200) / 200).astype(np.float32),
    "all of blue missing": lambda name, image: np.full_like(image, np.nan) if name == "B" else image,
    "blue falls where red rises": lambda name, image: 1 - image if name == "B" else image,
    "cut off at black": lambda name, image: np.where(image < np.median(image), np.float32(0.0), image),
    "wide": lambda name, image: (image * 60000).astype(np.float32),
    "below zero": lambda name, image: image - np.float32(0.1),
}


@pytest.mark.parametrize("case", CASES)
def test_whatever_the_data_the_statistics_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    g = picture(tmp_path, CASES[case], linked=False)
    if case == "all of blue missing":
        with pytest.raises(Exception, match="at least 3 pixels"):
            g.run(["display"], store=Store(tmp_path / "store"))
        return
    sketched, plain = both(g, tmp_path, monkeypatch)
    assert sketched.values["display"] == plain.values["display"]


def test_another_fit_needs_no_pass_for_the_stretch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    g = picture(tmp_path)
    store = Store(tmp_path / "store")
    g.run(["display"], store=store)
    g.set("fit-G", "reject_high", 0.65)
    again = g.run(["display"], store=store)
    assert {n for s in again.stages if s.action == "measure" for n in s.nodes} == {"fit-G"}
    assert again.values["display"] == g.run(["display"], store=Store(tmp_path / "other")).values["display"]


def test_a_stretch_that_waits_for_nothing_is_measured_itself(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "a.fits", (sky("R") * 60000).astype(np.uint16))
    g = Graph()
    image = g.add("ReadImage", name="image", path=str(tmp_path / "a.fits"))
    g.add("ScreenTransferFunction", name="display", image=image)
    report = g.run(["display"], store=Store(tmp_path / "store"))
    assert report.passes == 2, "a look and a pass"
    assert not list((tmp_path / "store").rglob("*sketch*"))


@pytest.mark.parametrize("process", [p for p in registry.everything() if p.rises is not None], ids=lambda p: p.id)
def test_what_says_that_it_rises_never_falls(process: Any) -> None:
    rng = np.random.default_rng(11)
    samples = np.sort(np.concatenate([rng.normal(0.1, 0.01, 20000), rng.normal(0, 1e4, 2000)]).astype(np.float32))
    names = list(inspect.signature(process.pixel).parameters)[1:]
    tried = 0
    for _ in range(60):
        given = rng.normal(0, 1, len(names)) * 10.0 ** rng.integers(-3, 3, len(names))
        if not process.rises(*given):
            continue
        made = np.array([process.pixel(float(x), *map(float, given)) for x in samples[::7]]).astype(np.float32)
        assert (np.diff(made) >= 0).all(), dict(zip(names, given, strict=True))
        tried += 1
    assert tried > 5
