"""Sky and pixels: the celestial solution of a frame, by astropy, which knows all projections and SIP."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from ...engine.api import Card, Frame, ParameterError
from ._polygons import Vertices


def has_solution(frame: Frame) -> bool:
    """Return whether *frame* has a celestial solution in degrees of right ascension and declination."""
    try:
        _solution(frame.wcs)
    except ParameterError:
        return False
    return True


def to_pixels(frame: Frame, sky: Vertices, owner: str) -> Vertices:
    """Return where places on the sky (ICRS degrees) lie in *frame*; NaN where they lie nowhere.

    Raises
    ------
    ParameterError
        LRN-2: the frame has no celestial solution.
    """
    from astropy.wcs import NoConvergence

    wcs = _needed(frame, owner)
    try:
        x, y = wcs.all_world2pix(sky[:, 0], sky[:, 1], 0, tolerance=1e-6, maxiter=60)
    except NoConvergence as e:
        x, y = np.asarray(e.best_solution).T
        wrong = np.zeros(len(x), bool)
        for bad in (e.divergent, e.slow_conv):
            if bad is not None:
                wrong[bad] = True
        x, y = np.where(wrong, np.nan, x), np.where(wrong, np.nan, y)
    return np.column_stack([x, y])


def to_sky(frame: Frame, places: Vertices, owner: str) -> Vertices:
    """Return right ascension and declination (degrees) of places in *frame*."""
    ra, dec = _needed(frame, owner).all_pix2world(places[:, 0], places[:, 1], 0)
    return np.column_stack([ra, dec])


def scale_and_rotation(frame: Frame, x: float, y: float) -> tuple[float, float]:
    """Return seconds of arc a pixel at a place, and the position angle of the rows' direction up, in degrees.

    The angle is that from north through east of the direction in which rows rise in storage order. NaN without a
    solution.
    """
    if not has_solution(frame):
        return math.nan, math.nan
    at = np.array([(x - 0.5, y), (x + 0.5, y), (x, y - 0.5), (x, y + 0.5)])
    ra, dec = np.radians(to_sky(frame, at, "")).T
    # Small steps in a plane that touches the sphere there.
    east = (ra - ra.mean() + math.pi) % (2.0 * math.pi) - math.pi
    east, north = east * math.cos(float(dec.mean())), dec - dec.mean()
    across = math.hypot(east[1] - east[0], north[1] - north[0])
    along = math.hypot(east[3] - east[2], north[3] - north[2])
    angle = math.degrees(math.atan2(east[3] - east[2], north[3] - north[2]))
    return math.degrees(math.sqrt(across * along)) * 3600.0, angle


def tangent_offsets(ra: float, dec: float, east: Any, north: Any) -> Vertices:
    """Return places that lie so many seconds of arc east and north of one on the tangent plane there."""
    xi, eta = np.radians(np.asarray(east) / 3600.0), np.radians(np.asarray(north) / 3600.0)
    r0, d0 = math.radians(ra), math.radians(dec)
    below = math.cos(d0) - eta * math.sin(d0)
    r = r0 + np.arctan2(xi, below)
    d = np.arctan2(math.sin(d0) + eta * math.cos(d0), np.hypot(xi, below))
    return np.column_stack([np.degrees(r) % 360.0, np.degrees(d)])


def _needed(frame: Frame, owner: str) -> Any:
    try:
        return _solution(frame.wcs)
    except ParameterError as e:
        raise ParameterError(f"{owner}: LRN-2: {e}; solve it first, or give the region in pixels") from None


@lru_cache(64)
def _solution(cards: tuple[Card, ...]) -> Any:
    from astropy.io import fits
    from astropy.wcs import WCS

    if not any(k in ("CRVAL1", "CRVAL2") for k, _, _ in cards):
        raise ParameterError("the image has no celestial solution")
    header = fits.Header()
    for keyword, value, comment in cards:
        if not keyword.startswith("NAXIS"):
            header[keyword] = (value, comment)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about words that other programs wrote a little differently
        try:
            wcs = WCS(header, naxis=2)
        except Exception as e:
            raise ParameterError(f"the image's celestial solution cannot be read: {e}") from e
    if wcs.sip is not None and not all(t.endswith("-SIP") for t in wcs.wcs.ctype):
        wcs.sip = None
    if not wcs.has_celestial or wcs.wcs.lngtyp.strip() != "RA":
        raise ParameterError(f"the image's solution is none in right ascension: {', '.join(wcs.wcs.ctype)}")
    return wcs
