"""Whatever bytes a graph file holds: a graph, or a sentence; in bounded time and memory, with nothing written."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lerarlink import Graph
from lerarlink.engine.errors import GraphError, SourceError
from lerarlink.graphs import format as file_format

SAMPLES = Path(__file__).parents[1] / "graphs" / "samples"
SUFFIXES = (".lerar", ".yaml", ".json")
# One example after the other; the budget calls for more of them until its time is up.
few = settings(deadline=None, max_examples=25, database=None, suppress_health_check=list(HealthCheck))
BYTES = {s: [(SAMPLES / f"{name}{s}").read_bytes() for name in ("version-1", "version-1-full")] for s in SUFFIXES}
FULL = json.loads(BYTES[".json"][1])

def told(path: Path) -> None:
    """Load a file; what comes back can be saved, what is refused is refused in a short sentence."""
    try:
        g = Graph.load(path)
    except GraphError as e:
        assert str(e).startswith(str(path))
        assert len(str(e)) < 700
        assert "\n" not in str(e)
        return
    except SourceError as e:
        raise AssertionError("the file is there") from e
    assert Graph.from_document(g.to_document()).to_document() == g.to_document()


def spoiled(draw: Any, data: bytes) -> bytes:
    """Return *data* with some of its bytes changed, taken out, doubled or put in."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 40)))
        change = draw(st.sampled_from(["put", "cut", "double", "end"]))
        if change == "put":
            data = data[:at] + draw(st.binary(max_size=8)) + data[at + 1 :]
        elif change == "cut":
            data = data[:at] + data[end:]
        elif change == "double":
            data = data[:end] + data[at:]
        else:
            data = data[:at]
    return data


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_spoiled_bytes(suffix: str, tmp_path: Path, budget: Callable[..., Any]) -> None:
    path = tmp_path / f"g{suffix}"
    path.touch()
    left = budget()

    @few
    @given(st.data())
    def run(data: Any) -> None:
        path.write_bytes(spoiled(data.draw, data.draw(st.sampled_from(BYTES[suffix]))))
        left.call(lambda: told(path))

    left.spend(run)


WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.binary(max_size=6)
    | st.sampled_from(["../../etc/passwd", "/dev/zero", "graph.trim", "use.end", "a.b", "\ud800", "x" * 1001, 2**63]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def twisted(draw: Any, document: Any) -> Any:
    """Return *document* with some of its values replaced by others, or by parts of itself."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        at, key = document, None
        while isinstance(at, dict | list) and at:
            holder = at
            key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
            at = at[key]
            if draw(st.integers(0, 2)) == 0:
                break
        if key is not None:
            holder[key] = copy.deepcopy(draw(WILD | st.sampled_from([holder, FULL["nodes"], FULL["graphs"]])))
    return document


def test_documents_with_wild_values(tmp_path: Path, budget: Callable[..., Any]) -> None:
    path = tmp_path / "g.lerar"
    path.touch()
    left = budget()

    @few
    @given(st.data())
    def run(data: Any) -> None:
        document = twisted(data.draw, FULL)
        left.call(lambda: checked(document))
        try:
            path.write_bytes(msgpack.packb(document, unicode_errors="surrogatepass"))
        except OverflowError:  # MessagePack has no such numbers
            return
        left.call(lambda: told(path))

    left.spend(run)


def checked(document: Any) -> None:
    try:
        made = Graph.from_document(document)
    except GraphError as e:
        assert len(str(e)) < 700
        return
    data = file_format.encode(made.to_document(), "msgpack")
    assert file_format.encode(Graph.from_document(file_format.decode(data, "msgpack")).to_document(), "msgpack") == data

