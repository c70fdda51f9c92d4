"""Whatever the headers of FITS and XISF files say: a frame and pixels, or a sentence; bounded, with nothing written."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lerarlink.engine.api import Box, Frame
from lerarlink.engine.errors import EngineError
from lerarlink.nodes.io._formats import open_reader
from lerarlink.nodes.io._reader import WriteOptions
from lerarlink.nodes.io._xisf_write import write_xisf

few = settings(deadline=None, max_examples=25, database=None, suppress_health_check=list(HealthCheck))

NUMBERS = st.sampled_from(
    ["0", "-1", "1", "7", "8", "-32", "-64", "16", "2147483648", "9223372036854775807", "-9223372036854775809", "1E400",
     "NAN", "INF", "1.5", "T", "F", "''", "'x", "(1,2)", "", "0x10", "1D5", "9" * 40]
)  # fmt: skip
KEYWORDS = st.sampled_from(
    ["SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "NAXIS999", "EXTEND", "PCOUNT", "GCOUNT", "BZERO",
     "BSCALE", "BLANK", "XTENSION", "TFIELDS", "TFORM1", "ZIMAGE", "ZNAXIS1", "ZTILE1", "ZCMPTYPE", "CTYPE1", "CRPIX1",
     "CD1_1", "EXPTIME", "DATE-OBS", "CCD-TEMP", "XBINNING", "BAYERPAT", "ROWORDER", "CONTINUE", "HIERARCH", "END"]
)  # fmt: skip


def fits_bytes() -> list[bytes]:
    """Return a plain FITS file, one of three channels with an extension, and one that is compressed."""
    ramp = np.arange(48, dtype=np.uint16).reshape(6, 8)
    plain, packed = fits.PrimaryHDU(ramp), fits.CompImageHDU(ramp)
    cube = fits.PrimaryHDU(np.ones((3, 5, 4), np.float32))
    plain.header.update({"EXPTIME": 30.0, "DATE-OBS": "2026-01-02T03:04:05", "BAYERPAT": "RGGB", "OBJECT": "M 31"})
    made = []
    for hdus in ([plain], [cube, fits.ImageHDU(ramp, name="MASK")], [fits.PrimaryHDU(), packed]):
        out = io.BytesIO()
        fits.HDUList(hdus).writeto(out)
        made.append(out.getvalue())
    return made


FITS = fits_bytes()


def read(path: Path) -> None:
    """Open a file, look at its frame, read some of its pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reader = open_reader(path)
            try:
                frame = reader.frame
                assert frame.width > 0
                assert frame.height > 0
                if frame.width <= 10_000:
                    rows = min(2, frame.height)
                    tile = reader.read(Box(0, 0, rows, frame.width))
                    assert tile.shape == (frame.channels, rows, frame.width)
            finally:
                reader.close()
        except EngineError as e:
            assert len(str(e)) < 1000
            assert "\n" not in str(e)


def cards_changed(draw: Any, data: bytes) -> bytes:
    """Return FITS bytes with some header cards replaced, put in or taken out, or spoiled elsewhere."""
    cards = [data[i : i + 80] for i in range(0, min(len(data), 2880), 80)]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(cards) - 1))
        card = f"{draw(KEYWORDS):8}= {draw(NUMBERS):>20} / changed".ljust(80)[:80].encode()
        change = draw(st.sampled_from(["value", "value", "put", "cut", "bytes"]))
        if change == "value":
            found = [i for i, c in enumerate(cards) if c[:8] == card[:8]]
            cards[found[0] if found else at] = card
        elif change == "put":
            cards.insert(at, card)
        elif change == "cut":
            del cards[at]
        else:
            cards[at] = draw(st.binary(min_size=80, max_size=80))
        cards = cards or [card]
    made = b"".join(cards)
    made = made[: len(made) // 2880 * 2880] if draw(st.booleans()) else made
    return (made + data[2880:])[: draw(st.sampled_from([len(data), len(data) + 80, 2880, 5760, 100]))]


def test_fits_headers(tmp_path: Path, budget: Callable[..., Any]) -> None:
    path = tmp_path / "x.fits"
    path.write_bytes(FITS[0])
    read(path)  # what is imported once is no part of the time
    left = budget()

    @few
    @given(st.data())
    def run(data: Any) -> None:
        path.write_bytes(cards_changed(data.draw, data.draw(st.sampled_from(FITS))))
        left.call(lambda: read(path))

    left.spend(run)


# -- XISF -----------------------------------------------------------------------------------------------


def xisf_bytes(folder: Path) -> list[bytes]:
    made = []
    for i, compression in enumerate(("none", "zlib+sh")):
        path = folder / f"good-{i}.xisf"
        header = (("EXPTIME", 30.0, "s"), ("OBJECT", "M 31", ""))
        frame = Frame(width=8, height=6, channels=3, color="rgb", header=header)
        writer = write_xisf(path, frame, WriteOptions("float32", compression, 90, None))
        writer.write(Box(0, 0, 6, 8), np.linspace(0, 1, 144, dtype=np.float32).reshape(3, 6, 8))
        writer.finish()
        made.append(path.read_bytes())
        path.unlink()
    return made


PIECES = st.sampled_from(
    ["<Image", "/>", "</xisf>", "&#0;", "&lol;", "<!DOCTYPE x [<!ENTITY a 'aaaa'>]>", "<!--", "]]>", '"', "'",
     ' geometry="1:1:1"', ' geometry="999999999:999999999:9"', ' location="attachment:0:1"', ' bounds="nan:nan"',
     ' compression="zlib:99999999999"', ' compression="lz4:1:0"', ' sampleFormat="Float64"', ' colorSpace="RGB"',
     "<Property id='a' type='String' value='b'/>", "<FITSKeyword name='EXPTIME' value='1e999' comment=''/>"]
)  # fmt: skip


def text_changed(draw: Any, data: bytes) -> bytes:
    """Return XISF bytes with pieces put into the header's text, cut out or doubled; the length kept, true or a lie."""
    size = int.from_bytes(data[8:12], "little")
    text, rest = data[16 : 16 + size], data[16 + size :]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 60)))
        change = draw(st.sampled_from(["piece", "cut", "double", "bytes", "digit"]))
        if change == "piece":
            text = text[:at] + draw(PIECES).encode() + text[at:]
        elif change == "cut":
            text = text[:at] + text[end:]
        elif change == "double":
            text = text[:end] + text[at:]
        elif change == "bytes":
            text = text[:at] + draw(st.binary(max_size=4)) + text[at + 1 :]
        else:
            digits = [i for i, c in enumerate(text) if chr(c).isdigit()]
            i = draw(st.sampled_from(digits)) if digits else 0
            text = text[:i] + draw(st.sampled_from([b"9", b"0", b"-", b"99999999999"])) + text[i + 1 :]
    told = draw(st.sampled_from([len(text), len(text), size, 0, 2**32 - 1]))
    return data[:8] + told.to_bytes(4, "little") + data[12:16] + text + rest[max(0, len(text) - size) :]


def test_xisf_headers(tmp_path: Path, budget: Callable[..., Any]) -> None:
    good = xisf_bytes(tmp_path)
    path = tmp_path / "x.xisf"
    path.write_bytes(good[0])
    read(path)
    left = budget()

    @few
    @given(st.data())
    def run(data: Any) -> None:
        path.write_bytes(text_changed(data.draw, data.draw(st.sampled_from(good))))
        left.call(lambda: read(path))

    left.spend(run)
