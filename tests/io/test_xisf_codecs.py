"""The codecs under XISF: byte lanes, LZ4 in pieces, parts decoded on demand."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lz4.block
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lerarlink.engine.api import SourceError
from lerarlink.nodes.io import _xisf_blocks as blocks
from lerarlink.nodes.io._lz4 import lz4_pieces
from lerarlink.nodes.io._xisf_location import Block

CODECS = ("zlib", "lz4", "lz4hc", "zstd")


def shuffled(data: np.ndarray, item: int) -> np.ndarray:
    """Return *data* shuffled as the specification says it, byte by byte."""
    items = len(data) // item
    lanes = [data[lane : items * item : item] for lane in range(item)]
    return np.concatenate([*lanes, data[items * item :]])


def noise(size: int, seed: int = 0) -> np.ndarray:
    """Return bytes with matches near and far, and a long run."""
    data = (np.random.default_rng(seed).integers(0, 60, size) // 7).astype(np.uint8)
    data[size // 3 : size // 2] = 7
    data[size - size // 5 :] = data[: size // 5]
    return data


def block_of(path: Path, data: np.ndarray, codec: str, item: int, part: int) -> Block:
    stream = shuffled(data, item)
    packed = [blocks.compress(codec, stream[a : a + part]) for a in range(0, len(stream), part)]
    path.write_bytes(b"".join(packed))
    parts = tuple((len(p), min(part, len(stream) - i * part)) for i, p in enumerate(packed))
    return Block(0, sum(map(len, packed)), None, codec, item, len(data), parts, None)


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 400), item=st.integers(1, 9), cut=st.data())
def test_shuffling_is_undone_whatever_the_pieces(size: int, item: int, cut: st.DataObject) -> None:
    data = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8)
    start = cut.draw(st.integers(0, size - 1))
    stop = cut.draw(st.integers(start + 1, size))
    truth = shuffled(data, item)
    assert np.array_equal(blocks.take_shuffled(data, item, start, stop), truth[start:stop])
    out = np.zeros_like(data)
    for a, b in ((start, stop), (0, start), (stop, size)):
        blocks.put_shuffled(out, item, a, truth[a:b])
    assert np.array_equal(out, data)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(("item", "part"), [(1, 1000), (2, 777), (4, 1001), (8, 64), (4, 10**9)])
def test_any_stretch_of_a_block_is_decoded(tmp_path: Path, codec: str, item: int, part: int) -> None:
    data = noise(20_003)
    block = block_of(tmp_path / "b", data, codec, item, part)
    for start, stop in ((0, 1), (19_999, 20_003), (20_002, 20_003), (5_001, 9_002), (0, 20_003)):
        unpacked = blocks.UnpackedBlock(tmp_path / "b", block)
        assert np.array_equal(unpacked.natural(start, stop), data[start:stop])


def test_a_strip_decodes_only_the_parts_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = noise(100_000)
    block = block_of(tmp_path / "b", data, "zlib", 2, 1000)
    decoded = []
    original = blocks.decoded
    monkeypatch.setattr(blocks, "decoded", lambda *a: decoded.append(a[3]) or original(*a))
    unpacked = blocks.UnpackedBlock(tmp_path / "b", block)
    assert np.array_equal(unpacked.natural(40_000, 41_000), data[40_000:41_000])
    # Bytes 40,000 to 41,000 are 500 items in each of two lanes, which lie in one part each.
    assert len(decoded) == 2
    unpacked.natural(40_000, 41_000)
    assert len(decoded) == 2


def test_large_blocks_are_unpacked_into_a_file_without_name(tmp_path: Path, private_store: Path) -> None:
    data = noise(3 << 20)
    block = block_of(tmp_path / "b", data, "lz4", 4, 1 << 20)
    unpacked = blocks.UnpackedBlock(tmp_path / "b", block)
    assert np.array_equal(unpacked.natural(0, data.size), data)
    assert list((private_store / "scratch").iterdir()) == []


@pytest.mark.parametrize("mode", ["default", "high_compression"])
def test_lz4_in_pieces_equals_the_c_library(mode: str) -> None:
    data = noise(2_000_001, 3)
    packed = np.frombuffer(lz4.block.compress(data.data, store_size=False, mode=mode), np.uint8)
    pieces = list(lz4_pieces(packed, data.size, 70_000))
    assert len(pieces) > 20 and max(p.size for p in pieces) <= 70_000
    assert np.array_equal(np.concatenate(pieces), data)


@settings(max_examples=30, deadline=None)
@given(at=st.integers(0, 10_000), value=st.integers(0, 255))
def test_damaged_lz4_ends_in_an_error_or_in_bounds(at: int, value: int) -> None:
    data = noise(200_000, 4)
    packed = np.frombuffer(lz4.block.compress(data.data, store_size=False), np.uint8).copy()
    packed[at % packed.size] = value
    try:
        sizes = [p.size for p in lz4_pieces(packed, data.size, 1000)]
    except ValueError:
        return
    assert max(sizes) <= 1000


@pytest.mark.parametrize("codec", CODECS)
def test_wrong_lengths_and_damage_are_told(tmp_path: Path, codec: str) -> None:
    data = noise(50_000)
    packed = np.frombuffer(blocks.compress(codec, data), np.uint8)
    for stored, length in ((packed, 49_999), (packed, 50_001), (packed[:-9], 50_000), (packed[:0], 50_000)):
        with pytest.raises(SourceError, match=codec):
            list(blocks.decoded(tmp_path, codec, stored, length))


def test_a_bomb_is_stopped_at_the_declared_length(tmp_path: Path) -> None:
    bomb = np.frombuffer(zlib.compress(bytes(50 << 20)), np.uint8)
    made = 0
    with pytest.raises(SourceError, match="found more"):
        for piece in blocks.decoded(tmp_path, "zlib", bomb, 2 << 20):
            made += piece.size
    assert made <= 2 << 20


@pytest.mark.parametrize("codec", ["zlib", "lz4"])
def test_many_threads_may_read_one_block(tmp_path: Path, codec: str) -> None:
    data = noise(1 << 20, 5)
    block = block_of(tmp_path / "b", data, codec, 4, 50_001)
    unpacked = blocks.UnpackedBlock(tmp_path / "b", block)
    stretches = np.random.default_rng(6).integers(0, data.size // 2, (64, 2))

    def right(stretch: np.ndarray) -> bool:
        start, stop = int(stretch[0]), int(stretch[0] + stretch[1]) + 1
        return np.array_equal(unpacked.natural(start, stop), data[start:stop])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(right, stretches))
