"""Writing TIFF, and BigTIFF where 4 GiB do not suffice (TIFF 6.0 and the BigTIFF layout by AWare Systems)."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, ParameterError, Tile, Writer
from ._disk import publish, temporary_name
from ._provenance import TIFF_TAG
from ._raw_writer import RawWriter
from ._reader import WriteOptions

_TYPES = {"auto": "<f4", "float32": "<f4", "uint16": "<u2", "uint8": "|u1"}
# Unpacked bytes of a strip: readers take strips one by one, and deflate gains nothing from more.
_STRIP = 1 << 20
_CLASSIC_LIMIT = 0xFFFF_FFFF - (64 << 20)

_ASCII, _SHORT, _LONG, _RATIONAL, _LONG8 = 2, 3, 4, 5, 16
_CODES = {_SHORT: "H", _LONG: "I", _RATIONAL: "I", _LONG8: "Q"}


def write_tiff(path: Path, frame: Frame, options: WriteOptions) -> Writer:
    """Return the writer of *frame* to a TIFF file with interleaved channels.

    Integers hold levels (black 0, white the type's largest value). Floats are normalised, black 0 and
    white 1, as other programs expect of them; ImageDescription tells the bounds, by which `open_tiff` gives
    back the physical values, equal but for the rounding of the way (1.2e-7 of the value above black).
    Values beyond the bounds are kept. Rows stay in storage order, with the tag Orientation.

    Parameters
    ----------
    options
        ``compression``: none or deflate.

    Raises
    ------
    ParameterError
        For any other compression.
    """
    if options.compression not in ("none", "deflate"):
        raise ParameterError(f"{path}: TIFF compression must be none or deflate, got {options.compression!r}")
    told = options.provenance.data if options.provenance else b""
    layout = _Layout.of(frame, _TYPES[options.sample_format], options.compression == "deflate", told)
    raw = RawWriter(
        path=path,
        dtype=layout.dtype,
        height=frame.height,
        width=frame.width,
        channels=frame.channels,
        interleaved=True,
        head=b"" if layout.deflated else layout.head(layout.plain_sizes()),
        bounds=frame.known_bounds(),
    ).start()
    return TiffWriter(raw=raw, layout=layout, bounds=frame.known_bounds())


@dataclass(frozen=True)
class _Layout:
    """What the tags of one file say, apart from where its strips lie."""

    frame: Frame
    dtype: str
    deflated: bool
    big: bool
    rows: int
    told: bytes

    @classmethod
    def of(cls, frame: Frame, dtype: str, deflated: bool, told: bytes) -> _Layout:
        row = frame.width * frame.channels * np.dtype(dtype).itemsize
        big = row * frame.height > _CLASSIC_LIMIT
        return cls(frame, dtype, deflated, big, max(1, min(frame.height, _STRIP // row)), told)

    @property
    def predicted(self) -> bool:
        """Whether rows are stored as differences, which helps deflate with integers."""
        return self.deflated and np.dtype(self.dtype).kind == "u"

    def plain_sizes(self) -> list[int]:
        """Return the unpacked bytes of each strip."""
        row = self.frame.width * self.frame.channels * np.dtype(self.dtype).itemsize
        height = self.frame.height
        return [min(self.rows, height - y) * row for y in range(0, height, self.rows)]

    def head(self, sizes: Sequence[int]) -> bytes:
        """Return all bytes before the strips, which follow one another and have these *sizes*."""
        empty = self._directory([0] * len(sizes), sizes)
        start = -(-len(empty) // 16) * 16
        offsets = (start + np.concatenate([[0], np.cumsum(sizes[:-1], dtype=np.int64)])).tolist()
        return self._directory(offsets, sizes).ljust(start, b"\0")

    def _directory(self, offsets: Sequence[int], sizes: Sequence[int]) -> bytes:
        entry, place, next_one = ("<HHQ", 8, "<Q") if self.big else ("<HHI", 4, "<I")
        tags = sorted(self._tags(offsets, sizes))
        start = 16 if self.big else 8
        first = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if self.big else struct.pack("<2sHI", b"II", 42, 8)
        beyond = start + (8 if self.big else 2) + len(tags) * (struct.calcsize(entry) + place) + place
        body, more = struct.pack("<Q" if self.big else "<H", len(tags)), b""
        for code, kind, count, payload in tags:
            body += struct.pack(entry, code, kind, count)
            if len(payload) <= place:
                body += payload.ljust(place, b"\0")
            else:
                body += struct.pack(next_one, beyond + len(more))
                more += payload + bytes(-len(payload) % 8)
        return first + body + struct.pack(next_one, 0) + more

    def _tags(self, offsets: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[int, int, int, bytes]]:
        frame, item = self.frame, np.dtype(self.dtype)
        rgb = frame.color == "rgb" and frame.channels >= 3
        wide = _LONG8 if self.big else _LONG
        yield _tag(256, _LONG, frame.width)
        yield _tag(257, _LONG, frame.height)
        yield _tag(258, _SHORT, *[8 * item.itemsize] * frame.channels)
        yield _tag(259, _SHORT, 8 if self.deflated else 1)
        yield _tag(262, _SHORT, 2 if rgb else 1)
        yield _text_tag(270, _description(frame, item))
        yield _tag(273, wide, *offsets)
        yield _tag(274, _SHORT, 4 if frame.orientation == "bottom-up" else 1)
        yield _tag(277, _SHORT, frame.channels)
        yield _tag(278, _LONG, self.rows)
        yield _tag(279, wide, *sizes)
        yield _tag(284, _SHORT, 1)
        yield _text_tag(305, "lerarlink")
        if self.predicted:
            yield _tag(317, _SHORT, 2)
        if extra := frame.channels - (3 if rgb else 1):
            # 2: alpha that was not multiplied in; 0: further planes of any meaning.
            yield _tag(338, _SHORT, *[0 if frame.color == "planes" else 2] * extra)
        yield _tag(339, _SHORT, *[3 if item.kind == "f" else 1] * frame.channels)
        if self.told:
            yield _text_tag(TIFF_TAG, self.told.decode("ascii"))


def _tag(code: int, kind: int, *values: int) -> tuple[int, int, int, bytes]:
    return code, kind, len(values), struct.pack(f"<{len(values)}{_CODES[kind]}", *values)


def _text_tag(code: int, text: str) -> tuple[int, int, int, bytes]:
    data = text.encode("ascii") + b"\0"
    return code, _ASCII, len(data), data


def _description(frame: Frame, dtype: np.dtype[Any]) -> str:
    said: dict[str, Any] = {"state": frame.state}
    if dtype.kind == "f":
        said["bounds"] = list(frame.known_bounds())
    if frame.unit and (dtype.kind == "f" or frame.bounds == (0.0, float(np.iinfo(dtype).max))):
        said["unit"] = frame.unit
    if frame.cfa:
        said["cfa"] = frame.cfa
    if frame.color == "planes":
        said["color"] = frame.color
    return json.dumps({"lerarlink": said}, sort_keys=True)


@dataclass(kw_only=True)
class TiffWriter:
    """Takes strips; compressed files are made from them at the end.

    Attributes
    ----------
    raw
        The file itself, or for compressed ones a plain spool beside it.
    layout
        What the tags say.
    bounds
        Physical values of black and white.
    """

    raw: RawWriter
    layout: _Layout
    bounds: tuple[float, float]
    _out: Path = field(default=Path(), init=False)

    def __post_init__(self) -> None:
        self._out = temporary_name(self.path)

    @property
    def path(self) -> Path:
        """The final name."""
        return self.raw.path

    def write(self, box: Box, tile: Tile) -> None:
        """Put *tile* (physical values) at *box*."""
        lo, hi = self.bounds
        if np.dtype(self.layout.dtype).kind == "f" and (lo, hi) != (0.0, 1.0):
            tile = ((tile.astype(np.float64) - lo) / (hi - lo)).astype(np.float32)
        self.raw.write(box, tile)

    def finish(self) -> None:
        """Flush to the disk and let the file appear under its final name."""
        if not self.layout.deflated:
            self.raw.finish()
            return
        self.raw.close()
        try:
            self._deflate()
            publish(self._out, self.path)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Remove what was written."""
        self.raw.abandon()
        self._out.unlink(missing_ok=True)

    def _deflate(self) -> None:
        layout, frame = self.layout, self.layout.frame
        shape = (frame.height, frame.width, frame.channels)
        samples: npt.NDArray[Any] = np.memmap(self.raw.temporary, layout.dtype, mode="r", shape=shape)
        sizes: list[int] = []
        start = len(layout.head(layout.plain_sizes()))
        with self._out.open("wb") as out:
            out.write(bytes(start))
            for y in range(0, frame.height, layout.rows):
                strip = np.array(samples[y : y + layout.rows])
                if layout.predicted:
                    strip[:, 1:] -= samples[y : y + layout.rows, :-1]
                packed = zlib.compress(strip.data)
                out.write(packed)
                sizes.append(len(packed))
            out.seek(0)
            out.write(layout.head(sizes))
            out.flush()
            os.fsync(out.fileno())
