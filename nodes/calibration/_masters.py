"""What all steps of a calibration ask of a light and its master frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Frame, Known, ParameterError, Tile

_DN = 65535.0


def linked(known: Known, *names: str) -> dict[str, Frame]:
    """Return the frames of those of the ports *names* that are linked, in order."""
    return {name: known.of(name) for name in names if name in known.frames}


def must_fit(frames: dict[str, Frame], owner: str) -> None:
    """Raise ParameterError unless all *frames* have the size and channels of the first, naming both sides."""
    (first, wanted), *others = frames.items()
    for name, frame in others:
        if not frame.same_size(wanted):
            raise ParameterError(
                f"{owner}: {name} is {frame.width}x{frame.height}, {first} is {wanted.width}x{wanted.height}"
            )
        if frame.nominal != wanted.nominal:
            raise ParameterError(
                f"{owner}: {name} has {frame.nominal} channels, {first} has {wanted.nominal} (alpha apart)"
            )


def samples(tile: Tile, frame: Frame) -> npt.NDArray[np.float64]:
    """Return the channels of *tile* that carry light, as float64.

    What is not finite is NaN, so that one test finds all missing samples.
    """
    x = tile[: frame.nominal].astype(np.float64)
    x[~np.isfinite(x)] = np.nan
    return x


def data_number(frame: Frame) -> float:
    """Return the size of one data number: the range of the frame in 65535 parts, as PixInsight counts.

    Bounds that do not begin at 0 were taken from the samples and say nothing about the range.
    """
    lo, hi = frame.known_bounds()
    if lo == 0.0:
        return hi / _DN
    return 1.0 / _DN if _is_normalised(frame) else 1.0


def conversion(known: Known, name: str, to: str) -> float:
    """Return what samples of port *name* are multiplied by to be in the unit of port *to*.

    That is 1, except between a frame in [0, 1] and one that is not, as when masters come from a
    program that normalises. Bounds that were taken from samples (they do not begin at 0) cannot tell it.
    """
    one, other = known.of(name), known.of(to)
    if _is_normalised(one) == _is_normalised(other):
        return 1.0
    counted, its = (other, to) if _is_normalised(one) else (one, name)
    if counted.lo != 0.0:
        raise ParameterError(
            f"{name} has bounds {one.bounds} and {to} has {other.bounds}: one is normalised, and the range "
            f"of {its} is not known; give the bounds of {its} where it is read"
        )
    return counted.hi if counted is other else 1.0 / counted.hi


def told(known: Known, port: str, what: str, maker: str) -> Any:
    """Return *what* of the Value at *port*, which the process *maker* must have made."""
    value = known.values[port]
    if not isinstance(value, dict) or what not in value:
        raise ParameterError(f"{port} must be what {maker} measured, got a Value without '{what}'")
    return value[what]


def _is_normalised(frame: Frame) -> bool:
    return frame.hi <= 1.0
