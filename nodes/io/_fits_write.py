"""Writing FITS: a header, then pixels strip by strip; tile compression as a last step.

Follows "Definition of the Flexible Image Transport System (FITS)", version 4.0.
"""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.api import Box, Card, Frame, ParameterError, Provenance, Scalar, Tile, Writer
from ._cards import BLOCK, format_card, header_bytes, is_any_wcs, is_structural
from ._disk import mapped, publish, temporary_name
from ._gzip_tiles import without_times
from ._mosaic import flipped
from ._provenance import history_cards, table_hdu
from ._raw_writer import RawWriter
from ._reader import WriteOptions
from ._words import normalise

# sample_format -> BITPIX, stored type, what is subtracted from an unsigned level.
_STORED = {"float32": (-32, ">f4", 0), "uint16": (16, ">i2", 32768), "uint8": (8, "|u1", 0)}

_COMPRESSIONS = ("none", "rice", "gzip")

# Words that say again what the frame says: they are written from the frame, never copied.
_FROM_FRAME = frozenset(
    "BUNIT ROWORDER BAYERPAT XBAYROFF YBAYROFF BAYOFFX BAYOFFY COLORTYP CFAPAT "  # noqa: SIM905
    "LERBLO LERBHI LERSTATE CBLACK CWHITE MIPS-HI MIPS-LO".split()
)

# The keyword under which a normalised word is written where the raw header does not already say it: it came
# from an XISF property or a file name, or a process changed it. Each is the first that is looked for when reading.
_KEYWORDS = {
    "type": "IMAGETYP",
    "exposure": "EXPTIME",
    "filter": "FILTER",
    "temperature": "CCD-TEMP",
    "set_temperature": "SET-TEMP",
    "gain": "GAIN",
    "egain": "EGAIN",
    "offset": "OFFSET",
    "iso": "ISOSPEED",
    "binning_x": "XBINNING",
    "binning_y": "YBINNING",
    "pixel_size": "XPIXSZ",
    "focal_length": "FOCALLEN",
    "read_mode": "READOUTM",
    "start_time": "DATE-OBS",
    "mid_time": "DATE-AVG",
    "end_time": "DATE-END",
    "time_scale": "TIMESYS",
    "time_reference": "TREFPOS",
    "object": "OBJECT",
    "ra": "RA",
    "dec": "DEC",
    "camera": "INSTRUME",
    "telescope": "TELESCOP",
    "site_latitude": "SITELAT",
    "site_longitude": "SITELONG",
    "focuser": "FOCPOS",
    "focuser_temperature": "FOCTEMP",
    "combined": "NCOMBINE",
    "program": "SWCREATE",
}

# Step of the quantisation of floats by RICE, in units of the noise: 1/16 sigma loses next to nothing.
_QUANTIZE = 16.0

# A fixed dither, so that the same pixels give the same file.
_DITHER_SEED = 1


def write_fits(path: Path, frame: Frame, options: WriteOptions) -> Writer:
    """Return the writer of a FITS file; the file exists under a temporary name from now on.

    Parameters
    ----------
    path
        The final name. ``.fz`` compresses without loss where *options* name no compression.
    frame
        Size, bounds, header words and solution to be written.
    options
        ``float32`` keeps physical values; ``uint16`` and ``uint8`` spread the bounds over the type's range.
        Compression ``gzip`` loses nothing; ``rice`` loses nothing of integers and rounds floats to 1/16 of
        the local noise.
    """
    kind = "float32" if options.sample_format == "auto" else options.sample_format
    if options.compression not in _COMPRESSIONS:
        wanted = ", ".join(_COMPRESSIONS)
        raise ParameterError(f"{path}: FITS compression must be one of {wanted}, got {options.compression!r}")
    method = options.compression
    if method == "none" and path.suffix.lower() == ".fz":
        method = "gzip" if kind == "float32" else "rice"
    if method != "none":
        return _compressed(path, frame, kind, method, options.provenance).start()
    tail = table_hdu(options.provenance)
    bitpix, dtype, zero = _STORED[kind]
    writer = RawWriter(
        path=path,
        dtype=dtype,
        height=frame.height,
        width=frame.width,
        channels=frame.channels,
        head=header_bytes(
            [
                *_structure(frame, bitpix, zero, bool(tail)),
                *image_cards(frame, kind),
                *history_cards(options.provenance),
            ]
        ),
        tail=tail,
        bounds=frame.known_bounds(),
        zero=zero,
    )
    writer.tail_padding = -writer.nbytes % BLOCK
    return writer.start()


def _structure(frame: Frame, bitpix: int, zero: int, extended: bool) -> list[Card]:
    axes = [frame.width, frame.height, *([frame.channels] if frame.channels > 1 else [])]
    cards: list[Card] = [("SIMPLE", True, "conforms to the FITS standard"), ("BITPIX", bitpix, "")]
    cards.append(("NAXIS", len(axes), ""))
    cards += [(f"NAXIS{i}", n, "") for i, n in enumerate(axes, 1)]
    if extended:
        cards.append(("EXTEND", True, "a table tells how the image was made"))
    if zero:
        cards += [("BSCALE", 1, ""), ("BZERO", zero, "unsigned integers")]
    return cards


def image_cards(frame: Frame, kind: str) -> list[Card]:
    """Return what a header says of *frame*, beyond how the samples are stored.

    The source's own words come first, without those that describe its storage or its pixel grid.
    """
    lo, hi = frame.known_bounds()
    cards = [c for c in frame.header if not (is_structural(c[0]) or is_any_wcs(c[0]) or c[0] in _FROM_FRAME)]
    cards = _with_words(frame, cards)
    same = (lo, hi) == {"float32": (lo, hi), "uint16": (0.0, 65535.0), "uint8": (0.0, 255.0)}[kind]
    if frame.unit and same:
        # A unit belongs to physical values; integers that were spread over their range have none.
        cards.append(("BUNIT", frame.unit, "unit of the pixel values"))
    cards.append(("ROWORDER", frame.orientation.upper(), "which row of the picture is stored first"))
    if frame.cfa:
        cards += _mosaic_cards(frame)
    cards += frame.wcs
    if kind == "float32":
        cards += [("LERBLO", lo, "physical value of black"), ("LERBHI", hi, "physical value of white")]
    cards.append(("LERSTATE", frame.state, "linear: proportional to light; or stretched"))
    return cards


def _with_words(frame: Frame, cards: list[Card]) -> list[Card]:
    """Return *cards* such that reading them gives the frame's normalised words."""
    said = {name: word.value for name, word in normalise(cards)}
    wanted = {name: word.value for name, word in frame.words if name in _KEYWORDS}
    changed = {name: v for name, v in wanted.items() if v is not None and said.get(name) != v}
    replaced = {_KEYWORDS[name] for name in changed}
    kept = [c for c in cards if c[0] not in replaced]
    for name, value in changed.items():
        kept.append((_KEYWORDS[name], _spelled(name, value), ""))
    return kept


def _spelled(name: str, value: Scalar) -> Scalar:
    """Return a normalised word as FITS spells it; frame types as capture programs do: LIGHT, MASTER FLAT."""
    if name in ("type", "time_scale"):
        return str(value).upper().replace("-", " ")
    return "BARYCENTER" if (name, value) == ("time_reference", "barycentric") else value


def _mosaic_cards(frame: Frame) -> list[Card]:
    """BAYERPAT describes the upright picture, the frame's letters the rows as stored."""
    assert frame.cfa
    pattern = flipped(frame.cfa, frame.height) if frame.orientation == "bottom-up" else frame.cfa
    return [
        ("BAYERPAT", pattern, "colour filters from the picture's top left"),
        ("XBAYROFF", 0, ""),
        ("YBAYROFF", 0, ""),
    ]


# -- tile compression ---------------------------------------------------------------------------------


def _compressed(
    path: Path, frame: Frame, kind: str, method: str, provenance: Provenance | None
) -> CompressedWriter:
    spool = RawWriter(
        path=path,
        dtype={"float32": "=f4", "uint16": "=u2", "uint8": "|u1"}[kind],
        height=frame.height,
        width=frame.width,
        channels=frame.channels,
        bounds=frame.known_bounds(),
        reread=True,
    )
    header = "".join(format_card(*card) for card in [*image_cards(frame, kind), *history_cards(provenance)])
    return CompressedWriter(path=path, spool=spool, header=header, method=method, tail=table_hdu(provenance))


@dataclass(kw_only=True)
class CompressedWriter:
    """Keeps plain strips in a file beside the output and compresses them when all have come."""

    path: Path
    spool: RawWriter
    header: str
    method: str
    tail: bytes = b""

    def start(self) -> CompressedWriter:
        self.spool.start()
        return self

    def write(self, box: Box, tile: Tile) -> None:
        self.spool.write(box, tile)

    def finish(self) -> None:
        temporary = temporary_name(self.path)
        try:
            self._compress(temporary)
            publish(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)
            self.abandon()

    def abandon(self) -> None:
        self.spool.abandon()

    def _compress(self, temporary: Path) -> None:
        from astropy.io import fits

        spool = self.spool
        spool.close()
        samples = np.frombuffer(mapped(spool.temporary), spool.dtype)
        planes = samples.reshape(spool.channels, spool.height, spool.width)
        settings: dict[str, Any] = {"compression_type": {"rice": "RICE_1", "gzip": "GZIP_2"}[self.method]}
        if np.dtype(spool.dtype).kind == "f":
            settings |= {"quantize_level": 0.0} if self.method == "gzip" else {
                "quantize_level": _QUANTIZE,
                "quantize_method": 1,
                "dither_seed": _DITHER_SEED,
            }  # fmt: skip
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = fits.Header.fromstring(self.header)
            data = planes if spool.channels > 1 else planes[0]
            hdu = fits.CompImageHDU(data, header, name="IMAGE", **settings)
            fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(temporary)
            if self.method == "gzip":
                without_times(temporary)
        with temporary.open("ab") as out:
            out.write(self.tail)


# Filters of warnings belong to the whole process, so only one thread may change them at a time.
_WARNINGS = threading.Lock()
