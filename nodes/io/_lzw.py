"""LZW as TIFF stores it: codes of 9 to 12 bits, most significant bit first (TIFF 6.0 specification, section 13)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


def lzw_decoded(stored: Bytes, length: int) -> Bytes:
    """Return the *length* bytes that *stored* unpacks to.

    Raises
    ------
    ValueError
        Where the data are damaged or hold fewer bytes.
    """
    out = np.empty(length, np.uint8)
    made = int(_decode(stored, out))
    if made != length:
        found = "a code that means nothing" if made < 0 else f"{made}"
        raise ValueError(f"LZW data want to unpack to {length} bytes, found {found}")
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _decode(stored: Any, out: Any) -> int:
    """Fill *out*; return the bytes made, or -1 at a code that means nothing.

    A string of the table is a stretch of the output: where it was made first, and how long it is.
    """
    starts = np.zeros(4096, np.int64)
    lengths = np.zeros(4096, np.int64)
    at, bits = 0, 0
    held: Any = np.int64(0)
    width, free, op = 9, 258, 0
    last_start: Any = np.int64(0)
    last_length: Any = np.int64(0)
    while op < out.size:
        while bits < width:
            if at >= stored.size:
                return op
            held = ((held << 8) | np.int64(stored[at])) & 0xFFFFFF
            bits += 8
            at += 1
        bits -= width
        code = (held >> bits) & ((1 << width) - 1)
        if code == 257:
            return op
        if code == 256:
            width, free, last_length = 9, 258, 0
            continue
        begin = op
        if code < 256:
            out[op] = code
            op += 1
        elif code < free or (code == free and last_length > 0):
            # A code not yet in the table is the last string and its own first byte.
            source = starts[code] if code < free else last_start
            n = lengths[code] if code < free else last_length + 1
            n = min(n, out.size - op)
            for i in range(n):
                out[op + i] = out[source + i]
            op += n
        else:
            return -1
        if last_length > 0 and free < 4096:
            # The new string is the last one and the byte after it, which follows it in the output.
            starts[free], lengths[free] = last_start, last_length + 1
            free += 1
        last_start, last_length = begin, op - begin
        # The code width grows one code early in TIFF.
        if free >= (1 << width) - 1 and width < 12:
            width += 1
    return op
