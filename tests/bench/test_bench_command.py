"""`lerar bench`: entrants in processes of their own, results as JSON, and a page made of nothing else."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lerarlink.tools.bench.contest import Contest
from lerarlink.tools.bench.page import results, write_page
from lerarlink.tools.bench.workload import Entrant, Figure, Task, Workload
from lerarlink.tools.bench.workloads import NAMES, workload
from lerarlink.tools.cli import lerar

PAGES = Path(__file__).parents[2] / "docs"


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(lerar, ["bench", *map(str, arguments)])


def test_a_workload_is_measured_and_written(tmp_path: Path) -> None:
    done = bench(
        "median", "--size", "small", "--rounds", 1, "--only", "lerarlink", "--only", "numpy", "--out", tmp_path
    )
    assert done.exit_code == 0, done.stderr
    assert "CPU seconds in all" in done.stdout
    document = json.loads((tmp_path / "results" / "median-small.json").read_text())
    found = {e["name"]: e["runs"][0] for e in document["entrants"]}
    assert set(found) == {"lerarlink", "numpy", "cp"}
    # 320 x 250 float32 and a header, in whole blocks of FITS.
    assert found["cp"]["written"] >= 322560
    assert all(run["cpu"] > 0 and run["wall"] > 0 for run in found.values())
    assert found["lerarlink"]["facts"]["median"] == pytest.approx(found["numpy"]["facts"]["median"], abs=1e-8)
    assert document["skipped"] == {}
    assert document["load"]["before"] is not None


def test_unknown_workloads_are_refused(tmp_path: Path) -> None:
    done = bench("speed", "--out", tmp_path)
    assert done.exit_code == 2
    assert "'speed'" in done.stderr or "speed" in done.stderr
    assert not (tmp_path / "results").exists()


def test_the_list_names_every_workload() -> None:
    done = bench("--list", "--json")
    assert list(json.loads(done.stdout)) == list(NAMES)
    assert {workload(n).name for n in NAMES} == set(NAMES)


# -- the contest --------------------------------------------------------------------------------------


def nap(task: Task) -> None:
    with task.section("nap", 10.0):
        time.sleep(0.002)


def fail(task: Task) -> None:
    raise ValueError("cannot do this")


def idle(**changes: Any) -> Workload:
    made: dict[str, Any] = {
        "name": "idle", "title": "Idle", "about": "", "sizes": {"small": {"n": 1}, "full": {"n": 2}}, "shares": "idle",
        "make": lambda folder, size: (folder / "data").write_text(str(size["n"])), "figures": lambda results: [],
        "entrants": (Entrant("lerarlink", nap), Entrant("peer", fail), Entrant("other", nap, "no_such_library")),
    }  # fmt: skip
    return Workload(**{**made, **changes})


def test_peers_that_fail_or_are_missing_are_left_out_and_told(tmp_path: Path) -> None:
    found, failed = Contest(tmp_path, "small").rehearse(workload_in_place(idle()))
    assert set(found) == {"lerarlink"}
    assert failed["peer"] == "ValueError: cannot do this"
    assert "no_such_library" in failed["other"]


def workload_in_place(chosen: Workload) -> Workload:
    """Let a workload of this file be found by its name."""
    import sys
    import types

    module = types.ModuleType("lerarlink.tools.bench.workloads.idle")
    module.WORKLOAD = chosen  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    NAMES.setdefault("idle", "Idle")
    return chosen


@pytest.fixture(autouse=True)
def put_back() -> Any:
    yield
    NAMES.pop("idle", None)


def test_data_are_made_once(tmp_path: Path) -> None:
    contest = Contest(tmp_path, "small")
    folder = contest.data(idle())
    (folder / "data").write_text("seen")
    assert (contest.data(idle()) / "data").read_text() == "seen"
    changed = idle(sizes={"small": {"n": 3}})
    assert (contest.data(changed) / "data").read_text() == "3"


def test_entrants_without_room_are_left_out(tmp_path: Path) -> None:
    huge = idle(entrants=(Entrant("numpy", nap, memory=lambda size: 1e18),))
    document = Contest(tmp_path, "small", rounds=1).run(huge)
    assert document["entrants"] == []
    assert "1000000000 GB" in document["skipped"]["numpy"]


def test_a_figure_knows_whether_it_is_reached() -> None:
    assert Figure("time", 2.0, "s", 3.0).reached
    assert not Figure("rate", 2.0, "Mpx/s", 3.0, least=True).reached
    assert Figure("time", None, "s", 3.0).reached is None
    assert Figure("time", 2.0, "s").reached is None


# -- the page -----------------------------------------------------------------------------------------


def test_the_page_of_performance_is_made_of_its_results(tmp_path: Path) -> None:
    """Nobody typed a figure: writing the page again from the results beside it gives the same bytes."""
    assert results(PAGES / "performance")
    made = write_page(tmp_path / "performance.md", PAGES / "performance")
    assert made[0].read_bytes() == (PAGES / "performance.md").read_bytes()
    assert {p.name for p in made[1:]} == {p.name for p in (PAGES / "performance").glob("*.svg")}


def test_plots_show_every_entrant() -> None:
    for document in results(PAGES / "performance"):
        path = PAGES / "performance" / f"{document['workload']}.svg"
        if document["by_section"] or not path.exists():
            continue
        text = path.read_text("utf-8")
        assert all(re.search(rf">{re.escape(e['name'])}<", text) for e in document["entrants"])
