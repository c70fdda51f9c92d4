"""From the telescope to the solar system's barycentre. The door to astropy of this family.

Earth's place comes from the ephemeris built into ERFA (epv00, after VSOP2000; good to some kilometres, which is
microseconds of light), Earth's turn from the tables installed with astropy: nothing is downloaded.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Frame
from ._stamps import DAY, SECOND

Place = tuple[float, float, float]
"""Longitude (east positive) and latitude in degrees, height in metres."""
Target = tuple[float, float]
"""Right ascension and declination, ICRS, in degrees."""

_DEGRADED = (
    "the accuracy of the barycentric correction is degraded: the installed tables of leap seconds and of Earth's turn "
    "do not cover these times"
)


def target_of(frame: Frame) -> Target | None:
    """Return where *frame* points: the centre of its celestial solution, else what its header says of the target."""
    if frame.wcs:
        found = _centre(frame)
        if found is not None:
            return found
    ra, dec = frame.word("ra"), frame.word("dec")
    if isinstance(ra, int | float) and isinstance(dec, int | float):
        return float(ra), float(dec)
    return None


def _centre(frame: Frame) -> Target | None:
    from astropy.io import fits
    from astropy.wcs import WCS

    header = fits.Header()
    for keyword, value, _ in frame.wcs:
        header[keyword] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            world = WCS(header, naxis=2).celestial.pixel_to_world((frame.width - 1) / 2, (frame.height - 1) / 2)
            icrs = world.icrs
        except Exception:  # a solution that astropy cannot use is no solution: the header's target counts
            return None
    ra, dec = float(icrs.ra.deg), float(icrs.dec.deg)
    return (ra, dec) if np.isfinite(ra) and np.isfinite(dec) else None


def site_of(frame: Frame) -> Place | None:
    """Return where *frame* was taken, at sea level; None where its header does not say."""
    east, north = frame.word("site_longitude"), frame.word("site_latitude")
    if isinstance(east, int | float) and isinstance(north, int | float):
        return float(east), float(north), 0.0
    return None


def barycentric_ns(
    middles: Sequence[int], scale: str, target: Target, site: Place
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return barycentric times in TDB, and what is doubtful about them.

    Parameters
    ----------
    middles
        Nanoseconds since the modified Julian date 0, in *scale* (``utc``, ``tai`` or ``tdb``).

    Returns
    -------
    array of int64, list of sentences
        Nanoseconds since the modified Julian date 0, TDB.
    """
    from astropy import units
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    place = EarthLocation.from_geodetic(site[0], site[1], site[2])
    whole = np.array([m // DAY for m in middles], np.float64)
    part = np.array([m % DAY for m in middles], np.float64) / DAY
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("iers_degraded_accuracy", "warn"),
        # Old predictions are wrong by milliseconds of Earth's turn, which is nothing here: no error because of them.
        iers.conf.set_temp("auto_max_age", None),
        warnings.catch_warnings(record=True) as told,
    ):
        warnings.simplefilter("always")
        time = Time(whole + 2400000.5, part, format="jd", scale=scale, location=place)
        sky = SkyCoord(target[0] * units.deg, target[1] * units.deg, frame="icrs")
        light = time.light_travel_time(sky, kind="barycentric", ephemeris="builtin")
        bary: Any = time.tdb + light
    # Two floats hold the date; both halves go to whole nanoseconds on their own, so that nothing is rounded twice.
    days = np.rint(bary.jd1 - 2400000.5)
    rest = (bary.jd1 - 2400000.5 - days) + bary.jd2
    ns = days.astype(np.int64) * DAY + np.rint(rest * DAY).astype(np.int64)
    return ns, [_DEGRADED] if told else []


def change_of_correction(middles: Sequence[int], scale: str, target: Target, site: Place) -> float:
    """Return by how many seconds the correction changes over a series, told by nine moments of it."""
    first, last = min(middles), max(middles)
    some = sorted({first + (last - first) * i // 8 for i in range(9)})
    bary, _ = barycentric_ns(some, scale, target, site)
    away = [int(b) - m for b, m in zip(bary, some, strict=True)]
    return (max(away) - min(away)) / SECOND
