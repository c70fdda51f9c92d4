"""Measures that go ahead on what a few rows foretell: the same results, fewer passes, and nothing false is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits

from lerarlink.engine import session
from lerarlink.engine.graph import Graph
from lerarlink.engine.report import Report
from lerarlink.engine.store import Store
from lerarlink.nodes.io import read_image

SHAPE = (300, 200)


@pytest.fixture(autouse=True)
def _small_images_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_image, "_FORESEEN_PIXELS", 1)


def pair(seed: int = 4) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    sky = rng.random(SHAPE) * 0.3 + 0.1
    red = sky + rng.normal(0, 0.005, SHAPE)
    return red.astype(np.float32), (0.7 * sky + 0.05 + rng.normal(0, 0.005, SHAPE)).astype(np.float32)


def fit(folder: Path, red: Any, green: Any) -> Graph:
    g = Graph()
    for name, data in (("R", red), ("G", green)):
        fits.writeto(folder / f"{name}.fits", data, overwrite=True)
        g.add("ReadImage", name=name, path=str(folder / f"{name}.fits"))
    g.add("LinearFit", name="fit", image=g["G"], reference=g["R"])
    return g


def both(
    folder: Path, monkeypatch: pytest.MonkeyPatch, red: Any, green: Any, scheduler: Any = "threads"
) -> tuple[Report, Report]:
    """Return what runs tell that foresee, and that do not."""
    g = fit(folder, red, green)
    ahead = g.run(["fit"], store=Store(folder / "a"), scheduler=scheduler)
    with monkeypatch.context() as m:
        m.setattr(session, "foresee", lambda *args: None)
        plain = g.run(["fit"], store=Store(folder / "b"))
    return ahead, plain


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_a_fit_shares_the_pass_that_finds_the_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheduler: Any
) -> None:
    ahead, plain = both(tmp_path, monkeypatch, *pair(), scheduler=scheduler)
    assert {"R", "G", "fit"} == set(ahead.stages[0].nodes)
    assert not any({"R", "fit"} <= set(s.nodes) for s in plain.stages)
    assert ahead.passes < plain.passes
    assert ahead.values == plain.values


def test_a_pass_reads_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead, plain = both(tmp_path, monkeypatch, *pair())
    size = sum((tmp_path / f"{name}.fits").stat().st_size for name in "RG")
    assert ahead.stages[0].read == pytest.approx(size, rel=1e-6)
    assert plain.bytes_read >= ahead.bytes_read + size * 0.99


@pytest.mark.parametrize("value", [3.0, -0.5, 70000.0])
def test_a_sample_outside_what_was_foreseen_makes_the_fit_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    red, green = pair()
    green[17, 5] = value  # in none of the rows that are looked at
    ahead, plain = both(tmp_path, monkeypatch, red, green)
    assert ahead.values == plain.values
    assert sum("fit" in s.nodes for s in ahead.stages) > 1


def test_a_measure_that_fails_on_what_was_foreseen_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    red, green = pair()
    green[...] = 0.95 + 0.04 * (green - green.min())  # beyond the rejection limit of 0.92 where white is 1
    green[17, 5] = 2.0
    ahead, plain = both(tmp_path, monkeypatch, red, green)
    assert ahead.values == plain.values


def test_what_fails_in_truth_fails(tmp_path: Path) -> None:
    red, green = pair()
    g = fit(tmp_path, red, np.full_like(green, 0.5))
    with pytest.raises(Exception, match=r"fit.*a line wants samples that differ"):
        g.run(["fit"], store=Store(tmp_path / "store"))


def test_gaps_are_no_numbers_to_foresee_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    red, green = pair()
    green[::2] = np.nan
    red[3, :50] = np.inf
    ahead, plain = both(tmp_path, monkeypatch, red, green)
    assert ahead.values == plain.values


def test_small_images_and_odd_ranges_are_not_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    red, green = pair()
    ahead, _ = both(tmp_path, monkeypatch, red - np.float32(0.2), green - np.float32(0.2))
    assert not any({"R", "fit"} <= set(s.nodes) for s in ahead.stages), "the range itself cannot be foreseen"
    monkeypatch.setattr(read_image, "_FORESEEN_PIXELS", 1 << 20)
    ahead, _ = both(tmp_path, monkeypatch, red, green)
    assert not any({"R", "fit"} <= set(s.nodes) for s in ahead.stages)
