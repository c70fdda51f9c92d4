"""Commands that look after things: nodes, cache, doctor."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lerarlink.engine import registry
from lerarlink.engine.store import Store

Lerar = Callable[..., Any]


def test_nodes_list_names_every_process(run_lerar: Lerar) -> None:
    told = json.loads(run_lerar("nodes", "list", "--json").stdout)
    assert {t["id"] for t in told} >= set(registry.index())
    text = run_lerar("nodes", "list").stdout
    assert all(t["name"] in text for t in told)


def test_nodes_list_can_be_searched(run_lerar: Lerar) -> None:
    told = json.loads(run_lerar("nodes", "list", "--json", "IO.", "write").stdout)
    assert [t["id"] for t in told] == ["io.write_image"]


def test_nodes_doc_is_the_reference_page(run_lerar: Lerar) -> None:
    told = run_lerar("nodes", "doc", "ReadImage").stdout
    assert told.startswith("### ReadImage") and "| `path` |" in told


def test_an_unknown_process_is_exit_code_6_and_names_its_neighbours(run_lerar: Lerar) -> None:
    done = run_lerar("nodes", "doc", "io.red_image")
    assert done.exit_code == 6
    assert done.error.startswith("error: no installed pack has process 'io.red_image'; near it: io.read_image")


def test_schemas_say_of_every_process_what_its_declaration_says(run_lerar: Lerar) -> None:
    for cls in registry.everything():
        schema = json.loads(run_lerar("nodes", "schema", cls.id).stdout)
        assert list(schema["properties"]) == list(cls.params)
        assert schema["required"] == [s.name for s in cls.params.values() if s.required]
        assert [p["name"] for p in schema["x-inputs"]] == [p.name for p in cls.inputs]


def test_a_schema_holds_range_choice_and_default(run_lerar: Lerar) -> None:
    properties = json.loads(run_lerar("nodes", "schema", "WriteImage").stdout)["properties"]
    quality = properties["quality"]
    assert (quality["type"], quality["minimum"], quality["maximum"], quality["default"]) == ("integer", 1, 100, 90)
    assert properties["sample_format"]["enum"] == ["auto", "float32", "uint16", "uint8"]
    bounds = json.loads(run_lerar("nodes", "schema", "ReadImage").stdout)["properties"]["bounds"]
    assert [option.get("type") for option in bounds["anyOf"]] == ["array", "null"]


# -- cache ----------------------------------------------------------------------------------------


@pytest.fixture
def filled() -> Store:
    store = Store()
    for n in range(4):
        key = f"{n:032x}"
        store.put_value(key, {"n": n, "data": bytes(1000)})
        os.utime(store._path("values", key), (n + 1, n + 1))
    return store


def test_cache_ls_counts_what_is_there(run_lerar: Lerar, filled: Store) -> None:
    told = json.loads(run_lerar("cache", "ls", "--json").stdout)
    assert told["kinds"]["values"]["files"] == 4
    assert told["bytes"] == sum(e.bytes for e in filled.entries())
    assert f"{3:032x}" in run_lerar("cache", "ls", "--all").stdout


def test_cache_verify_removes_what_is_damaged_and_only_that(run_lerar: Lerar, filled: Store) -> None:
    path = filled._path("values", f"{2:032x}")
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    told = json.loads(run_lerar("cache", "verify", "--json").stdout)
    assert [e["key"] for e in told["removed"]] == [f"{2:032x}"]
    assert len(list(filled.entries())) == 3
    assert "all sound" in run_lerar("cache", "verify").stdout


def test_cache_prune_keeps_the_newest_within_the_limit(run_lerar: Lerar, filled: Store) -> None:
    size = next(filled.entries()).bytes
    done = run_lerar("cache", "prune", "--limit", f"{2 * size / 1000}kB")
    assert done.exit_code == 0, done.stderr
    assert sorted(int(e.key, 16) for e in filled.entries()) == [2, 3]


@pytest.mark.parametrize("limit", ["2x", "-1GB", "much", ""])
def test_a_limit_that_is_no_size_is_wrong_use(run_lerar: Lerar, filled: Store, limit: str) -> None:
    assert run_lerar("cache", "prune", f"--limit={limit}").exit_code == 2
    assert len(list(filled.entries())) == 4


def test_cache_clear_asks_first(run_lerar: Lerar, filled: Store) -> None:
    assert run_lerar("cache", "clear").exit_code == 2
    assert len(list(filled.entries())) == 4
    (filled.root / "mine.txt").write_text("stays")
    assert run_lerar("cache", "clear", "--yes").exit_code == 0
    assert [p.name for p in filled.root.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("before", [True, False])
def test_the_cache_option_chooses_the_store_for_one_call(run_lerar: Lerar, tmp_path: Path, before: bool) -> None:
    other = tmp_path / "other"
    usual = os.environ["LERAR_CACHE_DIR"]
    option = ["--cache", str(other)]
    done = run_lerar(*option, "cache", "ls", "--json") if before else run_lerar("cache", "ls", "--json", *option)
    assert json.loads(done.stdout)["folder"] == str(other)
    assert os.environ["LERAR_CACHE_DIR"] == usual


# -- doctor ---------------------------------------------------------------------------------------


def test_doctor_finds_this_installation_well(run_lerar: Lerar, private_store: Path) -> None:
    done = run_lerar("doctor", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and told["ok"], done.stderr
    found = {f["what"]: f for f in told["findings"]}
    assert found["numba compiles"]["ok"] and found["store"]["ok"] and found["numpy"]["ok"]
    assert str(private_store) in found["store"]["told"]


def test_doctor_fails_where_the_store_cannot_be_written(run_lerar: Lerar, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = run_lerar("doctor", "--cache", tmp_path / "file")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: store: ") and "cannot be written" in done.stderr
    assert "BROKEN" in done.stdout
