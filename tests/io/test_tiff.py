"""TIFF files: of others against tifffile and Pillow, ours against tifffile, damaged ones."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from PIL import Image

from lerarlink.engine.api import Box, Frame, ParameterError, SourceError
from lerarlink.engine.region import strips
from lerarlink.nodes.io import _tiff_write
from lerarlink.nodes.io._lzw import lzw_decoded
from lerarlink.nodes.io._reader import WriteOptions
from lerarlink.nodes.io._tiff import open_tiff
from lerarlink.nodes.io._tiff_write import write_tiff

BOX = Box(3, 5, 50, 30)


def planes(array: np.ndarray, interleaved: bool = True) -> np.ndarray:
    if array.ndim == 2:
        return array[None]
    return array.transpose(2, 0, 1) if interleaved else array


# -- reading ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["color_16bit", "color_32bit", "mono_16bit", "mono_32bit"])
def test_graxpert_files_equal_their_fits_twins(real_data: Callable[[str], Path], name: str) -> None:
    reader = open_tiff(real_data(f"raw-and-tiff/graxpert_{name}.tiff"))
    truth = fits.getdata(real_data(f"raw-and-tiff/graxpert_{name}.fits"))
    truth = truth[None] if truth.ndim == 2 else truth
    assert np.array_equal(reader.read(reader.frame.box), truth.astype(np.float32))
    assert reader.frame.bounds == ((0.0, 65535.0) if "16bit" in name else None)


def test_real_star_fields_are_read_as_tifffile_reads_them(real_data: Callable[[str], Path]) -> None:
    path = real_data("platesolve/tetra3_2019-07-29T204726_Alt60_Azi45_Try1.tiff")
    reader = open_tiff(path)
    assert np.array_equal(reader.read(Box(10, 20, 700, 900))[0], tifffile.imread(path)[10:700, 20:900])


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "f2", "f4", "f8"])
@pytest.mark.parametrize("photometric", ["gray", "rgb", "rgba", "separate"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_type_and_layout_is_read(tmp_path: Path, kind: str, photometric: str, order: str) -> None:
    shape = {"gray": (53, 37), "rgb": (53, 37, 3), "rgba": (53, 37, 4), "separate": (3, 53, 37)}[photometric]
    truth = np.random.default_rng(1).integers(0, 200, shape).astype(kind)
    layouts = [{}, {"compression": "zlib"}, {"tile": (16, 32)}, {"tile": (16, 32), "compression": "zlib"},
               {"rowsperstrip": 7}, {"rowsperstrip": 7, "compression": "zlib"}, {"bigtiff": True}]  # fmt: skip
    if kind[0] == "u":
        layouts.append({"compression": "zlib", "predictor": 2})
    for layout in layouts:
        tifffile.imwrite(
            tmp_path / "t.tif", truth, byteorder=order,
            photometric="minisblack" if photometric == "gray" else "rgb",
            planarconfig="separate" if photometric == "separate" else None, **layout,
        )  # fmt: skip
        reader = open_tiff(tmp_path / "t.tif")
        wanted = planes(truth, photometric != "separate")[:, 3:50, 5:30].astype(np.float32)
        assert np.array_equal(reader.read(BOX), wanted), layout
        assert reader.frame.bounds == ((0.0, 2.0 ** (8 * int(kind[1])) - 1) if kind[0] == "u" else None)
        assert reader.frame.color == ("gray" if photometric == "gray" else "rgb")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "raw"])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "F"])
def test_files_written_by_libtiff_are_read(tmp_path: Path, compression: str, mode: str) -> None:
    rng = np.random.default_rng(2)
    levels = rng.integers(0, 20, (200, 301, 3)) // rng.integers(1, 9)
    truth = {
        "L": levels[..., 0].astype("u1"), "RGB": levels.astype("u1"),
        "I;16": (levels[..., 0] * 900).astype("u2"), "F": levels[..., 0].astype("f4") / 7,
    }[mode]  # fmt: skip
    Image.fromarray(truth).save(tmp_path / "t.tif", compression=compression)
    reader = open_tiff(tmp_path / "t.tif")
    assert np.array_equal(reader.read(reader.frame.box), planes(truth).astype(np.float32))


def test_lzw_with_the_predictor_of_photoshop_is_read(tmp_path: Path) -> None:
    truth = (np.add.outer(np.arange(90), np.arange(80) ** 2)).astype("u1")
    picture = Image.fromarray(truth)
    picture.save(tmp_path / "t.tif", compression="tiff_lzw", tiffinfo={317: 2})
    with tifffile.TiffFile(tmp_path / "t.tif") as file:
        assert (file.pages[0].compression, file.pages[0].predictor) == (5, 2)
    assert np.array_equal(open_tiff(tmp_path / "t.tif").read(Box(0, 0, 90, 80))[0], truth)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_floating_point_predictor_of_photoshop_is_undone(tmp_path: Path, order: str) -> None:
    truth = np.random.default_rng(3).normal(0.2, 0.1, (40, 30, 3)).astype("f4")
    # Technical Note 3: bytes from the most significant on become planes of a row, then differences.
    lanes = truth.astype(">f4").reshape(40, 90, 1).view("u1").reshape(40, 90, 4)
    rows = lanes.transpose(0, 2, 1).reshape(40, 120, 3).astype(np.int64)
    rows[:, 1:] -= rows[:, :-1].copy()
    packed = zlib.compress((rows % 256).astype("u1").tobytes())
    path = tmp_path / "t.tif"
    tifffile.imwrite(
        path, truth, byteorder=order, photometric="rgb", compression="zlib", rowsperstrip=40,
        metadata=None, extratags=[(65000, 3, 1, 3, True)],
    )  # fmt: skip
    with tifffile.TiffFile(path, mode="r+b") as file:
        page = file.pages[0]
        page.tags[273].overwrite(file.filehandle.size)
        page.tags[279].overwrite(len(packed))
        file.filehandle.seek(page.tags[65000].offset)
        file.filehandle.write(np.array(317, f"{order}u2").tobytes())
    with path.open("ab") as out:
        out.write(packed)
    reader = open_tiff(path)
    assert np.array_equal(reader.read(reader.frame.box), truth.transpose(2, 0, 1))


def test_the_floating_point_predictor_of_libtiff_is_undone(tmp_path: Path) -> None:
    truth = np.random.default_rng(3).normal(0.2, 0.1, (40, 30)).astype("f4")
    for compression in ("tiff_adobe_deflate", "tiff_lzw"):
        Image.fromarray(truth).save(tmp_path / "t.tif", compression=compression, tiffinfo={317: 3})
        with tifffile.TiffFile(tmp_path / "t.tif") as file:
            assert file.pages[0].predictor == 3
        assert np.array_equal(open_tiff(tmp_path / "t.tif").read(Box(0, 0, 40, 30))[0], truth)


def test_pages_are_chosen_and_inverted_gray_is_turned(tmp_path: Path) -> None:
    first, second = np.arange(12, dtype="u1").reshape(3, 4), np.arange(20, dtype="u2").reshape(4, 5)
    with tifffile.TiffWriter(tmp_path / "t.tif") as out:
        out.write(first, photometric="miniswhite")
        out.write(second, photometric="minisblack")
    assert np.array_equal(open_tiff(tmp_path / "t.tif").read(Box(0, 0, 3, 4))[0], 255 - first.astype(int))
    assert np.array_equal(open_tiff(tmp_path / "t.tif", 1).read(Box(0, 0, 4, 5))[0], second)
    for absent in (2, -1, "name"):
        with pytest.raises(SourceError, match=r"t\.tif"):
            open_tiff(tmp_path / "t.tif", absent)


# -- damage -------------------------------------------------------------------------------------------------------


def test_lzw_tells_damage_and_short_data() -> None:
    # 9-bit codes: clear, 65, 66, 300 (not yet known), end.
    bits = "".join(f"{code:09b}" for code in (256, 65, 66, 300, 257))
    stored = np.array([int(bits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8)], np.uint8)
    assert lzw_decoded(stored, 2).tobytes() == b"AB"
    with pytest.raises(ValueError, match="means nothing"):
        lzw_decoded(stored, 3)
    with pytest.raises(ValueError, match="found 1"):
        lzw_decoded(stored[:3], 2)


@pytest.mark.parametrize("layout", [{}, {"compression": "zlib"}, {"compression": "zlib", "tile": (16, 16)}])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, layout: dict[str, object]) -> None:
    path = tmp_path / "t.tif"
    truth = np.random.default_rng(4).integers(0, 60000, (40, 40)).astype("u2")
    tifffile.imwrite(path, truth, photometric="minisblack", **layout)
    data = path.read_bytes()
    for end in (0, 3, 8, 20, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(SourceError):
            reader = open_tiff(path)
            reader.read(reader.frame.box)


def test_damaged_and_impossible_pixels_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t.tif"
    tifffile.imwrite(path, np.zeros((300, 300), "u2"), photometric="minisblack", compression="zlib", rowsperstrip=300)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        offset, width = file.pages[0].dataoffsets[0], file.pages[0].tags[256].valueoffset
    data[offset : offset + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(SourceError, match="damaged"):
        open_tiff(path).read(Box(0, 0, 300, 300))
    data[width : width + 4] = (2**31 - 1).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"t\.tif"):
        open_tiff(path)


def test_unknown_colours_and_types_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.tif"
    Image.new("CMYK", (4, 4)).save(path)
    with pytest.raises(SourceError, match="gray or RGB"):
        open_tiff(path)
    tifffile.imwrite(path, np.zeros((4, 4), "c8"))
    with pytest.raises(SourceError, match="samples of"):
        open_tiff(path)
    tifffile.imwrite(path, np.zeros((4, 4), "i2"))
    with pytest.raises(SourceError, match="found i2"):
        open_tiff(path)


# -- writing --------------------------------------------------------------------------------------------------


def write(path: Path, frame: Frame, pixels: np.ndarray, rows: int = 7, backward: bool = False, **options) -> None:
    writer = write_tiff(path, frame, WriteOptions(**options))
    order = list(strips(frame.box, rows))
    for box in reversed(order) if backward else order:
        pickle.loads(pickle.dumps(writer)).write(box, pixels[:, box.y0 : box.y1])
    writer.finish()


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize(
    ("channels", "color"), [(1, "gray"), (2, "gray"), (3, "rgb"), (4, "rgb"), (5, "planes"), (3, "planes")]
)
def test_tifffile_reads_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, big: bool, compression: str, channels: int, color: str
) -> None:
    monkeypatch.setattr(_tiff_write, "_STRIP", 5000)
    if big:
        monkeypatch.setattr(_tiff_write, "_CLASSIC_LIMIT", 10)
    pixels = np.random.default_rng(5).uniform(-100, 66000, (channels, 77, 101)).astype(np.float32)
    frame = Frame(width=101, height=77, channels=channels, color=color, bounds=(0.0, 65535.0), orientation="bottom-up")
    path = tmp_path / "t.tif"
    unit = pixels.astype(np.float64) / 65535
    for kind, top in (("float32", None), ("uint16", 65535), ("uint8", 255)):
        write(path, frame, pixels, sample_format=kind, compression=compression)
        wanted = unit.astype(np.float32) if top is None else np.rint(np.clip(unit, 0, 1) * top)
        with tifffile.TiffFile(path) as file:
            assert file.is_bigtiff == big
            assert np.array_equal(planes(file.pages[0].asarray()), wanted)
            assert (file.pages[0].photometric == 2) == (color == "rgb")
        reader = open_tiff(path)
        assert (reader.frame.color, reader.frame.orientation) == (color, "bottom-up")
        back = reader.read(frame.box)
        if top is None:
            assert reader.frame.bounds == frame.bounds
            # Two roundings of 2**-24 each, of values up to 66,000.
            assert np.allclose(back, pixels, rtol=1.3e-7, atol=0)
        else:
            assert np.array_equal(back, wanted)


def test_floats_between_0_and_1_come_back_to_the_last_bit(tmp_path: Path) -> None:
    pixels = np.random.default_rng(6).normal(0.5, 1, (1, 20, 30)).astype(np.float32)
    pixels[0, 3, 4] = np.nan
    frame = Frame(width=30, height=20, state="stretched", cfa="GRBG", unit="e-")
    write(tmp_path / "t.tif", frame, pixels)
    reader = open_tiff(tmp_path / "t.tif")
    assert np.array_equal(reader.read(frame.box), pixels, equal_nan=True)
    back = reader.frame
    assert (back.state, back.cfa, back.unit, back.bounds) == ("stretched", "GRBG", "e-", (0.0, 1.0))


def test_pillow_reads_what_is_written(tmp_path: Path) -> None:
    pixels = np.random.default_rng(7).uniform(0, 1, (3, 20, 30)).astype(np.float32)
    for compression in ("none", "deflate"):
        frame = Frame(width=30, height=20, channels=3, color="rgb")
        write(tmp_path / "t.tif", frame, pixels, sample_format="uint8", compression=compression)
        with Image.open(tmp_path / "t.tif") as picture:
            assert np.array_equal(planes(np.asarray(picture)), np.rint(pixels.astype(np.float64) * 255))


@pytest.mark.parametrize("compression", ["none", "deflate"])
def test_the_order_of_strips_leaves_no_trace_and_abandoning_nothing(tmp_path: Path, compression: str) -> None:
    pixels = np.random.default_rng(8).uniform(0, 1, (1, 50, 33)).astype(np.float32)
    frame = Frame(width=33, height=50)
    write(tmp_path / "a.tif", frame, pixels, compression=compression)
    write(tmp_path / "b.tif", frame, pixels, rows=11, backward=True, compression=compression)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    writer = write_tiff(tmp_path / "a.tif", frame, WriteOptions(compression=compression))
    writer.write(Box(0, 0, 10, 33), pixels[:, :10])
    writer.abandon()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "b.tif"]


def test_unknown_compressions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="none or deflate"):
        write_tiff(tmp_path / "a.tif", Frame(width=2, height=2), WriteOptions(compression="lzw"))
