"""PixInsight's processes on single images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...engine.graph import Link
from .scnr import COLORS, METHODS, add_scnr
from .xpsm_desk import Desk, Unclear
from .xpsm_values import Reading, plain

# -- intensities ----------------------------------------------------------------------------------------


def histogram_transformation(desk: Desk, reading: Reading) -> Link:
    rows = reading.rows("H")
    table = tuple(_five(row) for row in rows)
    if len(table) != 5:
        raise Unclear(f"its table H has {len(table)} rows, 5 are wanted")
    return desk.alike(reading, "HistogramTransformation", table=table)


def _five(row: Mapping[str, str]) -> tuple[float, ...]:
    """Return shadows, midtones, highlights and the expanded range of one row, whatever the order of columns."""
    names = ("c0", "m", "c1", "r0", "r1")
    cells = [row.get(n) for n in names] if set(names) <= set(row) else list(row.values())
    values = [plain(str(c).strip()) for c in cells]
    if len(values) != 5 or not all(isinstance(v, int | float) for v in values):
        raise Unclear("a row of its table H does not hold five numbers")
    return tuple(float(v) for v in values)


def linear_fit(desk: Desk, reading: Reading) -> Link:
    name = reading.text("referenceViewId")
    if not name:
        raise Unclear("it names no reference image")
    return desk.alike(reading, "LinearFit", reference=desk.named(name))


def invert(desk: Desk, reading: Reading) -> Link:
    return desk.alike(reading, "Invert")


def rescale(desk: Desk, reading: Reading) -> Link:
    mode = reading.text("mode", "RGBK").rpartition("::")[2]
    if mode not in ("RGBK", "RGBK_Individual"):
        raise Unclear(f"mode {mode[:40]!r} has no counterpart")
    return desk.alike(reading, "Rescale", per_channel=mode == "RGBK_Individual")


def binarize(desk: Desk, reading: Reading) -> Link:
    params = reading.params("Binarize", {"thresholdRK": "threshold_rk", "thresholdG": "threshold_g",
                                         "thresholdB": "threshold_b", "isGlobal": "is_global"})  # fmt: skip
    return desk.sheet.image("Binarize", reading.instance.name, image=desk.image(), **params)


def scnr(desk: Desk, reading: Reading) -> Link:
    method = reading.text("protectionMethod", "AverageNeutral")
    color = reading.text("colorToRemove", "Green")
    if method not in METHODS or color not in COLORS:
        raise Unclear(f"protection {method[:40]!r} or colour {color[:40]!r} is not known")
    return add_scnr(
        desk.sheet, reading.instance.name, desk.image(), method=method, amount=reading.number("amount", 1.0),
        color=color, lightness=reading.truth("preserveLightness", True),
    )  # fmt: skip


# -- colours --------------------------------------------------------------------------------------------


def background_neutralization(desk: Desk, reading: Reading) -> Link:
    more: dict[str, Any] = {}
    if name := reading.text("backgroundReferenceViewId"):
        more["reference"] = desk.named(name)
    corners = [int(reading.number(f"roi{c}", 0)) for c in ("Y0", "X0", "Y1", "X1")]
    if reading.truth("useROI"):
        more["box"] = tuple(corners)
        desk.sheet.note("differs", "useROI", "rows are counted from the one that is stored first")
    return desk.alike(reading, "BackgroundNeutralization", **more)


_SPACE = {"CIEXYZ": "XYZ", "CIELab": "Lab", "CIELch": "LCh"}


def channel_extraction(desk: Desk, reading: Reading) -> Link:
    space = reading.params("ChannelExtraction", words={"colorSpace": _SPACE})
    rows = reading.rows("channels")
    reading.idle("sampleFormat", "inheritAstrometricSolution")
    image = desk.image()
    parts = desk.sheet.add("ChannelExtraction", reading.instance.name, image=image, **space)
    ports = ("first", "second", "third")
    wanted = [(p, row) for p, row in zip(ports, rows, strict=False) if _on(row)] or [(p, {}) for p in ports]
    for port, row in wanted:
        desk.name(row.get("id", ""), parts.output(port).link)
    return parts.output(wanted[0][0]).link


def channel_combination(desk: Desk, reading: Reading) -> Link:
    space = reading.params("ChannelCombination", words={"colorSpace": _SPACE})
    names = [row.get("id", "") for row in reading.rows("channels") if _on(row)]
    reading.idle("inheritAstrometricSolution", "sampleFormat")
    red, green, blue = _three(desk, names)
    return desk.sheet.image("ChannelCombination", reading.instance.name, red=red, green=green, blue=blue, **space)


def lrgb_combination(desk: Desk, reading: Reading) -> Link:
    rows = reading.rows("channels")
    if len(rows) != 4:
        raise Unclear(f"its table of channels has {len(rows)} rows, 4 are wanted")
    reading.neutral(noiseReduction=False)
    reading.idle("layersRemoved", "layersProtected", "inheritAstrometricSolution")
    params = reading.params("LRGBCombination", {"mL": "lightness", "mc": "saturation"})
    for own, row in zip(("red_weight", "green_weight", "blue_weight", "luminance_weight"), rows, strict=True):
        weight = plain(row.get("k", "1"))
        params[own] = float(weight) if isinstance(weight, int | float) else 1.0
    colours = [row.get("id", "") for row in rows[:3]]
    name = reading.instance.name
    if any(colours):
        red, green, blue = _three(desk, colours)
        image = desk.sheet.image("ChannelCombination", f"rgb-{name}", red=red, green=green, blue=blue)
    else:
        image = desk.image()
    feeds = {"luminance": desk.named(rows[3]["id"])} if _on(rows[3]) and rows[3].get("id") else {}
    return desk.sheet.image("LRGBCombination", name, image=image, **feeds, **params)


def _three(desk: Desk, names: list[str]) -> tuple[Link, Link, Link]:
    if len(names) != 3 or not all(names):
        raise Unclear("it does not name an image for each of three channels")
    return desk.named(names[0]), desk.named(names[1]), desk.named(names[2])


def _on(row: Mapping[str, str]) -> bool:
    return row.get("enabled", "true").lower() != "false"


# -- geometry -------------------------------------------------------------------------------------------

_PAPER = ("xResolution", "yResolution", "metric", "forceResolution", "noGUIMessages")


def crop(desk: Desk, reading: Reading) -> Link:
    mode = reading.text("mode", "RelativeMargins")
    margins = {side: reading.number(f"{side}Margin", 0.0) for side in ("left", "top", "right", "bottom")}
    if mode != "AbsolutePixels" or any(m > 0 for m in margins.values()):
        raise Unclear("margins are cut off by numbers of pixels here: mode AbsolutePixels, no margin above 0")
    desk.sheet.note("differs", "topMargin, bottomMargin", "the top is the row that is stored first")
    reading.idle(*_PAPER, "red", "green", "blue", "alpha")
    return desk.alike(reading, "Crop", **{side: round(-margin) for side, margin in margins.items()})


def dynamic_crop(desk: Desk, reading: Reading) -> Link:
    whole = {"centerX": 0.5, "centerY": 0.5, "width": 1.0, "height": 1.0, "angle": 0.0, "scaleX": 1.0, "scaleY": 1.0}
    if any(reading.number(name, value) != value for name, value in whole.items()):
        raise Unclear("parts of an image that is not known yet cannot be told in pixels, nor is it turned by any angle")
    reading.idle("*")
    desk.sheet.note("idle", "DynamicCrop", "keeps the whole image: no node is needed")
    return desk.image()


def fast_rotation(desk: Desk, reading: Reading) -> Link:
    mode = reading.text("mode", "Rotate180").rpartition("::")[2]
    reading.idle("noGUIMessages")
    # Turned as seen on the screen, counter-clockwise.
    turns = {"Rotate180": 180, "Rotate90CW": 270, "Rotate90CCW": 90}
    if mode in turns:
        return desk.alike(reading, "Rotate", angle=turns[mode])
    axes = {"HorizontalMirror": "horizontal", "VerticalMirror": "vertical"}
    if mode not in axes:
        raise Unclear(f"mode {mode[:40]!r} is not known")
    return desk.alike(reading, "Flip", axis=axes[mode])


def integer_resample(desk: Desk, reading: Reading) -> Link:
    reading.idle(*_PAPER)
    reading.neutral(gammaCorrection=False)
    params = reading.params("IntegerResample", {"subsampleMode": "downsampling_mode"})
    return desk.sheet.image("IntegerResample", reading.instance.name, image=desk.image(), **params)


def resample(desk: Desk, reading: Reading) -> Link:
    reading.neutral(gammaCorrection=False)
    reading.idle("forceResolution", "noGUIMessages")
    return desk.alike(reading, "Resample")


PROCESSES: Mapping[str, Callable[[Desk, Reading], Link]] = {
    "HistogramTransformation": histogram_transformation,
    "LinearFit": linear_fit,
    "Invert": invert,
    "Rescale": rescale,
    "Binarize": binarize,
    "SCNR": scnr,
    "BackgroundNeutralization": background_neutralization,
    "ChannelExtraction": channel_extraction,
    "ChannelCombination": channel_combination,
    "LRGBCombination": lrgb_combination,
    "Crop": crop,
    "DynamicCrop": dynamic_crop,
    "FastRotation": fast_rotation,
    "IntegerResample": integer_resample,
    "Resample": resample,
}
