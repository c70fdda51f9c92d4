"""XISF files of ours: read back, byte for byte the same twice, whole or not at all."""

from __future__ import annotations

import pickle
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from lerarlink.engine.api import Box, Frame, ParameterError, Word
from lerarlink.engine.region import strips
from lerarlink.nodes.io import _xisf_write
from lerarlink.nodes.io._reader import WriteOptions
from lerarlink.nodes.io._xisf import open_xisf
from lerarlink.nodes.io._xisf_write import write_xisf

METHODS = ["none", *(c + s for c in ("zlib", "lz4", "lz4hc", "zstd") for s in ("", "+sh"))]


def picture(channels: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(7).normal(1000, 60, (channels, height, width)).astype(np.float32)


def write(path: Path, frame: Frame, pixels: np.ndarray, rows: int = 7, backward: bool = False, **options) -> None:
    writer = write_xisf(path, frame, WriteOptions(**options))
    order = list(strips(frame.box, rows))
    for box in reversed(order) if backward else order:
        pickle.loads(pickle.dumps(writer)).write(box, pixels[:, box.y0 : box.y1])
    writer.finish()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 31, 17), (2, 5, 301)])
def test_floats_come_back_exactly_whatever_the_codec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, size: tuple[int, int, int]
) -> None:
    monkeypatch.setattr(_xisf_write, "PART", 1001)  # many sub-blocks, cut inside samples
    pixels = picture(*size)
    pixels[0, 0, 0] = np.nan
    channels, height, width = size
    color = "rgb" if channels == 3 else "gray"
    frame = Frame(width=width, height=height, channels=channels, color=color, bounds=(-3.5, 60000.25), unit="ADU")
    path = tmp_path / "out.xisf"
    write(path, frame, pixels, compression=method)
    reader = open_xisf(path)
    assert np.array_equal(reader.read(frame.box), pixels, equal_nan=True)
    box = Box(height // 3, width // 2, height, width)
    assert np.array_equal(reader.read(box), pixels[:, box.y0 :, box.x0 :], equal_nan=True)
    assert (reader.frame.bounds, reader.frame.color, reader.frame.unit) == ((-3.5, 60000.25), color, "ADU")
    assert [p.name for p in tmp_path.iterdir()] == ["out.xisf"]


@pytest.mark.parametrize("method", ["none", "zlib+sh"])
@pytest.mark.parametrize(("kind", "top"), [("uint16", 65535), ("uint8", 255)])
def test_integers_are_levels_between_the_bounds(tmp_path: Path, method: str, kind: str, top: int) -> None:
    frame = Frame(width=5, height=1, bounds=(100.0, 300.0))
    pixels = np.array([[[50, 100, 200, 300, np.nan]]], np.float32)
    write(tmp_path / "out.xisf", frame, pixels, sample_format=kind, compression=method)
    reader = open_xisf(tmp_path / "out.xisf")
    assert reader.read(frame.box).ravel().tolist() == [0, 0, np.rint(top / 2), top, 0]
    assert reader.frame.bounds == (0.0, float(top))


@pytest.mark.parametrize("method", ["none", "zstd+sh"])
def test_the_order_of_strips_and_the_run_leave_no_trace(tmp_path: Path, method: str) -> None:
    frame, pixels = Frame(width=33, height=50, channels=3, color="rgb"), picture(3, 50, 33)
    write(tmp_path / "a.xisf", frame, pixels, compression=method)
    write(tmp_path / "b.xisf", frame, pixels, rows=11, backward=True, compression=method)
    assert (tmp_path / "a.xisf").read_bytes() == (tmp_path / "b.xisf").read_bytes()


@pytest.mark.parametrize("method", ["none", "lz4"])
def test_an_abandoned_writer_leaves_the_old_file_and_nothing_else(tmp_path: Path, method: str) -> None:
    path = tmp_path / "out.xisf"
    path.write_bytes(b"old")
    frame = Frame(width=33, height=50)
    writer = write_xisf(path, frame, WriteOptions(compression=method))
    writer.write(Box(0, 0, 10, 33), picture(1, 10, 33))
    writer.abandon()
    assert [p.name for p in tmp_path.iterdir()] == ["out.xisf"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("method", ["rar", "none+sh", "zlib+bits", "sh"])
def test_unknown_compressions_are_refused(tmp_path: Path, method: str) -> None:
    with pytest.raises(ParameterError, match="compression must be one of"):
        write_xisf(tmp_path / "out.xisf", Frame(width=2, height=2), WriteOptions(compression=method))
    assert list(tmp_path.iterdir()) == []


def test_what_the_frame_says_comes_back(tmp_path: Path) -> None:
    wcs = (("CTYPE1", "RA---TAN", ""), ("CTYPE2", "DEC--TAN", ""), ("CRPIX2", 3.0, ""), ("CD2_2", 0.25, ""))
    frame = Frame(
        width=6, height=8, cfa="GBRG", state="stretched", orientation="bottom-up", wcs=wcs,
        words=(
            ("exposure", Word(120.0, "")), ("filter", Word("O\u2083 & <7nm>", "")), ("focal_length", Word(530.0, "")),
            ("start_time", Word("2024-01-02T03:04:05", "")), ("type", Word("master-flat", "")),
        ),
        header=(
            ("SIMPLE", True, ""), ("NAXIS1", 9, "stale"), ("CRPIX2", 99.0, "stale"), ("BAYERPAT", "RGGB", "stale"),
            ("GAIN", 90, "it's \"quoted\""), ("OBSERVER", "O'Neil \x01", ""), ("HISTORY", "cooled & <opened>", ""),
            ("FLAG", False, ""), ("EMPTY", None, ""), ("TINY", 1.5e-300, ""),
            ("Lab:Value", 2.5, "XISF Float64"),
        ),
    )  # fmt: skip
    write(tmp_path / "out.xisf", frame, picture(1, 8, 6))
    back = open_xisf(tmp_path / "out.xisf").frame
    assert (back.cfa, back.state, back.orientation, back.wcs) == ("GBRG", "stretched", "bottom-up", wcs)
    for name in ("exposure", "filter", "focal_length", "start_time", "type"):
        assert back.word(name) == frame.word(name)
    kept = {k: v for k, v, _ in back.header}
    assert "SIMPLE" not in kept and "NAXIS1" not in kept
    assert (kept["GAIN"], kept["OBSERVER"], kept["HISTORY"]) == (90, "O'Neil ?", "cooled & <opened>")
    assert (kept["FLAG"], kept["EMPTY"], kept["TINY"], kept["Lab:Value"]) == (False, None, 1.5e-300, 2.5)
    assert [k for k, _, _ in back.header].count("BAYERPAT") == 1 and kept["BAYERPAT"] == "GBRG"
    # A second writing adds nothing.
    write(tmp_path / "again.xisf", back, picture(1, 8, 6))
    assert open_xisf(tmp_path / "again.xisf").frame == back


def test_the_file_is_laid_out_as_the_specification_says(tmp_path: Path) -> None:
    pixels = picture(3, 9, 11)
    write(tmp_path / "out.xisf", Frame(width=11, height=9, channels=3, color="rgb"), pixels)
    data = (tmp_path / "out.xisf").read_bytes()
    assert data[:8] == b"XISF0100" and data[12:16] == bytes(4)
    length = int.from_bytes(data[8:12], "little")
    name = "{http://www.pixinsight.com/xisf}"
    root = ElementTree.fromstring(data[16 : 16 + length])
    image = root.find(f"{name}Image")
    assert root.tag == f"{name}xisf" and image is not None
    assert (image.get("geometry"), image.get("sampleFormat"), image.get("bounds")) == ("11:9:3", "Float32", "0.0:1.0")
    _, position, size = image.get("location", "").split(":")
    assert int(position) % 4096 == 0 and int(position) + int(size) == len(data)
    assert np.array_equal(np.frombuffer(data[int(position) :], "<f4").reshape(3, 9, 11), pixels)
    ids = {p.get("id") for p in root.iter(f"{name}Property")}
    assert "XISF:CreatorApplication" in ids


def test_words_of_an_xisf_file_pass_through_fits(tmp_path: Path) -> None:
    from astropy.io import fits

    from lerarlink.nodes.io._fits import open_fits
    from lerarlink.nodes.io._fits_write import write_fits

    frame = Frame(width=4, height=3, header=(("Lab:Value", 2.5, "XISF Float64"), ("EXPTIME", 3.5, "s")))
    write(tmp_path / "a.xisf", frame, picture(1, 3, 4))
    read = open_xisf(tmp_path / "a.xisf").frame
    writer = write_fits(tmp_path / "b.fits", read, WriteOptions())
    writer.write(read.box, picture(1, 3, 4))
    writer.finish()
    with fits.open(tmp_path / "b.fits") as hdus:
        hdus.verify("exception")
    assert open_fits(tmp_path / "b.fits").frame.word("exposure") == 3.5
