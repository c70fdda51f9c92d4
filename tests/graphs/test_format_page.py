"""The page on the format tells every field of the schema, in its order, and what is needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lerarlink import Graph
from lerarlink.engine.errors import GraphError
from lerarlink.graphs import fields, schema

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text("utf-8")


def tables() -> dict[str, list[tuple[str, bool]]]:
    """Return the tables of the page: heading -> field and whether it is needed."""
    found: dict[str, list[tuple[str, bool]]] = {}
    for part in PAGE.split("\n## ")[1:]:
        heading = part.partition("\n")[0].lower().removeprefix("the ").removeprefix("an ").removeprefix("a ")
        if rows := re.findall(r"^\| `(\w+)` \| (yes)? ?\|", part, re.M):
            found[heading] = [(name, bool(needed)) for name, needed in rows]
    return found


def test_every_field_is_on_the_page_in_the_order_in_which_it_is_written() -> None:
    told = {heading: [name for name, _ in rows] for heading, rows in tables().items()}
    assert told == {part: list(known) for part, known in schema.FIELDS.items()}


GOOD = {
    "document": {"format": schema.FORMAT, "version": 1, "nodes": [{"name": "n", "process": "a.b", "version": 1}]},
    "node": {"name": "n", "process": "a.b", "version": 1},
    "parameter link": {"expr": "1"},
    "measurement": {},
    "input": {"name": "i", "node": "n", "param": "p"},
    "setting": {"name": "s", "sets": ["n.p"]},
    "output": {"name": "o", "node": "n", "port": "image"},
    "saved graph": {"name": "g", "nodes": []},
    "pack": {"name": "p", "version": "1.0", "processes": ["a.b"]},
}
AT = {
    "node": lambda v: {"nodes": [v]},
    "parameter link": lambda v: {"nodes": [{**GOOD["node"], "links": {"k": v}}]},
    "measurement": lambda v: {"nodes": [{**GOOD["node"], "links": {"k": {"expr": "1", "taken": v}}}]},
    "input": lambda v: {"inputs": [v]},
    "setting": lambda v: {"settings": [v]},
    "output": lambda v: {"outputs": [v]},
    "saved graph": lambda v: {"graphs": [v]},
    "pack": lambda v: {"packs": [v]},
    "document": lambda v: v,
}


@pytest.mark.parametrize("part", GOOD)
def test_what_is_needed_is_needed_and_the_rest_is_not(part: str) -> None:
    base = GOOD["document"]
    needed = [name for name, must in tables()[part] if must]
    assert list(GOOD[part]) == needed
    schema.checked_document({**base, **AT[part](GOOD[part])})
    for name in needed:
        less = {k: v for k, v in GOOD[part].items() if k != name}
        document = less if part == "document" else {**base, **AT[part](less)}
        with pytest.raises(GraphError, match=rf"field '{name}' is missing|this is no graph"):
            schema.checked_document(document)


def test_limits_on_the_page_are_those_of_the_schema() -> None:
    assert f"at most {fields.MAX_NODES:,}" in PAGE
    assert f"at most {fields.MAX_NAME} characters" in PAGE
    assert f"at most {fields.MAX_EXPRESSION} characters" in PAGE
    assert f"at most {schema.MAX_GRAPH_DEPTH} deep" in PAGE
    assert f"up to {fields.MAX_DEPTH} deep" in PAGE


def test_the_example_is_the_file_that_is_written(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)[0]
    (tmp_path / "m31.yaml").write_text(example)
    Graph.load(tmp_path / "m31.yaml").save(tmp_path / "again.yaml")
    assert (tmp_path / "again.yaml").read_text() == example
