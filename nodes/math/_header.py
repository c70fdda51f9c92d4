"""Numbers out of an image's header, for PixelMath's keyword and property functions."""

from __future__ import annotations

from ...engine.api import Frame, ParameterError, Scalar
from ._meanings import Header

# XISF property -> normalised word, and how many of the word's units make one of the property's.
PROPERTIES = {
    "Instrument:ExposureTime": ("exposure", 1.0),
    "Instrument:Sensor:Temperature": ("temperature", 1.0),
    "Instrument:Sensor:TargetTemperature": ("set_temperature", 1.0),
    "Instrument:Camera:Gain": ("egain", 1.0),
    "Instrument:Camera:ISOSpeed": ("iso", 1.0),
    "Instrument:Camera:XBinning": ("binning_x", 1.0),
    "Instrument:Camera:YBinning": ("binning_y", 1.0),
    "Instrument:Sensor:XPixelSize": ("pixel_size", 1.0),
    "Instrument:Telescope:FocalLength": ("focal_length", 1000.0),
}


def number(asked: Header, frame: Frame) -> float:
    """Return what the header of *frame* says, or raise with what it has instead."""
    is_keyword = asked.kind.startswith("keyword")
    found, value = _keyword(asked.key, frame) if is_keyword else _property(asked.key, frame)
    if asked.kind.endswith("defined"):
        return float(found)
    what = f"the {'keyword' if is_keyword else 'property'} {asked.key!r} of {asked.image}"
    if not found:
        raise ParameterError(f"PixelMath: {what} is not there; {asked.kind.replace('value', 'defined')}() tells")
    try:
        return float(value)  # type: ignore[arg-type]  # None is refused below
    except (TypeError, ValueError):
        raise ParameterError(f"PixelMath: {what} should be a number, is {value!r}") from None


def _keyword(key: str, frame: Frame) -> tuple[bool, Scalar]:
    wanted = key.upper()
    for name, value, _ in (*frame.header, *frame.wcs):
        if name.upper() == wanted:
            return True, value
    return False, None


def _property(key: str, frame: Frame) -> tuple[bool, Scalar]:
    """Look for a property of the file first, then for a normalised word by its name or by that of its property."""
    for name, value, _ in frame.header:
        if name == key and ":" in name:
            return True, value
    word, factor = PROPERTIES.get(key, (key, 1.0))
    value = frame.word(word)
    if value is None:
        return False, None
    return True, value if factor == 1.0 else float(value) / factor
