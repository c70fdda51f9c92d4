"""Values of a fixed form that travel between processes: times, series and tables.

Each is a plain dictionary, as the store keeps it; these functions make it and check what was given. Further keys
are allowed in each and are handed on as they are.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ParameterError

Floats = npt.NDArray[np.float64]

SCALES = ("utc", "tai", "tdb")
REFERENCES = ("topocentric", "barycentric")
_MJD_ZERO = dt.datetime(1858, 11, 17)


# -- times ------------------------------------------------------------------------------------------


def times_value(
    times_ns: Iterable[int],
    exposure_s: Iterable[float],
    *,
    epoch: str,
    scale: str = "utc",
    reference: str = "topocentric",
    quantum_s: float = 0.0,
    row_time_s: float = 0.0,
    source: str = "given",
    order: Iterable[int] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return a Value of type ``times``: when each frame of a series was exposed.

    Parameters
    ----------
    times_ns
        Middles of the exposures in whole nanoseconds since *epoch*, one a frame.
    exposure_s
        From the beginning of each exposure to its end, in seconds; 0 where that is unknown.
    epoch
        ISO 8601 without a zone, read in *scale* (so that of ``utc`` it is UTC).
    scale
        ``utc`` (days of 86400 s, as clocks show it), ``tai`` or ``tdb``.
    reference
        ``topocentric``: as light came to the telescope; ``barycentric``: as it would have come to the solar
        system's barycentre.
    quantum_s
        The finest difference that the stamps could tell; 0 where that is unknown.
    row_time_s
        Of a rolling shutter: row *r* is exposed that many seconds times *r* later.
    source
        Where the times come from, for people.
    order
        The frames to be used, by rising time; None: all of them.
    more
        Further keys, such as ``notes``, a list of sentences.

    Raises
    ------
    ParameterError
        Lists of different lengths, an unknown scale or reference, an epoch that is no date, frames out of order.
    """
    stamps, exposures = [int(t) for t in times_ns], [float(e) for e in exposure_s]
    chosen = sorted(range(len(stamps)), key=lambda i: (stamps[i], i)) if order is None else [int(i) for i in order]
    value = {
        **more,
        "times_ns": stamps,
        "epoch": epoch,
        "scale": scale,
        "reference": reference,
        "exposure_s": exposures,
        "quantum_s": float(quantum_s),
        "row_time_s": float(row_time_s),
        "source": source,
        "order": chosen,
    }
    check_times(value)
    return value


def check_times(value: Any) -> None:
    """Raise ParameterError unless *value* is a Value of type ``times``."""
    _wanted(value, "times", ("times_ns", "epoch", "scale", "reference", "exposure_s", "quantum_s", "order"))
    n = len(value["times_ns"])
    if len(value["exposure_s"]) != n:
        raise ParameterError(f"times: {n} times want {n} exposures, got {len(value['exposure_s'])}")
    for key, known in (("scale", SCALES), ("reference", REFERENCES)):
        if value[key] not in known:
            raise ParameterError(f"times: {key} must be one of {', '.join(known)}, got {value[key]!r}")
    epoch_mjd(value)
    order = value["order"]
    if any(not 0 <= i < n for i in order) or len(set(order)) != len(order):
        raise ParameterError(f"times: order must name each frame of 0 .. {n - 1} once at most, got {order}")
    if any(value["times_ns"][a] > value["times_ns"][b] for a, b in itertools.pairwise(order)):
        raise ParameterError("times: order must name the frames by rising time")


def used_frames(times: Mapping[str, Any]) -> npt.NDArray[np.intp]:
    """Return the frames that *times* uses, by rising time."""
    return np.array(times["order"], np.intp)


def seconds_of(times: Mapping[str, Any]) -> Floats:
    """Return the seconds since the epoch of the frames in `used_frames`, in that order."""
    stamps = np.array(times["times_ns"], np.int64)[used_frames(times)]
    # Whole seconds and the rest apart: a sum of the two is rounded once.
    return stamps // 10**9 + (stamps % 10**9) * 1e-9


def exposures_of(times: Mapping[str, Any]) -> Floats:
    """Return the exposures in seconds of the frames in `used_frames`, in that order."""
    return np.array(times["exposure_s"], np.float64)[used_frames(times)]


def epoch_mjd(times: Mapping[str, Any]) -> tuple[int, float]:
    """Return the epoch as a modified Julian date in the scale of *times*: the day, and the seconds of it.

    Raises
    ------
    ParameterError
        The epoch is no ISO date and time, or has a zone.
    """
    try:
        moment = dt.datetime.fromisoformat(times["epoch"])
    except (TypeError, ValueError) as e:
        raise ParameterError(f"times: epoch must be an ISO date and time, got {times['epoch']!r}") from e
    if moment.tzinfo is not None:
        raise ParameterError(f"times: epoch must have no zone, got {times['epoch']!r}")
    since = moment - _MJD_ZERO
    return since.days, since.seconds + since.microseconds * 1e-6


def seconds_since_epoch(times: Mapping[str, Any], julian_date: float) -> float:
    """Return how many seconds after the epoch a Julian date lies, which is read in the scale of *times*."""
    day, seconds = epoch_mjd(times)
    whole = int(np.floor(julian_date))
    return (whole - 2400000 - day) * 86400.0 + (julian_date - whole - 0.5) * 86400.0 - seconds


def julian_dates(times: Mapping[str, Any], seconds: Any) -> Floats:
    """Return *seconds* since the epoch as Julian dates in the scale of *times* (good to some 40 microseconds)."""
    day, start = epoch_mjd(times)
    found: Floats = (day + 2400000.5) + (np.asarray(seconds, np.float64) + start) / 86400.0
    return found


# -- series -----------------------------------------------------------------------------------------


def series_value(
    time_s: Any, value: Any, error: Any = (), *, unit: str = "", epoch: str = "", **more: Any
) -> dict[str, Any]:
    """Return a Value of type ``series``: a curve over time (or, by ``axis``, over something else).

    Parameters
    ----------
    time_s
        Seconds since *epoch*; of a spectrum Hz, with ``axis="frequency_hz"`` among *more*.
    value, error
        As long as *time_s*; no errors at all where they are unknown.
    unit
        That of value and error.
    epoch
        As of ``times``; empty where there is none, such as of a folded curve.

    Raises
    ------
    ParameterError
        The lists are not equally long.
    """
    made = {
        **more,
        "time_s": _plain(time_s),
        "value": _plain(value),
        "error": _plain(error),
        "unit": unit,
        "epoch": epoch,
    }
    check_series(made)
    return made


def check_series(value: Any) -> None:
    """Raise ParameterError unless *value* is a Value of type ``series``."""
    _wanted(value, "series", ("time_s", "value", "error", "unit"))
    n = len(value["time_s"])
    if len(value["value"]) != n or len(value["error"]) not in (0, n):
        raise ParameterError(
            f"series: {n} times want {n} values and as many errors or none, got {len(value['value'])} and "
            f"{len(value['error'])}"
        )


# -- tables -----------------------------------------------------------------------------------------


def table_value(columns: Mapping[str, Any], units: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return a Value of type ``table``: named columns of one length.

    Raises
    ------
    ParameterError
        Columns of different lengths, or a unit of no column.
    """
    made = {**more, "columns": {k: _plain(v) for k, v in columns.items()}, "units": dict(units or {})}
    check_table(made)
    return made


def check_table(value: Any) -> None:
    """Raise ParameterError unless *value* is a Value of type ``table``."""
    _wanted(value, "table", ("columns", "units"))
    lengths = {name: len(column) for name, column in value["columns"].items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r} has {n}" for name, n in lengths.items())
        raise ParameterError(f"table: columns must be equally long: {told}")
    if unknown := sorted(set(value["units"]) - set(lengths)):
        raise ParameterError(f"table: units are given for {', '.join(map(repr, unknown))}, which are no columns")


def column_of(table: Mapping[str, Any], name: str) -> Floats:
    """Return a column of numbers, missing ones as NaN.

    Raises
    ------
    ParameterError
        There is no such column; the message names those there are.
    """
    columns = table["columns"]
    if name not in columns:
        raise ParameterError(f"table: there is no column {name!r}; it has {', '.join(columns) or 'none'}")
    return np.array([np.nan if v is None else v for v in columns[name]], np.float64)


def _plain(values: Any) -> list[Any]:
    found: list[Any] = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return found


def _wanted(value: Any, what: str, keys: Sequence[str]) -> None:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{what}: a dictionary was wanted, got {type(value).__name__}")
    if missing := [k for k in keys if k not in value]:
        raise ParameterError(f"{what}: {', '.join(missing)} missing; it has {', '.join(map(str, value)) or 'nothing'}")
