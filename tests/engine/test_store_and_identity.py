"""Keys are canonical; the store keeps whole entries or none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerarlink.engine.errors import SourceError
from lerarlink.engine.identity import canonical, digest, digest_file, pack, pack_small, unpack
from lerarlink.engine.store import Store
from lerarlink.engine.stored_pixels import StoredPixels

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_a_key_is_a_function_of_the_value_alone(value: Any) -> None:
    assert digest("test", value) == digest("test", value)
    assert len(digest("test", value)) == 32


def test_types_stay_apart_and_equal_things_are_equal() -> None:
    different = [1, 1.0, True, "1", b"1", None, [1], {"1": 1}, 2**70, str(2**70)]
    assert len({canonical(v) for v in different}) == len(different)
    assert canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1})
    assert canonical(-0.0) == canonical(0.0)
    assert canonical((1, 2)) == canonical([1, 2])


def test_what_has_no_identity_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN has no identity"):
        digest("test", [1.0, float("nan")])
    with pytest.raises(TypeError, match="object has no canonical form"):
        digest("test", object())
    with pytest.raises(TypeError, match="text keys"):
        digest("test", {1: 2})


@pytest.mark.parametrize("dtype", ["u1", "i8", "f4", ">f8"])
def test_values_hold_arrays(dtype: str) -> None:
    value = {"a": np.arange(6, dtype=dtype).reshape(2, 3), "b": [1.5, None, "x"]}
    back = unpack(pack(value))
    assert back["b"] == value["b"]
    assert back["a"].dtype == value["a"].dtype
    assert (back["a"] == value["a"]).all()


@pytest.mark.parametrize("dtype", ["?", "u1", ">i2", "u4", "i8", "f2", "f4", "<f8", ">f8"])
@pytest.mark.parametrize("shape", [(), (0, 7), (5000,), (700, 3), (70, 80), (3, 40, 50), (2100, 1, 1)])
def test_large_arrays_are_squeezed_without_loss(dtype: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    value = np.frombuffer(rng.bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize), dtype).reshape(shape)
    if dtype == "?":
        value = rng.integers(0, 2, shape).astype(bool)
    for a in (value, value[::-1] if shape else value, np.asfortranarray(value)):
        back = unpack(pack_small({"a": a, "b": "x"}))["a"]
        assert back.dtype == a.dtype and back.shape == a.shape and back.flags.writeable
        assert back.tobytes() == a.tobytes()


def test_tables_without_idle_digits_take_a_fraction() -> None:
    table = np.column_stack([np.arange(3000.0), np.round(np.random.default_rng(5).normal(0, 1000, (3000, 4)))])
    assert len(pack_small(table)) < 0.25 * len(pack(table))
    assert len(pack_small(table[:10])) == len(pack(table[:10])), "small ones are left alone"


def test_values_hold_nothing_that_could_run() -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        pack({"f": print})
    with pytest.raises(TypeError, match="cannot hold"):
        pack(np.array([print], dtype=object))


def test_values_come_back_and_damaged_ones_are_absent() -> None:
    store = Store()
    store.put_value("ab" * 16, {"median": 1.25})
    assert store.value("ab" * 16) == {"median": 1.25}
    (entry,) = store.entries()
    data = bytearray(entry.path.read_bytes())
    data[-1] ^= 1
    entry.path.write_bytes(data)
    with pytest.raises(KeyError):
        store.value("ab" * 16)
    assert list(store.entries()) == []


@pytest.mark.parametrize("cut", [0, 3, 8, 9])
def test_truncated_values_are_absent(cut: int) -> None:
    store = Store()
    store.put_value("cd" * 16, [1, 2, 3])
    (entry,) = store.entries()
    entry.path.write_bytes(entry.path.read_bytes()[:cut])
    with pytest.raises(KeyError):
        store.value("cd" * 16)


def test_a_store_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    store = Store(blocked)
    store.put_value("ab" * 16, 1)
    with pytest.raises(KeyError):
        store.value("ab" * 16)


def test_sources_are_known_by_content(tmp_path: Path) -> None:
    store = Store()
    a, b = tmp_path / "a.fits", tmp_path / "b.fits"
    a.write_bytes(b"pixels")
    b.write_bytes(b"pixels")
    assert store.content(a) == store.content(b) == digest_file(a)
    a.write_bytes(b"others")
    os.utime(a, ns=(1, 1))
    assert store.content(a) != store.content(b)
    with pytest.raises(SourceError, match=r"cannot read .*gone.fits: No such file"):
        store.content(tmp_path / "gone.fits")


def test_stored_strips_are_whole_or_absent(tmp_path: Path) -> None:
    shape = (2, 50, 100_000)  # 1 row a strip
    pixels = StoredPixels.open(tmp_path / "x", shape)
    assert pixels.rows == 1
    tile = np.random.default_rng(0).normal(size=(2, 3, shape[2])).astype(np.float32)
    from lerarlink.engine.api import Box

    pixels.write(Box(10, 0, 13, shape[2]), tile)
    assert (pixels.read(Box(10, 5, 13, 60)) == tile[:, :, 5:60]).all()
    assert pixels.read(Box(9, 0, 13, 10)) is None
    assert not pixels.complete()
    again = StoredPixels.open(tmp_path / "x", shape)
    assert (again.read(Box(11, 0, 12, shape[2])) == tile[:, 1:2]).all()
    other = StoredPixels.open(tmp_path / "x", (1, 50, 100_000))
    assert other.read(Box(11, 0, 12, 10)) is None


def test_prune_removes_the_oldest_and_clear_everything() -> None:
    store = Store()
    for i, key in enumerate(["aa", "bb", "cc"]):
        store.put_value(key * 16, "x" * 100)
        os.utime(next(e.path for e in store.entries() if e.key == key * 16), (i, i))
    gone = store.prune(2 * 115)
    assert [e.key for e in gone] == ["aa" * 16]
    assert store.clear() > 0
    assert list(store.entries()) == []
