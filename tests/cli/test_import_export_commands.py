"""`lerar import` and `lerar export`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.graphs.document import Graph

SCRIPT = """# as Siril's own ones
requires 1.3.4
cd biases
convert bias -out=../process
cd ../process
stack bias rej 3 3 -nonorm -out=../masters/bias_stacked
cd ../flats
convert flat -out=../process
cd ../process
calibrate flat -bias=../masters/bias_stacked
stack pp_flat rej 3 3 -norm=mul -out=../masters/pp_flat_stacked
cd ../darks
convert dark -out=../process
cd ../process
stack dark rej 3 3 -nonorm -out=../masters/dark_stacked
cd ../lights
convert light -out=../process
cd ../process
calibrate light -dark=../masters/dark_stacked -flat=../masters/pp_flat_stacked -cc=dark
register pp_light
stack r_pp_light rej 3 3 -norm=addscale -32b -out=result
load result
mirrorx -bottomup
save ../result_$LIVETIME:%d$s
close
"""
HOT = (50, 60)


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Return a folder with a script and four folders of frames: 40 stars on a flat sky of 800, shifted."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:160, :200]
    stars = [(rng.uniform(15, 145), rng.uniform(15, 185), rng.uniform(4000, 30000)) for _ in range(40)]
    flat = 1.0 - 0.3 * (((rows - 80) / 80) ** 2 + ((columns - 100) / 100) ** 2) / 2
    dark = np.full(flat.shape, 20.0)
    dark[HOT] = 3000.0

    def write(name: str, signal: Any, noise: float) -> None:
        path = tmp_path / "night" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = 500.0 + signal + rng.normal(0.0, noise, flat.shape)
        fits.writeto(path, np.clip(np.round(values), 0, 65535).astype(np.uint16))

    for i in range(4):
        write(f"biases/b{i}.fits", 0.0, 5.0)
        write(f"darks/d{i}.fits", dark, 5.0)
        write(f"flats/f{i}.fits", 20000.0 * flat, 60.0)
        sky = np.full(flat.shape, 800.0)
        for y, x, flux in stars:
            away = (rows - y - 1.3 * i) ** 2 + (columns - x + 0.7 * i) ** 2
            sky += flux / (4.0 * np.pi) * np.exp(-away / 4.0)
        write(f"lights/l{i}.fits", dark + sky * flat, 20.0)
    (tmp_path / "night.ssf").write_text(SCRIPT, "utf-8")
    return tmp_path


def test_a_script_is_imported_bound_and_run(
    night: Path, run_lerar: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(night)
    done = run_lerar("import", "ssf", "night.ssf", "-o", "g.yaml", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["inputs"] == {"biases": None, "flats": None, "darks": None, "lights": None}
    assert {n["kind"] for n in told["notes"]} == {"idle", "differs"}
    folders = [f"--input={name}=night/{name}" for name in told["inputs"]]
    done = run_lerar("run", "g.yaml", *folders, "--out", "made", "-q")
    assert done.exit_code == 0, done.stderr
    assert {p.name for p in (night / "made").rglob("*.fit")} == {
        "result.fit", "bias_stacked.fit", "dark_stacked.fit", "pp_flat_stacked.fit",
    }  # fmt: skip
    master = fits.getdata(night / "made" / "result.fit")
    assert master.shape == (160, 200)
    # The sky comes back at the flat's mean level, without vignetting, and the hot pixel is gone.
    mean = 1.0 - 0.3 * (1 / 3 + 1 / 3) / 2
    sky = [float(np.nanmedian(master[a : a + 40, b : b + 50])) for a in (10, 110) for b in (10, 75, 140)]
    assert sky == pytest.approx([800.0 * mean] * 6, rel=0.02)
    around = master[HOT[0] - 3 : HOT[0] + 4, HOT[1] - 3 : HOT[1] + 4]
    assert float(np.nanmax(around)) < 3000.0 * 0.5


def test_a_folder_gives_the_inputs_what_the_script_would_find(
    night: Path, run_lerar: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(night)
    done = run_lerar("import", "ssf", "night.ssf", "--folder", "night", "-o", "night/g.lerar")
    assert done.exit_code == 0, done.stderr
    assert Graph.load("night/g.lerar").spec("lights").params["paths"] == tuple(f"lights/l{i}.fits" for i in range(4))
    assert "wrote night/g.lerar" in done.stderr
    done = run_lerar("import", "ssf", "night.ssf", "--folder", "nowhere")
    assert (done.exit_code, done.error) == (3, "error: nowhere: there is no such folder")


def test_an_import_tells_what_is_missing_and_writes_nothing_unasked(
    tmp_path: Path, run_lerar: Callable[..., Any]
) -> None:
    script = tmp_path / "s.ssf"
    script.write_text("load a\nsatu 1\nsave b\n", "utf-8")
    done = run_lerar("import", "ssf", script)
    assert done.exit_code == 0
    assert "not mapped" in done.stdout
    assert "satu 1" in done.stdout
    assert "1 not mapped, 0 differs, 0 nothing to do; inputs: a" in done.stderr
    assert list(tmp_path.iterdir()) == [script]
    out = tmp_path / "g.yaml"
    assert run_lerar("import", "ssf", script, "-o", out).exit_code == 0
    assert run_lerar("import", "ssf", script, "-o", out).exit_code == 2
    assert run_lerar("import", "ssf", script, "-o", out, "--force", "--skip-unmapped").exit_code == 0
    assert "siril" not in out.read_text("utf-8")


def test_icons_are_imported_and_faults_are_told(tmp_path: Path, run_lerar: Callable[..., Any]) -> None:
    icons = tmp_path / "i.xpsm"
    icons.write_text(
        '<xpsm version="1.0"><instance class="Invert" id="i"/><instance class="Odd" id="o"/>'
        '<icon id="Neg" instance="i" xpos="3" ypos="4"/></xpsm>',
        "utf-8",
    )
    out = tmp_path / "g.lerar"
    done = run_lerar("import", "xpsm", icons, "-o", out, "--icon", "Neg", "--chain", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["notes"] == []
    graph = Graph.load(out)
    assert graph.layout == {"Neg": (3.0, 4.0)}
    assert "write-result" in graph
    icons.write_text("<html/>", "utf-8")
    done = run_lerar("import", "xpsm", icons)
    assert done.exit_code == 4
    assert done.error.endswith("wanted xpsm or ProcessingHistory, got 'html'")
    assert run_lerar("import", "xpsm", tmp_path / "none.xpsm").exit_code == 3


def test_a_graph_is_exported_as_a_program(
    make_fits: Callable[..., Path], tmp_path: Path, run_lerar: Callable[..., Any]
) -> None:
    sky = make_fits()
    done = run_lerar("export", "script", "stretch", "--input", f"image={sky}", "-o", tmp_path / "p.py")
    assert done.exit_code == 0, done.stderr
    assert "build() -> ll.Graph" in (tmp_path / "p.py").read_text("utf-8")
    done = run_lerar("export", "script", "stretch", f"--input=image={sky}")
    assert 'g.add("HistogramTransformation", name="stretched"' in done.stdout


def test_a_report_computes_nothing_unless_it_is_told_to(
    make_fits: Callable[..., Path], tmp_path: Path, run_lerar: Callable[..., Any]
) -> None:
    page, given = tmp_path / "page.html", f"--input=image={make_fits()}"
    done = run_lerar("export", "report", "stretch", given, "-o", page)
    assert done.exit_code == 0, done.stderr
    text = page.read_text("utf-8")
    assert "it was not run yet" in text
    assert "<svg" in text
    assert "data:image" not in text
    assert {p.name for p in tmp_path.iterdir()} == {"page.html", "sky.fits"}
    done = run_lerar("export", "report", "stretch", given, "-o", page, "--run", "--out", tmp_path / "made")
    assert done.exit_code == 0, done.stderr
    text = page.read_text("utf-8")
    assert "data:image/png;base64" in text
    assert (tmp_path / "made" / "stretched.fits").exists()
    run_lerar("export", "report", "stretch", given, "-o", page)
    text = page.read_text("utf-8")
    assert "of earlier runs, from the store" in text
    assert "data:image" not in text
    assert run_lerar("export", "report", "stretch", "-o", page, "--out", tmp_path).exit_code == 2


def test_a_report_of_a_broken_graph_says_what_is_wrong(tmp_path: Path, run_lerar: Callable[..., Any]) -> None:
    script = tmp_path / "s.ssf"
    script.write_text("load a\nsatu <1>\nsave b\n", "utf-8")
    run_lerar("import", "ssf", script, "-o", tmp_path / "g.yaml")
    done = run_lerar("export", "report", tmp_path / "g.yaml", "-o", tmp_path / "p.html")
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "p.html").read_text("utf-8")
    assert "no installed pack has process" in text
    assert "&lt;1&gt;" in text
    assert "<1>" not in text
    assert "not given" in text
    assert run_lerar("export", "report", tmp_path / "g.yaml", "-o", tmp_path / "p.html", "--run").exit_code != 0
