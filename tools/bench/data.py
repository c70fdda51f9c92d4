"""Generated images: plain FITS files of float32 samples that look like a linear image of the sky."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HEADER = 2880
"""Bytes before the samples: every header here is one block."""
_ROWS = 256


def header(width: int, height: int, bitpix: int = -32, **more: Any) -> bytes:
    """Return the header of a plain image, padded to one block."""
    words: list[tuple[str, Any]] = [
        ("SIMPLE", "T"), ("BITPIX", bitpix), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", height), *more.items()
    ]  # fmt: skip
    cards = "".join(f"{name:8}= {value!s:>20}".ljust(80) for name, value in words) + "END".ljust(80)
    return cards.ljust(HEADER).encode("ascii")


def padding(nbytes: int) -> bytes:
    """Return the zeros that fill the last block of a FITS file."""
    return bytes(-nbytes % HEADER)


def samples(path: Path, height: int, width: int) -> Any:
    """Return the big-endian samples of a file made here, mapped."""
    return np.memmap(path, ">f4", "r", HEADER, (height, width))


def write_sky(
    path: Path, width: int, height: int, *, stream: int, gain: float = 1.0, offset: float = 0.0, **words: Any
) -> None:
    """Write an image of samples between 0 and 1: slopes, noise, and the same stars for every *stream*.

    Parameters
    ----------
    stream
        Names the noise; files of different streams differ in it, in *gain* and in *offset* only.
    words
        Further header words.
    """
    stars = _stars(width, height)
    with path.open("wb") as f:
        f.write(header(width, height, **words))
        for y0 in range(0, height, _ROWS):
            rows = _block(y0, min(height, y0 + _ROWS), width, height, stars)
            noise = np.random.default_rng([7, stream, y0]).standard_normal(rows.shape, dtype=np.float32)
            rows += np.float32(0.0015) * noise
            rows *= np.float32(gain)
            rows += np.float32(offset)
            np.clip(rows, 0.0, 1.0, out=rows)
            f.write(rows.astype(">f4").tobytes())
        f.write(padding(4 * width * height))


def _block(y0: int, y1: int, width: int, height: int, stars: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    x = np.linspace(0.0, 1.0, width, dtype=np.float32)
    y = np.arange(y0, y1, dtype=np.float32)[:, None] / np.float32(max(1, height - 1))
    rows = np.float32(0.04) + np.float32(0.01) * x + np.float32(0.006) * y * (1 - x)
    draw(rows, y0, stars)
    return rows


def _stars(width: int, height: int) -> npt.NDArray[np.float64]:
    """Return x, y, height and sigma of one star for every 5,000 pixels, in the order of y."""
    rng = np.random.default_rng(11)
    n = max(8, width * height // 5000)
    peak = np.minimum(0.9, 0.004 * rng.pareto(1.1, n) + 0.004)
    table = np.column_stack([rng.uniform(0, width - 1, n), rng.uniform(0, height - 1, n), peak, np.full(n, 1.25)])
    return table[np.argsort(table[:, 1])]


def draw(rows: npt.NDArray[np.float32], y0: int, stars: npt.NDArray[np.float64], reach: int = 6) -> None:
    """Add Gaussian stars (x, y, height, sigma; in the order of y) to rows that begin at row *y0*."""
    first, last = np.searchsorted(stars[:, 1], [y0 - reach - 1, y0 + len(rows) + reach + 1])
    for x, y, peak, sigma in stars[first:last]:
        cx, cy = round(x), round(y)
        a, b = max(y0, cy - reach), min(y0 + len(rows), cy + reach + 1)
        c, d = max(0, cx - reach), min(rows.shape[1], cx + reach + 1)
        if a < b and c < d:
            v = np.exp(-0.5 * ((np.arange(a, b) - y) / sigma) ** 2)
            u = np.exp(-0.5 * ((np.arange(c, d) - x) / sigma) ** 2)
            rows[a - y0 : b - y0, c:d] += (peak * v[:, None] * u[None, :]).astype(np.float32)
