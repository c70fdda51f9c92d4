"""XISF files of others: their pixels and words, compared with twins and with hand-made bytes."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.api import Box, SourceError
from lerarlink.nodes.io._xisf import open_xisf

RealData = Callable[[str], Path]


def xisf_bytes(attributes: str, inside: str = "", data: bytes = b"", position: int = 4096, root: str = "") -> bytes:
    """Return a file whose only Image has *attributes* and children *inside*, and *data* at *position*."""
    xml = f'<?xml version="1.0"?><xisf version="1.0"><Image {attributes}>{inside}</Image>{root}</xisf>'.encode()
    head = b"XISF0100" + len(xml).to_bytes(4, "little") + bytes(4) + xml
    return head.ljust(position, b"\0") + data if data else head


def attached(array: np.ndarray, more: str = "", geometry: str = "", **kwargs: str) -> bytes:
    """Return a file with *array* ``(channels, rows, columns)`` as a plain attachment."""
    names = {"u1": "UInt8", "u2": "UInt16", "u4": "UInt32", "u8": "UInt64", "f4": "Float32", "f8": "Float64"}
    c, h, w = array.shape
    given = f'geometry="{geometry or f"{w}:{h}:{c}"}" sampleFormat="{names[array.dtype.str[1:]]}" {more}'
    data = array.tobytes()
    return xisf_bytes(f'{given} location="attachment:4096:{len(data)}"', data=data, **kwargs)


def opened(tmp_path: Path, content: bytes, hdu: int | str | None = None):
    path = tmp_path / "image.xisf"
    path.write_bytes(content)
    return open_xisf(path, hdu)


def whole(reader) -> np.ndarray:
    return reader.read(reader.frame.box)


# -- real files -------------------------------------------------------------------------------------------

GENERATED = [
    "u16_raw", "u16_zlib", "u16_zlib_sh", "u16_lz4", "u16_lz4_sh", "u16_lz4hc_sh", "u16_zstd_sh",
    "f32_raw", "f32_lz4", "f32_lz4_sh", "f32_zstd_sh",
]  # fmt: skip


@pytest.mark.parametrize("name", GENERATED)
def test_every_codec_gives_the_pixels_of_the_fits_twin(real_data: RealData, name: str) -> None:
    reader = open_xisf(real_data(f"xisf/gen_m94crop_{name}.xisf"))
    truth = fits.getdata(real_data("xisf/gen_m94crop_u16.fits")).astype(np.float64)
    if name.startswith("f32"):
        truth = truth / 65535
    assert np.array_equal(whole(reader)[0], truth.astype(np.float32))
    assert reader.frame.bounds == ((0.0, 1.0) if name.startswith("f32") else (0.0, 65535.0))
    assert reader.frame.cfa == "GRBG"
    assert reader.frame.word("exposure") == 10.0


@pytest.mark.parametrize("name", ["color_16bit", "color_32bit", "mono_16bit", "mono_32bit"])
def test_graxpert_files_equal_their_fits_twins(real_data: RealData, name: str) -> None:
    reader = open_xisf(real_data(f"xisf/graxpert_{name}.xisf"))
    truth = fits.getdata(real_data(f"raw-and-tiff/graxpert_{name}.fits"))
    truth = truth[None] if truth.ndim == 2 else truth
    assert np.array_equal(whole(reader), truth.astype(np.float32))
    assert reader.frame.color == ("rgb" if "color" in name else "gray")


def test_an_empty_sample_format_is_told_by_the_size_of_the_attachment(real_data: RealData) -> None:
    reader = open_xisf(real_data("xisf/forth_clone.xisf"))
    twin = fits.getdata(real_data("xisf/forth_clone.fits"), ignore_missing_simple=True).astype(np.int64).ravel()
    # Its FITS twin has no BZERO, and its data begin five samples later.
    assert np.array_equal(whole(reader).ravel()[5:], (twin + 32768)[:-5])


def test_embedded_pixels_and_words_of_pixinsight_are_read(real_data: RealData) -> None:
    one, two = open_xisf(real_data("xisf/rust_test.xisf")), open_xisf(real_data("xisf/rust_2ch.xisf"))
    assert whole(one)[0, 0].tolist() == [5, 7, 4, 2, 1, 1, 1, 5]
    assert whole(two).shape == (2, 10, 4)
    assert np.array_equal(whole(one).ravel(), whole(two).ravel())
    frame = one.frame
    assert (frame.word("filter"), frame.word("gain"), frame.word("focal_length")) == ("Red", 90.0, 800.0)
    assert frame.word("program") == "PixInsight 1.8.9-1"
    assert frame.card("COMMENT") == "FITS (Flexible Image Transport System) format is defined in 'Astronomy"
    assert frame.orientation == "top-down" and frame.word("row_order") == "top-down"


# -- made by hand ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "u8", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_sample_format_is_read_in_both_byte_orders(tmp_path: Path, kind: str, order: str) -> None:
    rng = np.random.default_rng(5)
    top = 2.0**8 if kind == "u1" else 2.0**16
    truth = rng.uniform(0, top, (2, 9, 7)).astype(kind)
    more = 'byteOrder="big"' if order == ">" else ""
    if kind[0] == "f":
        more += ' bounds="-5:70000"'
    reader = opened(tmp_path, attached(truth.astype(order + kind), more))
    assert np.array_equal(whole(reader), truth.astype(np.float32))
    wanted = (-5.0, 70000.0) if kind[0] == "f" else (0.0, float(2 ** (8 * int(kind[1])) - 1))
    assert reader.frame.bounds == wanted


def test_pixels_stored_channel_by_channel_or_interleaved_are_the_same(tmp_path: Path) -> None:
    truth = np.arange(3 * 5 * 4, dtype="<u2").reshape(3, 5, 4)
    box = Box(1, 1, 4, 3)
    mixed = np.ascontiguousarray(truth.transpose(1, 2, 0))
    planar = opened(tmp_path, attached(truth, 'colorSpace="RGB"')).read(box)
    normal = opened(tmp_path, attached(mixed, 'colorSpace="RGB" pixelStorage="Normal"', geometry="4:5:3")).read(box)
    packed = zlib.compress(mixed.tobytes())
    given = (
        'geometry="4:5:3" sampleFormat="UInt16" colorSpace="RGB" pixelStorage="Normal" '
        f'location="attachment:4096:{len(packed)}" compression="zlib:{mixed.nbytes}"'
    )
    compressed = opened(tmp_path, xisf_bytes(given, data=packed)).read(box)
    assert np.array_equal(planar, truth[:, 1:4, 1:3])
    assert np.array_equal(normal, planar)
    assert np.array_equal(compressed, planar)


def test_floats_without_bounds_leave_them_to_be_measured(tmp_path: Path) -> None:
    assert opened(tmp_path, attached(np.zeros((1, 2, 2), "<f4"))).frame.bounds is None


@pytest.mark.parametrize("location", ["embedded", "inline:base64", "inline:hex"])
def test_pixels_inside_the_header_may_be_compressed_and_are_checked(tmp_path: Path, location: str) -> None:
    truth = np.arange(60, dtype="<u2").reshape(1, 6, 10)
    packed = zlib.compress(truth.tobytes())
    text = packed.hex() if location.endswith("hex") else base64.b64encode(packed).decode()
    how = f'compression="zlib:120" checksum="sha-256:{hashlib.sha256(packed).hexdigest()}"'
    if location == "embedded":
        inside, how = f'<Data encoding="base64" {how}>\n{text}\n</Data>', ""
    else:
        inside = text
    given = f'geometry="10:6:1" sampleFormat="UInt16" location="{location}" {how}'
    assert np.array_equal(whole(opened(tmp_path, xisf_bytes(given, inside))), truth)


def test_an_image_is_chosen_by_index_or_id(tmp_path: Path) -> None:
    second = '<Image id="other" geometry="1:1:1" sampleFormat="UInt8" location="inline:hex">2a</Image>'
    content = attached(np.zeros((1, 2, 2), "u1"), root=second)
    assert whole(opened(tmp_path, content)).shape == (1, 2, 2)
    assert whole(opened(tmp_path, content, 1)).item() == 42
    assert whole(opened(tmp_path, content, "other")).item() == 42
    for absent in (2, "third"):
        with pytest.raises(SourceError, match="wants image"):
            opened(tmp_path, content, absent)


def test_properties_speak_louder_than_keywords(tmp_path: Path) -> None:
    inside = """
        <FITSKeyword name="EXPTIME" value="10." comment=""/><FITSKeyword name="FILTER" value="'L'" comment=""/>
        <FITSKeyword name="GAIN" value="120" comment=""/><FITSKeyword name="IMAGETYP" value="'LIGHT'" comment=""/>
        <Property id="Instrument:ExposureTime" type="Float32" value="30"/>
        <Property id="Instrument:Filter:Name" type="String">Ha 7nm</Property>
        <Property id="Instrument:Telescope:FocalLength" type="Float64" value="0.53"/>
        <Property id="Instrument:Camera:Gain" type="Float32" value="0.25"/>
        <Property id="Instrument:Sensor:Temperature" type="Float32" value="-10"/>
        <Property id="Observation:Time:Start" type="TimePoint" value="2024-02-03T04:05:06Z"/>
        <Property id="Observation:Object:RA" type="Float64" value="180.5"/>
        <Property id="Observation:Object:Dec" type="Float64" value="-20"/>
        <Property id="Table:Of" type="F64Vector" length="2" location="inline:hex">00</Property>
    """
    content = xisf_bytes(
        'geometry="2:2:1" sampleFormat="UInt8" imageType="MasterDark" location="inline:hex"', "00000000" + inside
    )
    frame = opened(tmp_path, content).frame
    assert frame.word("exposure") == 30.0
    assert frame.word("filter") == "Ha 7nm"
    assert frame.word("focal_length") == 530.0
    assert (frame.word("gain"), frame.word("egain")) == (120.0, 0.25)
    assert frame.word("temperature") == -10.0
    assert str(frame.word("start_time")).startswith("2024-02-03T04:05:06")
    assert (frame.word("ra"), frame.word("dec")) == (180.5, -20.0)
    assert frame.word("type") == "master-dark"
    assert dict(frame.words)["exposure"].rule == "from Instrument:ExposureTime"
    assert frame.card("EXPTIME") == 10.0 and frame.card("Instrument:ExposureTime") == 30.0


@pytest.mark.parametrize(
    ("inside", "letters"),
    [
        ('<ColorFilterArray pattern="GBRG" width="2" height="2"/>', "GBRG"),
        ('<ColorFilterArray pattern="GWRG" width="2" height="2"/>', None),
        ('<Property id="PCL:CFASourcePatternName" type="String">BGGR</Property>', "BGGR"),
        ('<FITSKeyword name="BAYERPAT" value="\'RGGB\'"/><FITSKeyword name="XBAYROFF" value="1"/>', "GRBG"),
        ('<FITSKeyword name="BAYERPAT" value="\'RGGB\'"/><FITSKeyword name="ROWORDER" value="\'BOTTOM-UP\'"/>', "RGGB"),
    ],
)
def test_the_mosaic_begins_at_the_first_stored_row(tmp_path: Path, inside: str, letters: str | None) -> None:
    content = xisf_bytes('geometry="1:3:1" sampleFormat="UInt8" location="inline:hex"', "000000" + inside)
    assert opened(tmp_path, content).frame.cfa == letters


def test_a_solution_of_pixinsight_is_turned_to_storage_order(tmp_path: Path) -> None:
    from astropy.wcs import WCS

    words = {
        "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "CRVAL1": 83.8, "CRVAL2": -5.4, "CRPIX1": 20.5,
        "CRPIX2": 11.25, "CD1_1": -3e-4, "CD1_2": 1e-5, "CD2_1": 2e-5, "CD2_2": 3.1e-4, "A_ORDER": 2,
        "B_ORDER": 2, "A_0_2": 1e-4, "A_1_1": 2e-4, "B_1_1": -3e-4, "B_0_2": 1.5e-4,
    }  # fmt: skip
    cards = "".join(
        f'<FITSKeyword name="{k}" value="{f"&apos;{v}&apos;" if isinstance(v, str) else v}"/>' for k, v in words.items()
    )
    height = 30
    data = "00" * height
    given = f'geometry="1:{height}:1" sampleFormat="UInt8" location="inline:hex"'
    frame = opened(tmp_path, xisf_bytes(given, data + cards)).frame
    theirs, ours = fits.Header(words), fits.Header([(k, v) for k, v, _ in frame.wcs])
    x, y = np.meshgrid(np.arange(1.0, 60.0, 7), np.arange(1.0, 31.0, 3))
    sky = WCS(theirs).all_pix2world(x, y, 1)
    # Row r of the file, counted from the top, is FITS row height + 1 - r of their solution.
    assert np.allclose(WCS(ours).all_pix2world(x, height + 1 - y, 1), sky, rtol=0, atol=1e-10)


@pytest.mark.parametrize("form", ["pc", "cdelt"])
def test_solutions_without_a_cd_matrix_are_turned_too(form: str) -> None:
    from astropy.wcs import WCS

    from lerarlink.nodes.io._xisf_wcs import flipped

    words = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 40.0, "CRPIX1": 5.0, "CRPIX2": 7.0,
        "CDELT1": -1e-3, "CDELT2": 1.2e-3,
    }  # fmt: skip
    words |= {"PC1_2": 0.1, "PC2_1": -0.1} if form == "pc" else {"CROTA2": 30.0}
    turned = fits.Header([(k, v) for k, v, _ in flipped(tuple((k, v, "") for k, v in words.items()), 50)])
    x, y = np.meshgrid(np.arange(1.0, 60.0, 7), np.arange(1.0, 51.0, 3))
    sky = WCS(fits.Header(words)).all_pix2world(x, y, 1)
    assert np.allclose(WCS(turned).all_pix2world(x, 51 - y, 1), sky, rtol=0, atol=1e-10)


def test_parts_referred_to_by_uid_are_found(tmp_path: Path) -> None:
    content = attached(
        np.zeros((1, 2, 2), "u1"),
        root='<ColorFilterArray uid="m" pattern="RGGB" width="2" height="2"/>',
    ).replace(b"></Image>", b'><Reference ref="m"/></Image>')
    xml = content[16:].split(b"\0")[0]
    content = content[:8] + len(xml).to_bytes(4, "little") + content[12 : 16 + len(xml)]
    assert opened(tmp_path, content.ljust(4096, b"\0") + bytes(4)).frame.cfa == "RGGB"
