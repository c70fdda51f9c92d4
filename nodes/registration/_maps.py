"""Maps between the pixel grids of two images: how they are written down, evaluated and composed.

A map is a list of steps, applied in order; a step is a dict of plain data::

    {"matrix": (3, 3)}                                    a projective matrix
    {"matrix": (3, 3), "domain": [x0, y0, x1, y1], "coefficients": (2, d + 1, d + 1)}

The second adds to what the matrix gives a Chebyshev polynomial of the place *before* the step:
``chebval2d(u, v, coefficients[k])`` pixels along x (k = 0) and y (k = 1), where u and v run from -1 to 1 over
the domain. Outside the domain the polynomial keeps the value it has on its border, so it never runs away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial.chebyshev import chebval2d

Floats = npt.NDArray[np.float64]
Step = dict[str, Any]


def applied(steps: Sequence[Step], x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return where a map takes the places x, y. NaN where a projective matrix has none (at its horizon)."""
    for step in steps:
        x, y = step_applied(step, x, y)
    return x, y


def step_applied(step: Step, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    m = np.asarray(step["matrix"], np.float64)
    w = m[2, 0] * x + m[2, 1] * y + m[2, 2]
    w = np.where(w > 1e-9, w, np.nan)
    px = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / w
    py = (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / w
    if "coefficients" in step:
        u, v = normalised(x, y, step["domain"])
        cx, cy = np.asarray(step["coefficients"], np.float64)
        px, py = px + chebval2d(u, v, cx), py + chebval2d(u, v, cy)
    return px, py


def normalised(x: Floats, y: Floats, domain: Sequence[float]) -> tuple[Floats, Floats]:
    """Return x, y as -1..1 over *domain*, and as -1 or 1 beyond it."""
    x0, y0, x1, y1 = domain
    u = np.clip((2 * x - (x0 + x1)) / (x1 - x0), -1.0, 1.0)
    v = np.clip((2 * y - (y0 + y1)) / (y1 - y0), -1.0, 1.0)
    return u, v


def composed(first: Sequence[Step], then: Sequence[Step]) -> list[Step]:
    """Return the map that does *first* and then *then*; neighbouring matrices become one."""
    steps: list[Step] = []
    for step in (*first, *then):
        before = steps[-1] if steps else None
        if before is not None and "coefficients" not in before and "coefficients" not in step:
            steps[-1] = {"matrix": scaled(product(np.asarray(step["matrix"]), np.asarray(before["matrix"])))}
        else:
            steps.append(dict(step))
    return steps


def product(a: Floats, b: Floats) -> Floats:
    # Written out: a library's matrix product may round differently on other numbers of threads.
    return np.asarray((a[:, :, None] * b[None, :, :]).sum(axis=1), np.float64)


def scaled(m: Floats) -> Floats:
    return np.asarray(m / m[2, 2])


def jacobian(steps: Sequence[Step], x: float, y: float, half: float = 8.0) -> Floats:
    """Return the derivatives of a map around a place, over *half* pixels to each side."""
    xs = np.array([x - half, x + half, x, x])
    ys = np.array([y, y, y - half, y + half])
    px, py = applied(steps, xs, ys)
    columns = [[px[1] - px[0], px[3] - px[2]], [py[1] - py[0], py[3] - py[2]]]
    return np.asarray(columns) / (2 * half)


def overlap(inverse: Sequence[Step], width: int, height: int, reference_width: int, reference_height: int) -> float:
    """Return the part of the reference that lies in an image of *width* by *height*, on a grid of 64 by 64 places."""
    at = (np.arange(64) + 0.5) / 64
    px, py = applied(inverse, *np.meshgrid(at * reference_width - 0.5, at * reference_height - 0.5))
    inside = (px >= -0.5) & (py >= -0.5) & (px < width - 0.5) & (py < height - 0.5)
    return float(inside.mean())
