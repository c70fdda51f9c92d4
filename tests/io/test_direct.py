"""Large outputs go past the system's cache, with the same bytes, or through it where that cannot be."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lerarlink.engine.region import strips, whole
from lerarlink.nodes.io import _direct, _raw_writer
from lerarlink.nodes.io._raw_writer import RawWriter

RNG = np.random.default_rng(9)
HEIGHT, WIDTH = 301, 1237
IMAGE = RNG.random((3, HEIGHT, WIDTH), np.float32)


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_raw_writer, "LEAST", 0)


def written(path: Path, checked: bool = True, **more: object) -> RawWriter:
    """Write IMAGE by strips in any order from two threads; return the writer before it finishes."""
    values: dict[str, object] = {"dtype": ">i2", "zero": 32768, "bounds": (0.0, 1.0), "head": b"h" * 2880}
    size = {"height": HEIGHT, "width": WIDTH, "channels": 3}
    writer = RawWriter(path=path, tail_padding=9, tail=b"t", **{**size, **values, **more}).start()  # type: ignore[arg-type]
    boxes = list(strips(whole(HEIGHT, WIDTH), 7))
    random.Random(1).shuffle(boxes)

    def fill(start: int) -> None:
        for box in boxes[start::2]:
            strip = IMAGE[:, box.y0 : box.y1]
            told = writer.write_summed(box, strip)
            assert not checked or told == writer.checksum(box)

    threads = [threading.Thread(target=fill, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return writer


def content(path: Path, **more: object) -> bytes:
    writer = written(path, **more)
    writer.finish()
    return path.read_bytes()


def goes_direct(folder: Path) -> bool:
    (folder / "probe").touch()
    return _direct.DirectFile(folder / "probe").usable


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"interleaved": True},
        {"dtype": "<u2", "zero": 0, "head": b"h" * 8},
        {"dtype": "|u1", "zero": 0, "head": b"h" * 7},
        {"dtype": ">i4", "zero": 2**31},
        {"dtype": ">f4", "bounds": None},
        {"dtype": ">f8", "bounds": None, "interleaved": True},
        {"dtype": "<f4", "bounds": None, "head": b"h" * 4096},
        {"dtype": ">f4", "bounds": None, "head": b"h" * 7},
    ],
)
def test_the_bytes_are_those_that_go_through_the_cache(tmp_path: Path, more: dict[str, object]) -> None:
    assert content(tmp_path / "direct", **more) == content(tmp_path / "cached", reread=True, **more)


@pytest.mark.parametrize("reread", [False, True])
def test_nothing_stays_in_the_cache_but_what_is_read_again(tmp_path: Path, reread: bool) -> None:
    if not goes_direct(tmp_path) or not hasattr(os, "preadv"):
        pytest.skip("the file system of the temporary folder knows no direct writing")
    # Strips of several blocks; the block looked at lies within one of them.
    writer = written(tmp_path / "out", checked=False, reread=reread, dtype=">f4", bounds=None)
    assert in_cache(writer.temporary, 3 * 4096) is reread
    writer.abandon()


def in_cache(path: Path, offset: int) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(fd, [bytearray(4096)], offset, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    finally:
        os.close(fd)


def refuses(_: object, blocks: memoryview, offset: int) -> int:
    raise OSError(22, "Invalid argument")


def writes_half(fd: int, blocks: memoryview, offset: int) -> int:
    return os.pwrite(fd, blocks[: len(blocks) // 2 // 4096 * 4096], offset)


@pytest.mark.parametrize("call", [refuses, writes_half])
def test_what_the_system_does_not_take_goes_through_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., int]
) -> None:
    calls: list[int] = []

    def counted(fd: int, blocks: memoryview, offset: int) -> int:
        calls.append(offset)
        return call(fd, blocks, offset)

    monkeypatch.setattr(_direct, "_write_blocks", counted)
    direct, cached = content(tmp_path / "direct"), content(tmp_path / "cached", reread=True)
    assert direct == cached
    if goes_direct(tmp_path):
        # Two threads may find out at once that it is refused; then nobody tries again.
        assert 1 <= len(calls) <= 2 if call is refuses else len(calls) > 100


def test_a_slow_disk_is_left_to_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_direct, "_PATIENCE", 0.0)
    monkeypatch.setattr(_direct, "_SLOW", 1e15)
    writer = written(tmp_path / "direct")
    assert writer._direct is not None
    assert not writer._direct.usable
    writer.finish()
    assert (tmp_path / "direct").read_bytes() == content(tmp_path / "cached", reread=True)


def test_small_files_stay_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_raw_writer, "LEAST", _direct.LEAST)
    writer = written(tmp_path / "out")
    assert writer._direct is None
    writer.abandon()
