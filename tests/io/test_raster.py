"""PNG, JPEG and WebP: of others against Pillow, ours read back by Pillow and by ourselves."""

from __future__ import annotations

import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lerarlink.engine.api import Box, Frame, ParameterError, SourceError
from lerarlink.engine.region import strips
from lerarlink.nodes.io import _raster
from lerarlink.nodes.io._png import SIGNATURE
from lerarlink.nodes.io._raster import open_raster, write_jpeg, write_png
from lerarlink.nodes.io._reader import WriteOptions

KINDS = [(1, "gray"), (2, "gray"), (3, "rgb"), (4, "rgb")]


def write(make, path: Path, frame: Frame, pixels: np.ndarray, rows: int = 7, backward: bool = False, **options) -> None:
    writer = make(path, frame, WriteOptions(**options))
    order = list(strips(frame.box, rows))
    for box in reversed(order) if backward else order:
        pickle.loads(pickle.dumps(writer)).write(box, pixels[:, box.y0 : box.y1])
    writer.finish()


def planes(array: np.ndarray) -> np.ndarray:
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def whole(path: Path) -> np.ndarray:
    reader = open_raster(path)
    return reader.read(reader.frame.box)


# -- PNG ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "color"), KINDS)
@pytest.mark.parametrize("orientation", ["top-down", "bottom-up"])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_png_pictures_are_upright_and_hold_the_levels(
    tmp_path: Path, channels: int, color: str, orientation: str, kind: str
) -> None:
    pixels = np.random.default_rng(1).uniform(-100, 66000, (channels, 61, 45)).astype(np.float32)
    pixels[:, 0, 0] = np.nan
    frame = Frame(
        width=45, height=61, channels=channels, color=color, bounds=(0.0, 65535.0), orientation=orientation
    )
    path = tmp_path / "p.png"
    write(write_png, path, frame, pixels, sample_format=kind)
    top = 65535 if kind == "uint16" else 255
    wanted = np.rint(np.clip(np.nan_to_num(pixels.astype(np.float64)) / 65535, 0, 1) * top)
    wanted = wanted[:, ::-1] if orientation == "bottom-up" else wanted
    assert np.array_equal(whole(path), wanted)
    with Image.open(path) as picture:
        seen = planes(np.asarray(picture))
    if kind == "uint8" or channels == 1:
        assert np.array_equal(seen, wanted)
    else:
        # Pillow keeps the upper byte of 16-bit colours, and makes gray with alpha RGBA.
        seen = seen[[0, 3]] if channels == 2 else seen
        assert np.array_equal(seen, wanted.astype(np.int64) >> 8)
    back = open_raster(path).frame
    assert (back.bounds, back.state, back.color, back.orientation) == ((0.0, float(top)), "linear", color, "top-down")


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_png_files_of_pillow_are_read(tmp_path: Path, mode: str) -> None:
    channels = len(mode)
    y, x = np.mgrid[0:90, 0:70]
    smooth = np.stack([x * 2 + y * (i + 1) for i in range(channels)], -1) % 256
    truth = (smooth + np.random.default_rng(2).integers(0, 3, smooth.shape)).astype(np.uint8).squeeze()
    Image.fromarray(truth).save(tmp_path / "p.png")
    reader = open_raster(tmp_path / "p.png")
    assert np.array_equal(reader.read(Box(5, 6, 80, 60)), planes(truth)[:, 5:80, 6:60])
    assert reader.frame.state == "stretched"


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def png(rows: bytes, width: int, height: int, depth: int, kind: int, interlace: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlace)
    packed = zlib.compress(rows)
    cut = len(packed) // 2
    return SIGNATURE + b"".join(
        (chunk(b"IHDR", head), chunk(b"IDAT", packed[:cut]), chunk(b"IDAT", packed[cut:]), chunk(b"IEND", b""))
    )


@pytest.mark.parametrize("kind", [0, 2, 4, 6])
@pytest.mark.parametrize("depth", [8, 16])
def test_every_png_filter_is_undone(tmp_path: Path, kind: int, depth: int) -> None:
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    bpp = channels * depth // 8
    truth = np.random.default_rng(kind).integers(0, 2**depth, (25, 13, channels)).astype(f">u{depth // 8}")
    raw = truth.reshape(25, -1).view(np.uint8).astype(int)
    rows = b""
    for y, row in enumerate(raw):
        above = raw[y - 1] if y else np.zeros_like(row)
        left = np.concatenate([np.zeros(bpp, int), row[:-bpp]])
        corner = np.concatenate([np.zeros(bpp, int), above[:-bpp]])
        p = left + above - corner
        far = [abs(p - left), abs(p - above), abs(p - corner)]
        paeth = np.where(
            (far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], above, corner)
        )
        guess = [np.zeros_like(row), left, above, (left + above) // 2, paeth][y % 5]
        rows += bytes([y % 5]) + ((row - guess) % 256).astype(np.uint8).tobytes()
    path = tmp_path / "p.png"
    path.write_bytes(png(rows, 13, 25, depth, kind))
    assert np.array_equal(whole(path), truth.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("bend", "sentence"),
    [
        (lambda d: d[:-20], "truncated"),
        (lambda d: d[:40], "truncated"),
        (lambda d: d[:-30] + b"x" + d[-29:], "checksum"),
        (lambda d: d[:12] + b"JHDR" + d[16:], "IHDR"),
        (lambda d: d[:33] + chunk(b"IEND", b""), "no pixels"),
        (lambda d: png(bytes(14 * 24), 13, 25, 8, 0), "24|25 rows"),
        (lambda d: png(b"\x05" * (14 * 25), 13, 25, 8, 0), "unknown PNG filter"),
        (lambda d: png(bytes(14 * 25), 0, 25, 8, 0), "no pixels"),
        (lambda d: png(bytes(14 * 25), 2**31 - 1, 2**31 - 1, 16, 6), "cannot hold"),
    ],
)
def test_damaged_png_files_are_told(tmp_path: Path, bend, sentence: str) -> None:
    path = tmp_path / "p.png"
    good = np.random.default_rng(3).integers(0, 256, (25, 14)).astype(np.uint8)
    good[:, 0] = 0
    path.write_bytes(png(good.tobytes(), 13, 25, 8, 0))
    assert np.array_equal(whole(path)[0], good[:, 1:])
    path.write_bytes(bend(path.read_bytes()))
    with pytest.raises(SourceError, match=sentence):
        whole(path)


def test_palettes_bits_and_interlaced_gray_go_through_pillow(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    bits = np.random.default_rng(4).integers(0, 2, (9, 11)).astype(bool)
    Image.fromarray(bits).save(path)
    assert np.array_equal(whole(path)[0], bits * 255)
    palette = Image.fromarray(np.arange(99, dtype=np.uint8).reshape(9, 11)).convert("P")
    palette.save(path)
    assert np.array_equal(whole(path), np.arange(99).reshape(1, 9, 11).repeat(3, 0))
    path.write_bytes(png(b"", 13, 25, 16, 2, interlace=1))
    with pytest.raises(SourceError, match="interlaced"):
        whole(path)


# -- JPEG and WebP ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "color"), KINDS)
@pytest.mark.parametrize("orientation", ["top-down", "bottom-up"])
def test_jpeg_pictures_are_upright_and_close(tmp_path: Path, channels: int, color: str, orientation: str) -> None:
    y, x = np.mgrid[0:120, 0:90]
    pixels = np.stack([x * 300 + y * 200 + i * 3000 for i in range(channels)]).astype(np.float32)
    frame = Frame(
        width=90, height=120, channels=channels, color=color, bounds=(0.0, 65535.0), orientation=orientation
    )
    path = tmp_path / "p.jpg"
    write(write_jpeg, path, frame, pixels, quality=95)
    wanted = pixels[: 3 if color == "rgb" else 1] / 65535 * 255
    wanted = wanted[:, ::-1] if orientation == "bottom-up" else wanted
    assert np.abs(whole(path) - wanted).max() < 3
    with Image.open(path) as picture:
        assert np.array_equal(planes(np.asarray(picture)), whole(path))


def test_a_truncated_jpeg_is_told_and_its_exif_read(tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    exif = Image.Exif()
    exif[272] = "Night 1"
    exif.get_ifd(0x8769)[33434] = 2.5
    exif.get_ifd(0x8769)[34855] = 800
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(path, exif=exif)
    frame = open_raster(path).frame
    assert (frame.word("camera"), frame.word("exposure"), frame.word("iso")) == ("Night 1", 2.5, 800)
    data = path.read_bytes()
    for end in (3, 50, len(data) - 30):
        path.write_bytes(data[:end])
        with pytest.raises(SourceError):
            whole(path)


def test_webp_is_read(tmp_path: Path) -> None:
    truth = np.random.default_rng(5).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    Image.fromarray(truth).save(tmp_path / "p.webp", lossless=True)
    assert np.array_equal(whole(tmp_path / "p.webp"), planes(truth))


def test_colours_that_are_no_rgb_are_refused(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8)).save(tmp_path / "p.jpg")
    with pytest.raises(SourceError, match="CMYK"):
        open_raster(tmp_path / "p.jpg")


# -- both ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "name"), [(write_png, "a.png"), (write_jpeg, "a.jpg")])
def test_the_order_of_strips_leaves_no_trace_and_abandoning_nothing(tmp_path: Path, make, name: str) -> None:
    pixels = np.random.default_rng(6).uniform(0, 1, (3, 50, 33)).astype(np.float32)
    frame = Frame(width=33, height=50, channels=3, color="rgb", orientation="bottom-up")
    write(make, tmp_path / name, frame, pixels)
    write(make, tmp_path / f"b{name}", frame, pixels, rows=11, backward=True)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"b{name}").read_bytes()
    writer = make(tmp_path / name, frame, WriteOptions())
    writer.write(Box(0, 0, 10, 33), pixels[:, :10])
    writer.abandon()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, f"b{name}"])


def test_a_failing_encoder_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(b"old")
    frame = Frame(width=4, height=4)
    writer = write_png(path, frame, WriteOptions())
    writer.write(frame.box, np.zeros((1, 4, 4), np.float32))

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(_raster, "encode_png", full)
    with pytest.raises(OSError, match="disk full"):
        writer.finish()
    assert [p.name for p in tmp_path.iterdir()] == ["p.png"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("make", "frame", "options", "sentence"),
    [
        (write_png, Frame(width=2, height=2), {"sample_format": "float32"}, "uint8 or uint16"),
        (write_jpeg, Frame(width=2, height=2), {"sample_format": "uint16"}, "wants sample_format uint8"),
        (write_png, Frame(width=2, height=2), {"compression": "deflate"}, "compresses by itself"),
        (write_jpeg, Frame(width=70000, height=2), {}, "65535 px a side"),
        (write_png, Frame(width=2, height=2, channels=3, color="planes"), {}, "gray or RGB"),
        (write_png, Frame(width=2, height=2, channels=5, color="rgb"), {}, "up to 4 channels"),
        (write_jpeg, Frame(width=2, height=2, channels=3, color="gray"), {}, "gray image"),
    ],
)
def test_what_a_picture_cannot_hold_is_refused(tmp_path: Path, make, frame: Frame, options, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        make(tmp_path / "p.img", frame, WriteOptions(**options))
    assert list(tmp_path.iterdir()) == []
