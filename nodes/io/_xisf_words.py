"""What the words of an XISF file mean for a Frame, and which words a Frame gives to a file.

Property names and units are those of the XISF 1.0 specification, section 11. Where a property and a FITS
keyword tell of the same thing the property counts: PixInsight keeps only properties up to date.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ...engine.api import Card, Frame, Scalar, SourceError, State, Word
from ._cards import is_wcs
from ._words import normalise, number
from ._xisf_header import XisfImage
from ._xisf_wcs import flipped

Color = Literal["gray", "rgb", "planes"]

# Property, the FITS keyword that means the same, and the factor from the property's unit to the keyword's.
_SAME = (
    ("Instrument:ExposureTime", "EXPTIME", 1.0),
    ("Instrument:Filter:Name", "FILTER", 1.0),
    ("Instrument:Sensor:Temperature", "CCD-TEMP", 1.0),
    ("Instrument:Sensor:TargetTemperature", "SET-TEMP", 1.0),
    ("Instrument:Camera:ISOSpeed", "ISOSPEED", 1.0),
    ("Instrument:Camera:XBinning", "XBINNING", 1.0),
    ("Instrument:Camera:YBinning", "YBINNING", 1.0),
    ("Instrument:Camera:Name", "INSTRUME", 1.0),
    ("Instrument:Sensor:XPixelSize", "XPIXSZ", 1.0),
    ("Instrument:Telescope:Name", "TELESCOP", 1.0),
    ("Instrument:Telescope:FocalLength", "FOCALLEN", 1000.0),
    ("Instrument:Focuser:Position", "FOCUSPOS", 1.0),
    ("Observation:Object:Name", "OBJECT", 1.0),
    ("Observation:Time:Start", "DATE-OBS", 1.0),
    ("Observation:Time:End", "DATE-END", 1.0),
    ("Observation:Location:Latitude", "SITELAT", 1.0),
    ("Observation:Location:Longitude", "SITELONG", 1.0),
)
_PAIRS = (("Observation:Center:RA", "Observation:Center:Dec"), ("Observation:Object:RA", "Observation:Object:Dec"))

# Normalised word -> property, its type, and how many of the word's units make one of the property's.
WORD_PROPERTIES = (
    ("exposure", "Instrument:ExposureTime", "Float32", 1.0),
    ("filter", "Instrument:Filter:Name", "String", 1.0),
    ("temperature", "Instrument:Sensor:Temperature", "Float32", 1.0),
    ("set_temperature", "Instrument:Sensor:TargetTemperature", "Float32", 1.0),
    ("egain", "Instrument:Camera:Gain", "Float32", 1.0),
    ("iso", "Instrument:Camera:ISOSpeed", "Int32", 1.0),
    ("binning_x", "Instrument:Camera:XBinning", "Int32", 1.0),
    ("binning_y", "Instrument:Camera:YBinning", "Int32", 1.0),
    ("camera", "Instrument:Camera:Name", "String", 1.0),
    ("pixel_size", "Instrument:Sensor:XPixelSize", "Float32", 1.0),
    ("telescope", "Instrument:Telescope:Name", "String", 1.0),
    ("focal_length", "Instrument:Telescope:FocalLength", "Float32", 1000.0),
    ("object", "Observation:Object:Name", "String", 1.0),
    ("start_time", "Observation:Time:Start", "TimePoint", 1.0),
    ("end_time", "Observation:Time:End", "TimePoint", 1.0),
)

# imageType attribute <-> normalised frame type
KINDS = {
    "light": "Light", "dark": "Dark", "flat": "Flat", "bias": "Bias", "master-light": "MasterLight",
    "master-dark": "MasterDark", "master-flat": "MasterFlat", "master-bias": "MasterBias",
}  # fmt: skip

_MARK = "XISF "
CREATOR = "lerarlink"


def frame_of(image: XisfImage, path: Path) -> Frame:
    """Return the frame of an image.

    The first row of an XISF image is the top of the picture, unless this package stored a bottom-up frame
    and says so in the property ``Lerarlink:Orientation``. Celestial solutions are turned to storage order.
    """
    color = _color(image, path)
    bottom_up = image.property("Lerarlink:Orientation") == "bottom-up"
    words = _words(image, path, bottom_up)
    state: State = "stretched" if image.property("Lerarlink:State") == "stretched" else "linear"
    unit = image.property("Lerarlink:Unit")
    return Frame(
        width=image.width,
        height=image.height,
        channels=image.channels,
        bounds=image.bounds,
        unit=unit if isinstance(unit, str) else "",
        state=state,
        color=color,
        cfa=_cfa(image, words),
        orientation="bottom-up" if bottom_up else "top-down",
        wcs=flipped(tuple(card for card in image.cards if is_wcs(card[0])), image.height),
        words=tuple(sorted(words.items())),
        header=image.cards + _foreign(image.properties),
    )


def _foreign(properties: tuple[Card, ...]) -> tuple[Card, ...]:
    """Return properties as header cards, but for those by which this package says what the frame says."""
    return tuple(
        (name, value, _MARK + kind) for name, value, kind in properties if not name.startswith("Lerarlink:")
    )


def kept_properties(header: tuple[Card, ...]) -> tuple[Card, ...]:
    """Return the properties that `frame_of` put among the header cards, as (id, value, type).

    Those that describe the file they came from, and those that this package writes itself, are left out.
    """
    written = {name for _, name, _, _ in WORD_PROPERTIES}
    return tuple(
        (name, value, comment.removeprefix(_MARK))
        for name, value, comment in header
        if comment.startswith(_MARK)
        and ":" in name
        and name not in written
        and not name.startswith(("XISF:", "PCL:CFASourcePattern", "PCL:AstrometricSolution"))
    )


def is_property(card: Card) -> bool:
    """Return whether a header card is really a property of an XISF file."""
    return ":" in card[0]


def _color(image: XisfImage, path: Path) -> Color:
    if image.color == "CIELab":
        raise SourceError(f"{path}: images in CIELab cannot be read, convert them to RGB")
    if image.color == "RGB":
        if image.channels < 3:
            raise SourceError(f"{path}: an RGB image wants 3 channels or more, got {image.channels}")
        return "rgb"
    return "planes" if image.property("Lerarlink:Color") == "planes" else "gray"


# -- words --------------------------------------------------------------------------------------------


def _words(image: XisfImage, path: Path, bottom_up: bool) -> dict[str, Word]:
    """Normalise the keywords, then let properties and the imageType attribute speak."""
    # PixInsight does not ask ROWORDER within an XISF file, so its patterns begin at the first stored row.
    top_down: Card = ("ROWORDER", "TOP-DOWN", "")
    words = dict(normalise((top_down, *image.cards), str(path)))
    maker = image.property("XISF:CreatorApplication")
    if "program" not in words and maker is not None and maker != CREATOR:
        words = dict(normalise((top_down, *image.cards, ("SWCREATE", maker, "")), str(path)))
        words["program"] = Word(maker, "from XISF:CreatorApplication")
    silent = dict(normalise((top_down,)))
    for cards, rule in _spoken(image):
        found = normalise((top_down, *cards))
        words |= {name: Word(word.value, rule) for name, word in found if word != silent.get(name)}
    if bottom_up:
        words["row_order"] = Word("bottom-up", "from Lerarlink:Orientation")
    else:
        words["row_order"] = Word("top-down", "XISF stores the top row first")
    return words


def _spoken(image: XisfImage) -> list[tuple[tuple[Card, ...], str]]:
    """Return cards that say what properties and attributes say, each with the rule to be noted."""
    found: list[tuple[tuple[Card, ...], str]] = []
    for name, keyword, factor in _SAME:
        value = image.property(name)
        if value is not None:
            found.append((((keyword, _scaled(value, factor), ""),), f"from {name}"))
    for ra, dec in _PAIRS:
        if image.property(ra) is not None and image.property(dec) is not None:
            cards: tuple[Card, ...] = (("RA", image.property(ra), ""), ("DEC", image.property(dec), ""))
            found.append((cards, f"from {ra}"))
            break
    if gain := number(image.property("Instrument:Camera:Gain")):
        # By the specification e-/ADU; many programs put the camera's setting there.
        if gain < 10:
            found.append(((("EGAIN", gain, ""),), "from Instrument:Camera:Gain, e-/ADU"))
        else:
            rule = "from Instrument:Camera:Gain, 10 or more: taken as the camera's setting"
            found.append(((("GAIN", gain, ""),), rule))
    if image.kind:
        found.append(((("IMAGETYP", image.kind, ""),), "from imageType"))
    return found


def _scaled(value: Scalar, factor: float) -> Scalar:
    x = number(value)
    return value if x is None or factor == 1.0 else x * factor


def _cfa(image: XisfImage, words: dict[str, Word]) -> str | None:
    """Return the mosaic's letters: of the element, of PixInsight's property, of BAYERPAT; None for others.

    Mosaics of other colours or cells (CYGM, RGBW) are left as images of one channel.
    """
    if image.pattern is not None:
        letters, height, width = image.pattern
        return letters if (height, width) in ((2, 2), (6, 6)) and set(letters) == set("RGB") else None
    for name in ("PCL:CFASourcePattern", "PCL:CFASourcePatternName"):
        given = image.property(name)
        if isinstance(given, str) and len(given) in (4, 36) and set(given.upper()) == set("RGB"):
            return given.upper()
    word = words.get("cfa")
    return str(word.value) if word is not None and image.channels == 1 else None
