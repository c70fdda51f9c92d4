"""Raw pixels in files: conversions are exact, ranges disjoint, and a full disk leaves nothing."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerarlink.engine.errors import SourceError
from lerarlink.engine.region import Box, strips, whole
from lerarlink.nodes.io import _disk
from lerarlink.nodes.io._bits import extremes
from lerarlink.nodes.io._layout import RawLayout, physical
from lerarlink.nodes.io._raw_writer import RawWriter, quantise

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("offset", [0, 2880, 1, 13])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("dtype", [">f4", "<f4", ">i2", "<u2", "|u1", ">f8", "<u4"])
def test_layouts_give_the_samples_wherever_they_lie(tmp_path: Path, dtype: str, interleaved: bool, offset: int) -> None:
    data = RNG.uniform(0, 100, (3, 10, 12)).astype(dtype)
    path = tmp_path / "raw"
    stored = data.transpose(1, 2, 0) if interleaved else data
    path.write_bytes(b"x" * offset + stored.tobytes())
    layout = RawLayout(path, offset, dtype, 10, 12, 3, interleaved)
    np.testing.assert_array_equal(layout.read(Box(2, 3, 9, 11)), data[:, 2:9, 3:11].astype(np.float32))


@pytest.mark.parametrize("offset", [0, 3])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8"])
@pytest.mark.parametrize("place", [(0, 0, 0), (2, 9, 11), (1, 4, 5)])
def test_what_is_infinite_is_missing_and_nothing_else(
    tmp_path: Path, dtype: str, interleaved: bool, offset: int, place: tuple[int, int, int]
) -> None:
    data = RNG.uniform(0, 100, (3, 10, 12)).astype(np.float32)
    data[0, 1, :4] = [np.nan, -0.0, 1e-42, np.finfo(np.float32).max]
    path = tmp_path / "raw"
    for infinity in (np.inf, -np.inf):
        data[place] = infinity
        stored = data.transpose(1, 2, 0) if interleaved else data
        path.write_bytes(b"x" * offset + stored.astype(dtype).tobytes())
        layout = RawLayout(path, offset, dtype, 10, 12, 3, interleaved)
        expected = data.copy()
        expected[place] = np.nan
        for box in (Box(0, 0, 10, 12), Box(1, 0, 10, 12), Box(0, 2, 10, 12), Box(4, 5, 5, 6)):
            found = layout.read(box)
            wanted = expected[:, box.y0 : box.y1, box.x0 : box.x1]
            np.testing.assert_array_equal(found, wanted)
            np.testing.assert_array_equal(np.signbit(found[wanted == 0]), np.signbit(wanted[wanted == 0]))


@pytest.mark.parametrize("size", [1, 7, 8, 33, 1000])
def test_the_least_and_the_greatest_sample_are_those_of_numpy(size: int) -> None:
    for _ in range(40):
        tile = RNG.normal(RNG.choice([-3.0, 0.0, 3.0]), 1, (1, 1, size)).astype(np.float32)
        tile[RNG.random(tile.shape) < RNG.choice([0.0, 0.5, 1.0])] = RNG.choice([np.nan, -np.nan, -0.0, 1e-45, -3e38])
        some = tile[~np.isnan(tile)]
        assert extremes(tile) == ((some.min(), some.max()) if some.size else None)


def test_a_layout_beyond_the_end_of_its_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(b"\0" * 99)
    with pytest.raises(SourceError, match="byte 100, the file has 99"):
        RawLayout(path, 0, "|u1", 10, 10)


def test_a_file_that_changed_is_mapped_anew_by_who_looks_at_it_again(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(b"\1" * 100)
    layout = RawLayout(path, 0, "|u1", 10, 10)
    assert layout.read(Box(0, 0, 1, 1)) == 1
    (tmp_path / "new").write_bytes(b"\2" * 100)
    (tmp_path / "new").replace(path)
    assert RawLayout(path, 0, "|u1", 10, 10).read(Box(0, 0, 1, 1)) == 2
    assert layout.read(Box(0, 0, 1, 1)) == 1  # what its header was read of, as long as that is mapped


@given(
    scale=st.floats(-1e3, 1e3, allow_nan=False).filter(bool),
    zero=st.floats(-1e5, 1e5, allow_nan=False),
    dtype=st.sampled_from([">i2", "|u1", ">i4", "<f4", ">f8"]),
)
def test_physical_values_are_computed_in_double_precision(scale: float, zero: float, dtype: str) -> None:
    raw = np.random.default_rng(1).uniform(0, 250, (1, 4, 9)).astype(dtype)
    expected = (zero + scale * raw.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(physical(raw, scale, zero), expected)


def test_every_unsigned_16_bit_value_is_exact() -> None:
    raw = np.arange(-32768, 32768, dtype=">i2").reshape(1, 256, 256)
    np.testing.assert_array_equal(physical(raw, 1.0, 32768.0).ravel(), np.arange(65536))


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
def test_quantising_what_was_read_gives_the_same_integers(dtype: str) -> None:
    top = np.iinfo(dtype).max
    levels = np.linspace(0, top, 5000).astype(dtype)
    tile = levels.astype(np.float32).reshape(1, 50, 100)
    got = quantise(tile, (0.0, float(top)), dtype).ravel()
    # 32-bit integers do not all fit into float32: what is given back is the float that was read.
    np.testing.assert_array_equal(got, np.minimum(tile.ravel().astype(np.float64), top).astype(dtype))


def writer_of(path: Path, **more: object) -> RawWriter:
    values: dict[str, object] = {"dtype": ">f4", "height": 60, "width": 20, "channels": 2, "head": b"h" * 7}
    return RawWriter(path=path, **{**values, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("interleaved", [False, True])
def test_strips_may_come_from_many_threads(tmp_path: Path, interleaved: bool) -> None:
    data = RNG.normal(size=(2, 60, 20)).astype(np.float32)
    writer = writer_of(tmp_path / "a", interleaved=interleaved, tail_padding=9).start()

    def fill(start: int) -> None:
        for box in list(strips(whole(60, 20), 3))[start::4]:
            writer.write(box, data[:, box.y0 : box.y1])

    threads = [threading.Thread(target=fill, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    writer.finish()
    stored = data.transpose(1, 2, 0) if interleaved else data
    assert (tmp_path / "a").read_bytes() == b"h" * 7 + stored.astype(">f4").tobytes() + b"\0" * 9


def test_without_the_calls_of_linux_the_file_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = RNG.normal(size=(2, 60, 20)).astype(np.float32)
    contents = []
    for plain in (False, True):
        if plain:
            monkeypatch.delattr(os, "posix_fallocate", raising=False)
            monkeypatch.delattr(os, "pwrite", raising=False)
        writer = writer_of(tmp_path / f"{plain}").start()
        writer.write(whole(60, 20), data)
        writer.finish()
        contents.append((tmp_path / f"{plain}").read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("has_fallocate", [True, False])
def test_a_full_disk_is_found_at_the_start_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_fallocate: bool
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if has_fallocate:
        monkeypatch.setattr(os, "posix_fallocate", full)
    else:
        monkeypatch.delattr(os, "posix_fallocate")
        monkeypatch.setattr(_disk.shutil, "disk_usage", lambda _: _disk.shutil._ntuple_diskusage(10, 0, 10))
    with pytest.raises(OSError, match="disk is full: 9607 bytes wanted") as error:
        writer_of(tmp_path / "a").start()
    assert error.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_a_strip_of_another_width_is_refused(tmp_path: Path) -> None:
    writer = writer_of(tmp_path / "a").start()
    with pytest.raises(ValueError, match="wants a strip of shape"):
        writer.write(Box(0, 0, 2, 10), np.zeros((2, 2, 10), np.float32))
    writer.abandon()


def test_integer_samples_want_bounds(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="want bounds"):
        writer_of(tmp_path / "a", dtype=">i2")


def test_more_files_than_maps_are_kept_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_disk._MAPS, "_limit", 3)
    layouts = []
    for i in range(10):
        path = tmp_path / str(i)
        path.write_bytes(bytes([i]) * 12)
        layouts.append(RawLayout(path, 0, "|u1", 3, 4))
    for _ in range(2):
        assert [int(x.read(Box(2, 3, 3, 4))[0, 0, 0]) for x in layouts] == list(range(10))
    assert len(_disk._MAPS._maps) == 3
