"""Siril's own scripts for colour cameras, imported, run on a simulated mosaic night."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.graphs.importing.ssf import import_ssf

SKY = 800.0
SENSITIVITY = {"R": 0.7, "G": 1.0, "B": 0.5}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with biases, flats, darks and lights of an RGGB camera; stars are white."""
    folder, rng = tmp_path_factory.mktemp("night"), np.random.default_rng(5)
    rows, columns = np.mgrid[:160, :220]
    seen = np.array([[SENSITIVITY["R"], SENSITIVITY["G"]], [SENSITIVITY["G"], SENSITIVITY["B"]]])
    gain = np.tile(seen, (80, 110)) * (1.0 - 0.2 * ((columns - 110) / 110) ** 2)
    stars = [(rng.uniform(15, 145), rng.uniform(15, 205), rng.uniform(20000, 90000)) for _ in range(50)]
    header = fits.Header({"BAYERPAT": "RGGB", "ROWORDER": "TOP-DOWN"})

    def write(name: str, signal: Any, noise: float) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        values = np.round(500.0 + signal + rng.normal(0.0, noise, gain.shape))
        fits.writeto(path, np.clip(values, 0, 65535).astype(np.uint16), header)

    for i in range(3):
        write(f"biases/{i}.fits", 0.0, 5.0)
        write(f"darks/{i}.fits", 20.0, 5.0)
        write(f"flats/{i}.fits", 20000.0 * gain, 50.0)
        sky = np.full(gain.shape, SKY)
        for y, x, flux in stars:
            sky += flux / (8.0 * np.pi) * np.exp(-((rows - y - 1.3 * i) ** 2 + (columns - x + 0.7 * i) ** 2) / 8.0)
        write(f"lights/{i}.fits", 20.0 + sky * gain, 10.0)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "shapes"),
    [
        ("OSC_Preprocessing", {"result.fit": (3, 160, 220)}),
        ("OSC_Preprocessing_BayerDrizzle", {"result_drizzle.fit": (3, 160, 220)}),
        ("OSC_Extract_Ha", {"result_Ha.fit": (160, 220)}),
        ("OSC_Extract_HaOIII", {"results/result_Ha.fit": (160, 220), "results/result_OIII.fit": (160, 220)}),
    ],
)
def test_stock_scripts_run_on_a_night(
    script: str,
    shapes: dict[str, tuple[int, ...]],
    night: Path,
    real_data: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = import_ssf(real_data(f"recipes/siril_{script}.ssf").read_text("utf-8")).graph
    for name in graph.inputs:
        graph.bind(name, sorted((night / name).glob("*.fits")))
    # Without the spread over the range, which hides the levels.
    stacks = [n for n in graph if n.startswith("stacked-")]
    monkeypatch.chdir(tmp_path)
    written = set(graph.run().written)
    masters = {f"masters/{m}_stacked.fit" for m in ("bias", "pp_flat", "dark")}
    assert written == {*shapes, *masters}
    for path, shape in shapes.items():
        assert fits.getdata(path).shape == shape
    # Flats whose colours were made equal take vignetting out of a white sky, and leave what the camera sees of it.
    for name in stacks:
        levels = np.nanmedian(graph[name].compute(), axis=(1, 2))
        if len(levels) == 3:
            assert levels / levels[1] == pytest.approx(list(SENSITIVITY.values()), rel=0.01)
