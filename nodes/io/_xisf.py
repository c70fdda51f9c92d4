"""Reading XISF 1.0 files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...engine.api import Box, Frame, Tile
from ._layout import RawLayout, physical
from ._xisf_blocks import UnpackedBlock, check_growth, verify
from ._xisf_header import read_header
from ._xisf_words import frame_of


class XisfReader:
    """One image of an XISF file; building it reads the header only.

    Attributes
    ----------
    frame
        The image without its pixels.

    Notes
    -----
    Uncompressed attachments are mapped and read strip by strip. Their checksum is not compared: that
    would take a pass over the whole file. Compressed and embedded pixels are compared with their
    checksum before the first sub-block is decoded.
    """

    def __init__(self, path: Path, hdu: int | str | None = None) -> None:
        image = read_header(path, hdu)
        check_growth(path, image.block)
        self.frame: Frame = frame_of(image, path)
        self._path, self._image = path, image
        self._plain = None if image.block.codec else self._layout()
        self._unpacked = UnpackedBlock(path, image.block) if image.block.codec else None
        if image.block.inline is not None and not image.block.codec:
            verify(path, image.block)

    def _layout(self) -> RawLayout:
        image = self._image
        return RawLayout(
            self._path,
            image.block.position,
            image.dtype,
            image.height,
            image.width,
            image.channels,
            image.interleaved,
            held=image.block.inline,
        )

    def read(self, box: Box) -> Tile:
        """Return the physical values of *box* as a new tile."""
        if self._plain is not None:
            return self._plain.read(box)
        assert self._unpacked is not None
        image, blocks = self._image, self._unpacked
        row = image.width * np.dtype(image.dtype).itemsize
        columns = slice(box.x0, box.x1)
        if image.interleaved:
            row *= image.channels
            rows = blocks.natural(box.y0 * row, box.y1 * row).view(image.dtype)
            strip = rows.reshape(box.height, image.width, image.channels)
            return physical(strip[:, columns].transpose(2, 0, 1))
        tile = np.empty((image.channels, box.height, box.width), np.float32)
        for c in range(image.channels):
            start = c * image.height * row
            rows = blocks.natural(start + box.y0 * row, start + box.y1 * row).view(image.dtype)
            tile[c] = physical(rows.reshape(1, box.height, image.width)[:, :, columns])[0]
        return tile

    def close(self) -> None:
        """Let go of decoded pixels; a later `read` decodes them again."""
        if self._unpacked is not None:
            self._unpacked = UnpackedBlock(self._path, self._image.block)


def open_xisf(path: Path, hdu: int | str | None = None) -> XisfReader:
    """Return the reader of image *hdu* of an XISF file: an index, an id, or None for the first image."""
    return XisfReader(path, hdu)
