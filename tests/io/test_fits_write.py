"""Writing FITS: valid by astropy, whole or absent, and read back as it was."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.errors import ParameterError
from lerarlink.engine.frame import Card, Frame, Word
from lerarlink.engine.process import Writer
from lerarlink.engine.region import strips
from lerarlink.nodes.io._cards import format_card, parse_card
from lerarlink.nodes.io._formats import make_writer, open_reader
from lerarlink.nodes.io._reader import WriteOptions

RNG = np.random.default_rng(11)


def write(path: Path, frame: Frame, data: np.ndarray, **options: object) -> Path:
    writer = make_writer(path, frame, WriteOptions(**options))  # type: ignore[arg-type]
    fill(writer, frame, data)
    writer.finish()
    return path


def fill(writer: Writer, frame: Frame, data: np.ndarray) -> None:
    for box in reversed(list(strips(frame.box, 5))):
        writer.write(box, data[:, box.y0 : box.y1])


def image(height: int = 17, width: int = 23, channels: int = 1, **more: object) -> tuple[Frame, np.ndarray]:
    frame = Frame(width=width, height=height, channels=channels, color="rgb" if channels == 3 else "gray", **more)  # type: ignore[arg-type]
    return frame, RNG.uniform(0, 1, (channels, height, width)).astype(np.float32)


def valid(path: Path) -> fits.HDUList:
    hdus = fits.open(path, memmap=False)
    hdus.verify("exception")
    return hdus


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_floats_come_back_bit_for_bit(tmp_path: Path, channels: int) -> None:
    frame, data = image(channels=channels, bounds=(-3.5, 812.0625))
    data[0, 2, 3] = np.nan
    path = write(tmp_path / "a.fits", frame, data)
    with valid(path) as h:
        np.testing.assert_array_equal(h[0].data.reshape(data.shape), data)
    assert path.stat().st_size % 2880 == 0
    reader = open_reader(path)
    assert reader.frame.bounds == (-3.5, 812.0625)
    np.testing.assert_array_equal(reader.read(frame.box), data)


def test_uint16_of_full_range_bounds_gives_back_every_adu(tmp_path: Path) -> None:
    data = np.arange(65536, dtype=np.float32).reshape(1, 256, 256)
    frame = Frame(width=256, height=256, bounds=(0.0, 65535.0), unit="ADU")
    path = write(tmp_path / "a.fits", frame, data, sample_format="uint16")
    with valid(path) as h:
        assert h[0].data.dtype == np.uint16
        np.testing.assert_array_equal(h[0].data, data[0].astype(np.uint16))
        assert h[0].header["BUNIT"] == "ADU"
    np.testing.assert_array_equal(open_reader(path).read(frame.box), data)


@pytest.mark.parametrize(("sample_format", "top"), [("uint16", 65535), ("uint8", 255)])
def test_integers_are_clamped_and_rounded_half_to_even(tmp_path: Path, sample_format: str, top: int) -> None:
    lo, hi = -10.0, 30.0
    x = np.concatenate([RNG.uniform(-0.2, 1.2, 498), [np.nan, np.inf]])
    data = (lo + (hi - lo) * x).astype(np.float32).reshape(1, 20, 25)
    frame = Frame(width=25, height=20, bounds=(lo, hi), unit="ADU")
    path = write(tmp_path / "a.fits", frame, data, sample_format=sample_format)
    unit = (data.astype(np.float64) - lo) / (hi - lo)
    expected = np.rint(np.clip(np.nan_to_num(unit, nan=0.0, posinf=1.0), 0, 1) * top)
    with valid(path) as h:
        np.testing.assert_array_equal(h[0].data, expected[0])
        assert "BUNIT" not in h[0].header  # the stored levels are no ADU
    assert open_reader(path).frame.bounds == (0.0, top)


def test_halves_go_to_the_even_level(tmp_path: Path) -> None:
    frame = Frame(width=4, height=1, bounds=(0.0, 255.0))
    path = write(tmp_path / "a.fits", frame, np.array([[[0.5, 1.5, 2.5, 3.5]]], np.float32), sample_format="uint8")
    with valid(path) as h:
        assert h[0].data.tolist() == [[0, 2, 2, 4]]


def test_what_a_frame_says_comes_back(tmp_path: Path) -> None:
    wcs: tuple[Card, ...] = (("CTYPE1", "RA---TAN", ""), ("CTYPE2", "DEC--TAN", ""), ("CRVAL1", 12.5, "deg"))
    frame, data = image(height=6, unit="electron", state="stretched", cfa="GBRG", orientation="bottom-up", wcs=wcs)
    read = open_reader(write(tmp_path / "a.fits", frame, data)).frame
    assert (read.unit, read.state, read.cfa, read.orientation) == ("electron", "stretched", "GBRG", "bottom-up")
    assert read.wcs == wcs
    assert read.bounds == (0.0, 1.0)


@pytest.mark.parametrize("orientation", ["top-down", "bottom-up"])
@pytest.mark.parametrize("height", [6, 7])
@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG"])
def test_a_mosaic_survives_any_orientation(tmp_path: Path, orientation: str, height: int, cfa: str) -> None:
    frame, data = image(height=height, cfa=cfa, orientation=orientation)
    assert open_reader(write(tmp_path / "a.fits", frame, data)).frame.cfa == cfa


def test_the_sources_words_are_kept_without_those_of_its_storage_and_grid(tmp_path: Path) -> None:
    header: tuple[Card, ...] = (
        ("SIMPLE", True, ""), ("BITPIX", 16, ""), ("NAXIS", 2, ""), ("NAXIS1", 99, ""), ("BZERO", 32768, ""),
        ("BLANK", -1, ""), ("CHECKSUM", "abc", ""), ("ZCMPTYPE", "RICE_1", ""), ("CRVAL1", 3.0, ""),
        ("CRPIX2A", 4.0, ""), ("CPDIS1", "LOOKUP", ""), ("BAYERPAT", "RGGB", ""), ("EXPTIME", 30.0, "seconds"),
        ("OBJECT", "M 31", ""), ("HISTORY", "flat fielded", ""), ("ESO DET NAME", "chip 'A'", "quoted"),
        ("COMMENT", "a" * 100, ""), ("NOTE", "t" * 200, "long"), ("VOID", None, ""), ("WHO", "Jörg\nX", "ü"),
    )  # fmt: skip
    frame, data = image(header=header)
    path = write(tmp_path / "a.fits", frame, data)
    with valid(path) as h:
        words = h[0].header
        assert words["NAXIS1"] == frame.width
        for gone in ("BZERO", "BLANK", "CHECKSUM", "ZCMPTYPE", "CRVAL1", "CRPIX2A", "CPDIS1", "BAYERPAT"):
            assert gone not in words, gone
        assert (words["EXPTIME"], words.comments["EXPTIME"]) == (30.0, "seconds")
        assert words["OBJECT"] == "M 31"
        assert words["ESO DET NAME"] == "chip 'A'"
        assert words["NOTE"] == "t" * 200
        assert words["WHO"] == "J?rg X"
        assert list(words["HISTORY"]) == ["flat fielded"]
        assert "".join(words["COMMENT"]) == "a" * 100


def test_a_file_copied_through_us_three_times_has_the_same_header(tmp_path: Path) -> None:
    header: tuple[Card, ...] = (("EXPTIME", 1e-7, ""), ("NOTE", "o'clock " * 30, "said"), ("COMMENT", "x", ""))
    frame, data = image(header=header, cfa="RGGB", orientation="bottom-up", unit="ADU")
    first = write(tmp_path / "1.fits", frame, data)
    second = write(tmp_path / "2.fits", open_reader(first).frame, data)
    third = write(tmp_path / "3.fits", open_reader(second).frame, data)
    assert third.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    "card",
    [
        ("A", 1, ""), ("A", -0.0, "zero"), ("A", 1e300, ""), ("A", 12345678901234567890123, ""), ("A", True, ""),
        ("A", "", ""), ("A", "''", ""), ("A", "'" * 90, ""), ("A", "x" * 68, "c" * 90), ("A", "&" * 149 + ".", ""),
        ("A", "ends in &", ""), ("KEY WITH BLANKS", 3, ""), ("HISTORY", "", ""), ("A", 0.1 + 0.2, ""),
    ],
)  # fmt: skip
def test_a_card_says_to_astropy_what_it_says_to_us(card: Card) -> None:
    keyword, value, comment = card
    text = format_card(keyword, value, comment)
    assert len(text) % 80 == 0
    header = fits.Header.fromstring(text)
    assert [c.verify("exception") for c in header.cards] == [None] * len(header)
    if keyword != "HISTORY":
        assert header[keyword] == value
        assert type(header[keyword]) is type(value)


def test_an_astropy_card_is_parsed_as_astropy_means_it() -> None:
    for value in (1, 1.5, "it's", "", True, -7):
        card = fits.Card("WORD", value, "a remark")
        assert parse_card(card.image) == ("WORD", value, "a remark")


def test_nothing_appears_before_the_end_and_nothing_stays_after_a_failure(tmp_path: Path) -> None:
    frame, data = image()
    path = tmp_path / "a.fits"
    path.write_bytes(b"old")
    writer = make_writer(path, frame, WriteOptions())
    fill(writer, frame, data)
    assert path.read_bytes() == b"old"
    writer.abandon()
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_writer_that_was_pickled_writes_into_the_same_file(tmp_path: Path, compression: str) -> None:
    frame, data = image()
    writer = make_writer(tmp_path / "a.fits", frame, WriteOptions(compression=compression))
    fill(pickle.loads(pickle.dumps(writer)), frame, data)
    writer.finish()
    np.testing.assert_array_equal(open_reader(tmp_path / "a.fits").read(frame.box), data)
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]


def test_a_file_may_be_read_while_it_is_replaced(tmp_path: Path) -> None:
    frame, data = image()
    path = write(tmp_path / "a.fits", frame, data)
    reader = open_reader(path)
    writer = make_writer(path, frame, WriteOptions())
    for box in strips(frame.box, 4):
        writer.write(box, 1 - reader.read(box))
    writer.finish()
    np.testing.assert_array_equal(open_reader(path).read(frame.box), 1 - data)


@pytest.mark.parametrize(("compression", "name"), [("gzip", "a.fits"), ("none", "a.fits.fz")])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_compression_keeps_every_bit(tmp_path: Path, compression: str, name: str, channels: int) -> None:
    frame, data = image(40, 50, channels, bounds=(0.0, 2.0), unit="electron")
    data[0, 1, 1] = np.nan
    path = write(tmp_path / name, frame, data, compression=compression)
    with valid(path) as h:
        np.testing.assert_array_equal(h[1].data.reshape(data.shape), data)
    reader = open_reader(path)
    assert (reader.frame.bounds, reader.frame.unit) == ((0.0, 2.0), "electron")
    np.testing.assert_array_equal(reader.read(frame.box), data)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_rice_keeps_integers_and_rounds_floats_below_the_noise(tmp_path: Path) -> None:
    data = RNG.normal(1000, 20, (1, 100, 100)).astype(np.float32)
    frame = Frame(width=100, height=100, bounds=(0.0, 65535.0))
    whole = write(tmp_path / "i.fits", frame, np.rint(data), sample_format="uint16", compression="rice")
    np.testing.assert_array_equal(open_reader(whole).read(frame.box), np.rint(data))
    floats = write(tmp_path / "f.fits", frame, data, compression="rice")
    error = open_reader(floats).read(frame.box) - data
    assert 0 < np.abs(error).max() < 20 / 16
    again = write(tmp_path / "g.fits", frame, data, compression="rice")
    assert again.read_bytes() == floats.read_bytes()


def test_unknown_compressions_and_extensions_are_refused_by_name(tmp_path: Path) -> None:
    frame, _ = image()
    with pytest.raises(ParameterError, match="none, rice, gzip, got 'zip'"):
        make_writer(tmp_path / "a.fits", frame, WriteOptions(compression="zip"))
    with pytest.raises(ParameterError, match=r"got '\.bmp'"):
        make_writer(tmp_path / "a.bmp", frame, WriteOptions())
    assert not list(tmp_path.iterdir())


def test_normalised_words_come_back_from_the_raw_ones(tmp_path: Path) -> None:
    header: tuple[Card, ...] = (("EXPTIME", "120.00", ""), ("IMAGETYP", "Light Frame", ""))
    frame, data = image(header=header)
    read = open_reader(write(tmp_path / "a.fits", frame, data)).frame
    assert dict(read.words)["exposure"] == Word(120.0, "from EXPTIME")
    assert read.word("type") == "light"


def test_words_that_the_raw_header_does_not_hold_are_written(tmp_path: Path) -> None:
    """From an XISF property, a file name, or a process that changed them."""
    header: tuple[Card, ...] = (("EXPTIME", 60.0, ""), ("GAIN", 100, "set"), ("OBJECT", "M 31", ""))
    known = {
        "type": "master-light", "exposure": 600.0, "gain": 100.0, "egain": 0.8, "filter": "Ha", "binning_x": 2,
        "binning_y": 2, "pixel_size": 7.5, "start_time": "2024-01-02T03:04:05", "ra": 10.5, "dec": -41.25,
        "temperature": -10.0, "combined": 12, "focal_length": 530.0, "iso": 800, "program": "lerarlink",
        "site_latitude": -30.5, "object": "M 31",
    }  # fmt: skip
    words = tuple((name, Word(value, "from elsewhere")) for name, value in sorted(known.items()))
    frame, data = image(header=header, words=words)
    path = write(tmp_path / "a.fits", frame, data)
    read = open_reader(path).frame
    assert {name: read.word(name) for name in known} == known
    with valid(path) as h:
        assert h[0].header.count("EXPTIME") == 1
        assert (h[0].header["GAIN"], h[0].header.comments["GAIN"]) == (100, "set")
        assert h[0].header["IMAGETYP"] == "MASTER LIGHT"
