"""From a motion on the sky to one over pixels, by the linear part of a celestial solution."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...engine.api import Card, ParameterError
from ._maps import Floats


def pixels_an_hour(wcs: tuple[Card, ...], rate: float, position_angle: float, owner: str) -> list[float]:
    """Return how far along x and y something moves in an hour.

    Parameters
    ----------
    wcs
        The FITS words of a celestial solution in the tangential projection (or one that is like it near its pole).
    rate, position_angle
        Seconds of arc an hour; degrees from north through east.

    Raises
    ------
    ParameterError
        There is no solution.
    """
    words = {k: float(v) for k, v, _ in wcs if isinstance(v, int | float) and not isinstance(v, bool)}
    matrix = _degrees_a_pixel(words)
    if matrix is None or not abs(np.linalg.det(matrix)) > 0.0:
        raise ParameterError(
            f"{owner}: sky_rate wants a celestial solution of the reference (CD, or CDELT with PC or CROTA2), "
            f"its header has {', '.join(sorted(words)) or 'none'}; give rate_x and rate_y instead"
        )
    angle = math.radians(position_angle)
    # The first intermediate coordinate grows to the east, the second to the north (Greisen & Calabretta 2002).
    degrees = np.array([math.sin(angle), math.cos(angle)]) * rate / 3600.0
    found: list[float] = np.linalg.solve(matrix, degrees).tolist()
    return found


def _degrees_a_pixel(words: Mapping[str, float]) -> Floats | None:
    """Return the matrix from pixels to intermediate world coordinates; Calabretta & Greisen (2002), section 2.1."""
    if any(f"CD{i}_{j}" in words for i in (1, 2) for j in (1, 2)):
        return np.array([[words.get(f"CD{i}_{j}", 0.0) for j in (1, 2)] for i in (1, 2)])
    if "CDELT1" not in words or "CDELT2" not in words:
        return None
    steps = np.array([words["CDELT1"], words["CDELT2"]])
    if any(f"PC{i}_{j}" in words for i in (1, 2) for j in (1, 2)):
        turn = np.array([[words.get(f"PC{i}_{j}", float(i == j)) for j in (1, 2)] for i in (1, 2)])
        return np.asarray(steps[:, None] * turn)
    angle = math.radians(words.get("CROTA2", 0.0))
    c, s = math.cos(angle), math.sin(angle)
    # The old form turns after it scales.
    return np.asarray(np.array([[c, -s], [s, c]]) * steps[None, :])
