"""The source of the interpolation kernel: straight-line code for a number of taps, written out and compiled.

Loops over taps, even of known length, were measured three times slower than the same sums written out
(12 against 33 million pixels a second for Lanczos-3 on one core).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ...engine.api import generated_module


@lru_cache
def kernel(taps: int, clamp: str) -> Callable[..., None]:
    """Return the kernel of *taps* by *taps* samples; *clamp* is ``none``, ``undershoot`` or ``lobes``."""
    made: Any = generated_module(f"warp{taps}_{clamp}", source(taps, clamp))
    run: Callable[..., None] = made.run
    return run


def source(taps: int, clamp: str) -> str:
    """Return the text of a module with one function, ``run``.

    It leaves NaN where the window reaches beyond the tile or holds a missing sample.
    """
    n = taps // 2
    body = [
        "x, y = at_x[i, j], at_y[i, j]",
        # Places lie above -1, or are -9: after adding one, cutting off the fraction is the floor.
        "fx, fy = int(x + 1.0) - 1, int(y + 1.0) - 1",
        "kx, ky = int((x - fx) * 4096 + 0.5), int((y - fy) * 4096 + 0.5)",
        f"c, r = fx - {n - 1} - ox, fy - {n - 1} - oy",
        f"if r < 0 or c < 0 or r + {taps} > height or c + {taps} > width or kx < 0 or ky < 0:",
        "    out[i, j] = np.nan",
        "    continue",
        *(f"w{b} = weights[kx, {b}]" for b in range(taps)),
        *_sums(taps, clamp),
        *{"none": [], "undershoot": _UNDERSHOOT, "lobes": _LOBES}[clamp],
        "out[i, j] = value",
    ]
    head = (
        "import numba\nimport numpy as np\n\n\n"
        '@numba.njit(cache=True, nogil=True, error_model="numpy")\n'
        "def run(plane, oy, ox, at_x, at_y, weights, positive, noise, threshold, zero, out):\n"
        "    height, width = plane.shape\n"
        "    for i in range(out.shape[0]):\n"
        "        for j in range(out.shape[1]):\n"
    )
    return head + "".join(f"            {line}\n" for line in body)


def _sums(taps: int, clamp: str) -> list[str]:
    """Return lines that sum the window: *plus* over products of positive weights, *minus* over the others.

    Which weights are negative is a matter of the tap alone: the lobes of sinc alternate outward.
    """
    ups = [b for b in range(taps) if _lobe(b, taps) % 2 == 0]
    downs = [b for b in range(taps) if b not in ups]
    lines = ["low = plane[r, c]"] if clamp == "undershoot" else []
    for a in range(taps):
        lines += [f"v{b} = plane[r + {a}, c + {b}]" for b in range(taps)]
        if clamp == "undershoot":
            lines += [f"low = v{b} if v{b} < low else low" for b in range(taps)]
        lines.append("up = " + " + ".join(f"v{b} * w{b}" for b in ups))
        lines.append("down = " + (" + ".join(f"v{b} * w{b}" for b in downs) or "0.0"))
        lines.append(f"w = weights[ky, {a}]")
        same, other = ("up", "down") if a in ups else ("down", "up")
        add = "=" if a == 0 else "+="
        lines += [f"plus {add} w * {same}", f"minus {add} w * {other}"]
    return [*lines, "value = plus + minus"]


def _lobe(tap: int, taps: int) -> int:
    """Return which lobe of the filter *tap* always falls into, counted from the centre."""
    n = taps // 2
    return n - 1 - tap if tap < n else tap - n


# The window's lowest sample is the floor. In noise an honest value lies a little below it now and then: there
# half a sigma more is left; where lobes pull by more than noise does (1.5 sigma; here 4 to 8), nothing.
_UNDERSHOOT = [
    "if value < low:",
    "    lobe = positive[ky] * (positive[kx] - 1.0) + (positive[ky] - 1.0) * positive[kx]",
    "    pull = -minus - low * lobe",
    "    room = 0.5 * noise",
    "    if pull > 4.0 * noise:",
    "        room = 0.0 if pull >= 8.0 * noise else room * (2.0 - pull / (4.0 * noise))",
    "    if value < low - room:",
    "        value = low - room",
]

# s+, s-, w+, w- and r = s- / s+ of the published formula, for samples above black.
_LOBES = [
    "lobe = positive[ky] * (positive[kx] - 1.0) + (positive[ky] - 1.0) * positive[kx]",
    "light, pull = plus - zero * (1.0 + lobe), -minus - zero * lobe",
    "if pull > threshold * light:",
    "    if pull >= light:",
    "        value = zero + light / (1.0 + lobe)",
    "    else:",
    "        q = (pull / light - threshold) / (1.0 - threshold)",
    "        kept = 1.0 - q * q",
    "        value = zero + (light - pull * kept) / (1.0 + lobe - lobe * kept)",
]
