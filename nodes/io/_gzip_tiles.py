"""Tiles of compressed FITS images without the time at which they were compressed.

Each gzip stream begins with a time stamp (RFC 1952, bytes 4 to 7, zero for none). Without it the same pixels give the
same file whenever it is written.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

_COLUMNS = ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA")
_MAGIC = b"\x1f\x8b"


def without_times(path: Path) -> None:
    """Take the time stamps out of all gzip streams of the compressed image in the first extension of *path*."""
    from astropy.io import fits

    with fits.open(path, disable_image_compression=True, memmap=False) as opened:
        table = opened[1]
        header, start = table.header, table.fileinfo()["datLoc"]
        fields = {n: table.columns.dtype.fields[n] for n in _COLUMNS if n in table.columns.names}
    width, rows = header["NAXIS1"], header["NAXIS2"]
    heap = start + header.get("THEAP", width * rows)
    with path.open("r+b") as file:
        file.seek(start)
        records = np.frombuffer(file.read(width * rows), np.uint8).reshape(rows, width)
        for dtype, at, *_ in fields.values():
            # A descriptor is the length of a stream and its place in the heap, both of 4 or 8 bytes.
            pair = np.ascontiguousarray(records[:, at : at + dtype.itemsize])
            for length, offset in pair.view(f">i{dtype.itemsize // 2}").tolist():
                file.seek(heap + offset)
                if length >= 10 and file.read(2) == _MAGIC:
                    file.seek(heap + offset + 4)
                    file.write(b"\0\0\0\0")
