"""Reading FITS: every sample type, scaling, HDU and packing gives the pixels that astropy gives."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.errors import SourceError
from lerarlink.engine.region import Box, strips
from lerarlink.nodes.io._formats import open_reader

RNG = np.random.default_rng(7)


def everything(path: Path, hdu: int | str | None = None, rows: int = 3) -> np.ndarray:
    reader = open_reader(path, hdu)
    return np.concatenate([reader.read(box) for box in strips(reader.frame.box, rows)], axis=1)


def save(path: Path, data: np.ndarray, **words: object) -> Path:
    hdu = fits.PrimaryHDU(data)
    hdu.header.update(words)
    hdu.writeto(path)
    return path


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8", "u2", "u4", "i1"])
def test_every_sample_type_gives_the_values_that_were_written(tmp_path: Path, dtype: str) -> None:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        data = RNG.normal(0, 1e4, (11, 13)).astype(kind)
    else:
        limits = np.iinfo(kind)
        data = RNG.integers(limits.min, limits.max, (11, 13), kind, endpoint=True)
        data[0, :2] = limits.min, limits.max
    got = everything(save(tmp_path / "a.fits", data))
    np.testing.assert_array_equal(got[0], data.astype(np.float64).astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "bounds"),
    [("u1", (0, 255)), ("u2", (0, 65535)), ("u4", (0, 2**32 - 1)), ("i2", (0, 32767)), ("i4", None), ("f4", None)],
)
def test_bounds_are_the_range_that_the_type_can_hold(
    tmp_path: Path, dtype: str, bounds: tuple[float, float] | None
) -> None:
    path = save(tmp_path / "a.fits", np.ones((2, 3), dtype))
    assert open_reader(path).frame.bounds == bounds


def test_scaling_is_done_in_double_precision_and_rounded_once(tmp_path: Path) -> None:
    raw = RNG.integers(-32768, 32767, (9, 70), np.int16)
    path = save(tmp_path / "a.fits", raw)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as h:
        h[0].header["BSCALE"], h[0].header["BZERO"] = 0.045777764213996, 1500.0
    got = everything(path)
    np.testing.assert_array_equal(got[0], (1500.0 + 0.045777764213996 * raw.astype(np.float64)).astype(np.float32))
    lo, hi = open_reader(path).frame.known_bounds()
    assert (lo, hi) == (1500.0 - 0.045777764213996 * 32768, 1500.0 + 0.045777764213996 * 32767)


def test_blank_integers_are_missing(tmp_path: Path) -> None:
    raw = np.arange(12, dtype=np.int16).reshape(3, 4)
    path = save(tmp_path / "a.fits", raw, BLANK=5)
    expected = raw.astype(np.float32)
    expected[raw == 5] = np.nan
    np.testing.assert_array_equal(everything(path)[0], expected)


def test_blank_of_an_unsigned_image_is_the_raw_integer(tmp_path: Path) -> None:
    data = np.array([[0, 1, 65535]], np.uint16)
    path = save(tmp_path / "a.fits", data)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as h:
        h[0].header["BLANK"] = -32768
    np.testing.assert_array_equal(everything(path)[0], [[np.nan, 1, 65535]])


def test_infinities_and_nan_of_floats_are_missing(tmp_path: Path) -> None:
    data = np.array([[1e300, np.nan, -np.inf, 2.5]])
    np.testing.assert_array_equal(everything(save(tmp_path / "a.fits", data))[0], [[np.nan, np.nan, np.nan, 2.5]])


@pytest.mark.parametrize(
    ("shape", "color", "size"),
    [
        ((3, 5, 7), "rgb", (7, 5, 3)),
        ((4, 5, 7), "planes", (7, 5, 4)),
        ((1, 3, 1, 5, 7), "rgb", (7, 5, 3)),
        ((1, 5, 7), "gray", (7, 5, 1)),
        ((7,), "gray", (7, 1, 1)),
    ],
)
def test_axes_become_rows_columns_and_channels(
    tmp_path: Path, shape: tuple[int, ...], color: str, size: tuple[int, int, int]
) -> None:
    data = RNG.normal(size=shape).astype(np.float32)
    path = save(tmp_path / "a.fits", data)
    frame = open_reader(path).frame
    assert (frame.width, frame.height, frame.channels) == size
    assert frame.color == color
    np.testing.assert_array_equal(everything(path), data.reshape(size[2], size[1], size[0]))


def test_three_planes_of_frequencies_are_no_colours(tmp_path: Path) -> None:
    path = save(tmp_path / "a.fits", np.ones((3, 4, 5), np.float32), CTYPE3="FREQ")
    assert open_reader(path).frame.color == "planes"


def test_four_dimensions_are_refused_by_their_lengths(tmp_path: Path) -> None:
    path = save(tmp_path / "a.fits", np.ones((2, 3, 4, 5), np.float32))
    with pytest.raises(SourceError, match="5x4x3x2"):
        open_reader(path)


def test_any_box_can_be_read(tmp_path: Path) -> None:
    data = RNG.normal(size=(3, 20, 30)).astype(np.float32)
    reader = open_reader(save(tmp_path / "a.fits", data))
    np.testing.assert_array_equal(reader.read(Box(3, 7, 11, 29)), data[:, 3:11, 7:29])


@pytest.fixture
def many(tmp_path: Path) -> Path:
    image = fits.ImageHDU(np.full((4, 5), 2.0, np.float32), name="SCI")
    image.header["GAIN"] = 1.5
    table = fits.ImageHDU(np.ones((4, 4), np.float32), name="D2IMARR")
    rate = fits.ImageHDU(np.full((2, 2), 3.0, np.float32), name="DQ")
    primary = fits.PrimaryHDU()
    primary.header["EXPTIME"], primary.header["GAIN"], primary.header["CRVAL1"] = 30.0, 9.0, 5.0
    path = tmp_path / "many.fits"
    fits.HDUList([primary, table, image, rate]).writeto(path)
    return path


def test_the_first_picture_is_chosen_and_a_distortion_table_is_none(many: Path) -> None:
    assert everything(many)[0, 0, 0] == 2.0


@pytest.mark.parametrize(("hdu", "value"), [(3, 3.0), ("dq", 3.0), ("2", 2.0), ("D2IMARR", 1.0)])
def test_an_hdu_is_chosen_by_index_or_name(many: Path, hdu: int | str, value: float) -> None:
    assert everything(many, hdu)[0, 0, 0] == value


@pytest.mark.parametrize("hdu", [0, 7, "NONE"])
def test_an_hdu_that_is_no_image_is_refused_with_what_is_there(many: Path, hdu: int | str) -> None:
    with pytest.raises(SourceError, match="PRIMARY: no pixels"):
        open_reader(many, hdu)


def test_an_extension_inherits_the_primary_words_but_neither_its_own_ones_nor_a_solution(many: Path) -> None:
    frame = open_reader(many).frame
    assert frame.card("EXPTIME") == 30.0
    assert frame.card("GAIN") == 1.5
    assert frame.card("CRVAL1") is None


@pytest.mark.parametrize("shape", [(20, 30), (900, 800)])
@pytest.mark.parametrize(("pack", "ending"), [(gzip.compress, "gz"), (bz2.compress, "bz2")])
def test_packed_files_are_read_like_plain_ones(
    tmp_path: Path, shape: tuple[int, int], pack: object, ending: str
) -> None:
    data = RNG.integers(0, 65535, shape, np.uint16)
    plain = save(tmp_path / "a.fits", data)
    packed = tmp_path / f"a.fits.{ending}"
    packed.write_bytes(pack(plain.read_bytes()))  # type: ignore[operator]
    np.testing.assert_array_equal(everything(packed, rows=100)[0], data.astype(np.float32))
    np.testing.assert_array_equal(everything(packed, rows=100)[0], data.astype(np.float32))


@pytest.mark.parametrize(("pack", "ending"), [(gzip.compress, "gz"), (bz2.compress, "bz2")])
def test_a_damaged_packed_file_is_refused(tmp_path: Path, pack: object, ending: str) -> None:
    packed = tmp_path / f"a.fits.{ending}"
    packed.write_bytes(pack(save(tmp_path / "a.fits", np.ones((50, 50))).read_bytes())[:-20])  # type: ignore[operator]
    with pytest.raises(SourceError, match="cannot be unpacked"):
        open_reader(packed)


@pytest.mark.parametrize("method", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1"])
@pytest.mark.parametrize("tile", [None, (16, 64)])
def test_tile_compressed_integers_are_exact(tmp_path: Path, method: str, tile: tuple[int, int] | None) -> None:
    data = RNG.poisson(900, (70, 64)).astype(np.int16)
    path = tmp_path / "a.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, compression_type=method, tile_shape=tile)]).writeto(path)
    np.testing.assert_array_equal(everything(path, rows=9)[0], data)


def test_tile_compressed_floats_keep_their_holes_and_equal_what_astropy_decodes(tmp_path: Path) -> None:
    data = RNG.normal(100, 5, (40, 50)).astype(np.float32)
    data[3, 4:9] = np.nan
    path = tmp_path / "a.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, compression_type="RICE_1")]).writeto(path)
    with fits.open(path) as h:
        truth = h[1].data
    got = everything(path)[0]
    np.testing.assert_array_equal(got, truth)
    assert np.isnan(got[3, 4:9]).all()
    assert open_reader(path).frame.bounds is None


def test_tile_compressed_unsigned_integers_have_their_scale_and_size(tmp_path: Path) -> None:
    data = RNG.integers(0, 65535, (3, 12, 14), np.uint16)
    path = tmp_path / "a.fits.fz"
    hdu = fits.CompImageHDU(data, fits.Header({"EXPTIME": 5.0}), compression_type="GZIP_1")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    frame = open_reader(path).frame
    assert (frame.width, frame.height, frame.channels, frame.bounds) == (14, 12, 3, (0, 65535))
    assert (frame.card("NAXIS1"), frame.card("BITPIX"), frame.card("EXPTIME")) == (14, 16, 5.0)
    np.testing.assert_array_equal(everything(path), data)


def test_header_values_of_all_kinds_are_read_as_astropy_reads_them(tmp_path: Path) -> None:
    header = fits.Header()
    header["TEXT"] = ("it's", "a quote inside")
    header["SLASH"] = "a / b"
    header["LONG"] = ("x" * 50 + " " + "y" * 100 + "'", "continued")
    header["WHOLE"], header["REAL"], header["YES"], header["VOID"] = -12, 1.5e-7, True, None
    header["HIERARCH ESO TEL NAME"] = "VLT"
    header["COMMENT"] = "said / aside"
    header["HISTORY"] = "done"
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(np.ones((2, 2)), header).writeto(path)
    frame = open_reader(path).frame
    for keyword in ("TEXT", "SLASH", "LONG", "WHOLE", "REAL", "YES", "ESO TEL NAME"):
        assert frame.card(keyword) == header[keyword], keyword
    assert ("COMMENT", "said / aside", "") in frame.header
    assert ("HISTORY", "done", "") in frame.header
    assert ("VOID", None, "") in frame.header
    assert type(frame.card("WHOLE")) is int
    assert frame.card("YES") is True


def test_the_solution_is_kept_as_cards(tmp_path: Path) -> None:
    words = {
        "CTYPE1": "RA---TAN-SIP",
        "CTYPE2": "DEC--TAN-SIP",
        "CRVAL1": 10.0,
        "CD1_1": -1e-4,
        "A_ORDER": 2,
        "A_2_0": 1e-7,
    }
    path = save(tmp_path / "a.fits", np.ones((2, 2)), **words, CRVAL1A=3.0, EXPTIME=1.0)
    assert {k: v for k, v, _ in open_reader(path).frame.wcs} == words


@pytest.mark.parametrize(
    ("words", "letters", "orientation"),
    [
        ({"BAYERPAT": "RGGB", "ROWORDER": "TOP-DOWN"}, "RGGB", "top-down"),
        ({"BAYERPAT": "RGGB", "ROWORDER": "BOTTOM-UP"}, "GBRG", "bottom-up"),
        ({"BAYERPAT": "RGGB", "ROWORDER": "TOP-DOWN", "XBAYROFF": 1}, "GRBG", "top-down"),
        ({"BAYERPAT": "RGGB", "ROWORDER": "TOP-DOWN", "YBAYROFF": 1}, "GBRG", "top-down"),
        ({"BAYERPAT": "GRBG"}, "GRBG", "top-down"),
        ({"BAYERPAT": "NONE"}, None, "bottom-up"),
        ({"CREATOR": "ZWO Seestar S50"}, None, "top-down"),
        ({}, None, "bottom-up"),
    ],
)
def test_the_mosaic_is_told_in_storage_order(
    tmp_path: Path, words: dict[str, object], letters: str | None, orientation: str
) -> None:
    frame = open_reader(save(tmp_path / "a.fits", np.ones((6, 4), np.float32), **words)).frame
    assert (frame.cfa, frame.orientation) == (letters, orientation)


def test_an_odd_number_of_rows_leaves_the_mosaic_as_it_is_when_turned_over(tmp_path: Path) -> None:
    path = save(tmp_path / "a.fits", np.ones((5, 4)), BAYERPAT="RGGB", ROWORDER="BOTTOM-UP")
    assert open_reader(path).frame.cfa == "RGGB"


def test_mosaic_letters_fall_on_the_pixels_that_they_colour(tmp_path: Path) -> None:
    """A picture drawn by colour, stored bottom row first, must be coloured the same way by Frame.cfa."""
    upright = np.tile(np.array([["R", "G"], ["G", "B"]]), (3, 3))
    stored = upright[::-1]
    path = save(tmp_path / "a.fits", np.ones(stored.shape), BAYERPAT="RGGB", ROWORDER="BOTTOM-UP")
    cfa = open_reader(path).frame.cfa
    assert cfa is not None
    cell = np.array(list(cfa)).reshape(2, 2)
    np.testing.assert_array_equal(np.tile(cell, (3, 3)), stored)


# -- what is no image ----------------------------------------------------------------------------------


def test_a_file_cut_anywhere_is_refused_with_one_sentence(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.fits", RNG.normal(size=(60, 60)).astype(np.float32)).read_bytes()
    path = tmp_path / "cut.fits"
    pixels_end = 2880 + 60 * 60 * 4
    for length in (1, 8, 79, 80, 500, 2879, 2880, 2881, 5000, pixels_end - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(SourceError) as error:
            open_reader(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    path.write_bytes(whole[:pixels_end])
    assert open_reader(path).frame.width == 60


def test_a_truncated_file_says_how_many_bytes_are_wanted_and_found(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(save(tmp_path / "b.fits", np.ones((60, 60), np.float32)).read_bytes()[:5000])
    with pytest.raises(SourceError, match=f"{2880 + 14400}.*5000"):
        open_reader(path)


def test_a_header_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(b"SIMPLE  =                    T".ljust(80) + b" " * 28720)
    with pytest.raises(SourceError, match="no END"):
        open_reader(path)


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        (["BITPIX  =                   17", "NAXIS   =                    1", "NAXIS1  =  2"], "BITPIX must be one of"),
        (["BITPIX  = 'many'", "NAXIS   =                    1", "NAXIS1  =  2"], "whole number"),
        (["BITPIX  =                   16", "NAXIS   =                   -1"], "NAXIS must lie"),
        (["BITPIX  =                   16", "NAXIS   =  1", "NAXIS1  = -5"], "negative"),
        (["BITPIX  =                   16", "NAXIS   =  2", "NAXIS1  = 5"], "NAXIS2"),
        (["BITPIX  =                   16", "NAXIS   =  0", "PCOUNT  = 7", "GCOUNT  = -9000"], "negative"),
        (["BITPIX  = 8", "NAXIS   =  1", "NAXIS1  = 3", "BSCALE  = 0.0"], "BSCALE is 0"),
    ],
)
def test_impossible_headers_are_refused(tmp_path: Path, cards: list[str], message: str) -> None:
    text = "".join(c.ljust(80) for c in ["SIMPLE  =                    T", *cards, "END"])
    path = tmp_path / "a.fits"
    path.write_bytes(text.ljust(2880).encode() + b"\0" * 2880)
    with pytest.raises(SourceError, match=message):
        open_reader(path)


def test_missing_empty_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be opened"):
        open_reader(tmp_path / "none.fits")
    for name, content, message in (
        ("empty.fits", b"", "empty"),
        ("text.txt", b"hello, this is text", "no known image format"),
        ("text.fits", b"hello, this is text", "does not begin with SIMPLE"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=message):
            open_reader(tmp_path / name)


def test_headers_with_flipped_bytes_never_crash(tmp_path: Path) -> None:
    whole = bytearray(save(tmp_path / "a.fits", np.ones((10, 10), np.int16), EXPTIME=1.0).read_bytes())
    rng = np.random.default_rng(3)
    path = tmp_path / "b.fits"
    opened = 0
    for _ in range(150):
        damaged = whole.copy()
        for at in rng.integers(0, 800, 3):
            damaged[at] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            reader = open_reader(path)
            opened += reader.read(Box(0, 0, 1, 1)).size
        except SourceError as e:
            assert "\n" not in str(e)
    assert opened > 0
