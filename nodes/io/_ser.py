"""SER video, as planetary cameras record it: a head of 178 bytes, frames of one size, and their stamps behind.

After "SER format description, version 3" (Heiko Wilkens, Grischa Hahn, 2014). The head's mark of the byte order is
read as programs write it, against that text: 0 means little-endian samples.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...engine.api import Box, Card, Frame, SourceError, Tile
from ._disk import mapped
from ._frame_file import FrameFile, FrameOptions, FrameTimes, Strided, with_exposure
from ._layout import RawLayout
from ._picture import picture_words
from ._reader import Reader, require, require_bytes

MAGIC = b"LUCAM-RECORDER"
_HEAD = struct.Struct("<14s7i40s40s40s2q")
_BAYER = {8: "RGGB", 9: "GRBG", 10: "GBRG", 11: "BGGR"}
_COLOURS = {100: False, 101: True}
"""RGB and BGR: three samples a pixel, and whether blue comes first."""

# Stamps count tenths of microseconds from the year 1; those of the day 0 of the modified Julian date.
_TICK_NS = 100
_ZERO_TICKS = 678575 * 86400 * 10**7


class _Head(NamedTuple):
    magic: bytes
    camera_number: int
    color: int
    big_endian: int
    width: int
    height: int
    depth: int
    frames: int
    observer: bytes
    camera: bytes
    telescope: bytes
    local_ticks: int
    utc_ticks: int


def ser_frames(path: Path, options: FrameOptions) -> FrameFile:
    """Return the frames of a SER file.

    Samples are levels from 0 to the largest that the file's bit depth holds. Frames have the times of the stamps
    behind them; a file without stamps tells none.

    Raises
    ------
    SourceError
        The file is no SER, is truncated, or of colours that are not known (those of cyan and magenta filters).
    """
    raw = mapped(path)
    require(len(raw) >= _HEAD.size, path, f"truncated: the head of a SER file has {_HEAD.size} bytes, got {len(raw)}")
    head = _Head(*_HEAD.unpack_from(raw))
    require(head.magic == MAGIC, path, f"not SER: it begins with {head.magic!r}")
    require(options.hdu in (None, 0), path, f"a SER file has no HDU, wanted {options.hdu!r}")
    require(head.width > 0 and head.height > 0 and head.frames > 0, path,
            f"a SER file of {head.frames} frames of {head.width}x{head.height} px")  # fmt: skip
    require(1 <= head.depth <= 16, path, f"a bit depth of 1 .. 16 wanted, got {head.depth}")
    require(head.color == 0 or head.color in _BAYER or head.color in _COLOURS, path,
            f"colours of an unknown kind: {head.color} (known: mono 0, Bayer 8 .. 11, RGB 100, BGR 101)")  # fmt: skip
    channels = 3 if head.color in _COLOURS else 1
    size = head.width * head.height * channels * (1 if head.depth <= 8 else 2)
    end = _HEAD.size + size * head.frames
    require_bytes(path, end, len(raw), f"its {head.frames} frames")
    base = _frame(path, head, channels)
    if options.exposure:
        base = with_exposure(base, options.exposure, "given")
    layout = RawLayout(
        path, _HEAD.size, _dtype(head, options), head.height, head.width, channels, interleaved=channels == 3
    )
    return FrameFile(
        path=path,
        base=base,
        count=head.frames,
        samples=Strided(layout, size, _COLOURS.get(head.color, False)),
        times=_times(raw, head, end, options),
    )


def _dtype(head: _Head, options: FrameOptions) -> str:
    if head.depth <= 8:
        return "|u1"
    if options.byte_order == "auto":
        return ">u2" if head.big_endian else "<u2"
    return ">u2" if options.byte_order == "big" else "<u2"


def _frame(path: Path, head: _Head, channels: int) -> Frame:
    told = (("OBSERVER", head.observer), ("INSTRUME", head.camera), ("TELESCOP", head.telescope))
    cards: tuple[Card, ...] = tuple(
        (keyword, text, "") for keyword, found in told if (text := _text(found))
    )
    return Frame(
        width=head.width,
        height=head.height,
        channels=channels,
        bounds=(0.0, float(2**head.depth - 1)),
        unit="ADU",
        color="rgb" if channels == 3 else "gray",
        cfa=_BAYER.get(head.color),
        words=picture_words(path, cards, "top-down", "SER stores the top row first"),
        header=cards,
    )


def _text(raw: bytes) -> str:
    text = raw.split(b"\0")[0].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _times(raw: mmap.mmap, head: _Head, start: int, options: FrameOptions) -> FrameTimes:
    if len(raw) < start + 8 * head.frames:
        return FrameTimes(middles=[None] * head.frames)
    ticks = np.frombuffer(raw, "<i8", head.frames, start)
    shift = {"start": 0.5, "middle": 0.0, "end": -0.5}[options.stamps] * options.exposure
    away = round(shift * 10**9)
    middles = [(int(t) - _ZERO_TICKS) * _TICK_NS + away for t in ticks]
    return FrameTimes(middles=middles, rule="from the stamps behind the frames")


def open_ser(path: Path, hdu: int | str | None = None) -> Reader:
    """Return the reader of one frame of a SER file: that of index *hdu*, or the first."""
    if not isinstance(hdu, int | None):
        raise SourceError(f"{path}: the index of a frame wanted, got {hdu!r}")
    frames = ser_frames(path, FrameOptions())
    return OneFrame(frames, hdu or 0)


class OneFrame:
    """One frame of a file as a reader of its own."""

    def __init__(self, file: FrameFile, index: int) -> None:
        self._file, self._index = file, index
        self.frame = file.frame(index)

    def read(self, box: Box) -> Tile:
        return self._file.read(self._index, box)

    def close(self) -> None:
        """Nothing is held open: maps belong to the process and close by themselves."""
