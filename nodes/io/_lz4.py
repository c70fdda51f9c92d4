"""LZ4 blocks unpacked in pieces, so that a block of gigabytes needs memory for one piece only.

The block format is described in https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

_WINDOW = 1 << 16  # a match reaches back at most 65,535 bytes
# What `_step` remembers between two pieces.
_AT, _LITERALS, _MATCH, _BACK, _PENDING, _MADE = range(6)


def lz4_pieces(stored: Bytes, length: int, step: int) -> Iterator[Bytes]:
    """Yield what the LZ4 block *stored* unpacks to in pieces of at most *step* bytes.

    Blocks of up to 16 *step* go through the C library at once, which is several times faster.

    Raises
    ------
    ValueError
        Where the data are damaged.
    """
    if length <= 16 * step:
        yield _at_once(stored, length)
        return
    buffer = np.empty(_WINDOW + step, np.uint8)
    state = np.array([0, 0, 0, 0, -1, 0], np.int64)
    while True:
        made = int(_step(stored, state, buffer, _WINDOW))
        if made < 0:
            raise ValueError("a match or a run reaches outside the data")
        if made == 0:
            return
        yield buffer[_WINDOW : _WINDOW + made].copy()
        buffer[:_WINDOW] = buffer[made : made + _WINDOW].copy()


def _at_once(stored: Bytes, length: int) -> Bytes:
    import lz4.block

    try:
        return np.frombuffer(lz4.block.decompress(stored.data, uncompressed_size=length), np.uint8)
    except lz4.block.LZ4BlockError as error:
        raise ValueError(str(error)) from error


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _run_length(source: Any, at: int, length: Any) -> tuple[Any, int]:
    """Return a length whose first four bits were full, and where reading goes on; (-1, at) at the end."""
    while at < source.size:
        more = np.int64(source[at])
        at += 1
        length += more
        if more != 255:
            return length, at
    return -1, at


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _step(source: Any, state: Any, out: Any, start: int) -> int:
    """Fill *out* from *start*, return the bytes made; 0 at the end of the block, -2 where it is damaged.

    *state* holds the place in *source*, the literals and match bytes still to be copied, how far back
    the match lies, the match length announced by the token (-1: none), and all bytes made so far.
    """
    at, literals, match, back, pending, made = state
    op = start
    while op < out.size:
        if literals > 0:
            n = min(literals, out.size - op)
            if at + n > source.size:
                return -2
            out[op : op + n] = source[at : at + n]
            at, op, literals, made = at + n, op + n, literals - n, made + n
        elif match > 0:
            n = min(match, out.size - op)
            for i in range(op, op + n):
                out[i] = out[i - back]
            op, match, made = op + n, match - n, made + n
        elif at >= source.size:
            break
        elif pending >= 0:
            if at + 2 > source.size:
                return -2
            back = np.int64(source[at]) | (np.int64(source[at + 1]) << 8)
            at += 2
            match = pending
            if match == 15:
                match, at = _run_length(source, at, match)
            if match < 0 or back == 0 or back > made:
                return -2
            match, pending = match + 4, -1
        else:
            token = np.int64(source[at])
            literals, pending = token >> 4, token & 15
            at += 1
            if literals == 15:
                literals, at = _run_length(source, at, literals)
            if literals < 0:
                return -2
    state[:] = (at, literals, match, back, pending, made)
    return op - start
