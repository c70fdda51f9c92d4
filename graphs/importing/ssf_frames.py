"""Commands of Siril scripts that make sequences, calibrate them, and take single bands out of them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from ...engine.graph import Link
from .ssf_desk import Desk, Sequence
from .ssf_words import Call, Unclear

_CONTAINERS = ("fitseq", "ser")


def idle_options(desk: Desk, call: Call, names: tuple[str, ...], why: str) -> None:
    """Take options that have nothing to say here."""
    for name in names:
        if name in call.options:
            desk.sheet.note("idle", f"{call.name} {call.option_text(name)}", why)
            del call.options[name]


def name_of(desk: Desk, name: str) -> str:
    """Return how a sequence or file is called, without its folder."""
    return posixpath.basename(desk.sequence_key(name))


def beside(name: str, other: str) -> str:
    """Return *other* in the folder of *name*."""
    return posixpath.join(posixpath.dirname(name), other)


# -- folders and sequences ------------------------------------------------------------------------------


def change_folder(desk: Desk, call: Call) -> None:
    desk.enter(call.word("a folder"))


def convert(desk: Desk, call: Call) -> None:
    """Make the images of the current folder a sequence."""
    name, out = call.word("the name of the sequence"), call.option("out")
    idle_options(desk, call, (*_CONTAINERS, "date"), "how frames are kept in files has no say here")
    idle_options(desk, call, ("start",), "frames are not renumbered")
    folder = desk.folder or "the folder where the script begins"
    made = desk.given(name, f"images in {folder}", converted=True)
    if call.flag("debayer"):
        made = debayered(desk, made, f"debayered-{name_of(desk, name)}")
    desk.keep(posixpath.join(out, name), made)


def merge(desk: Desk, call: Call) -> None:
    """Make one sequence of several."""
    if len(call.words) < 3:
        raise Unclear("two sequences and the name of a third are wanted")
    *parts, name = call.words
    call.words.clear()
    found = [desk.sequence(p) for p in parts]
    links = tuple(link for s in found for link in s.frames())
    desk.keep(name, Sequence(links, all(s.single for s in found), any(s.mosaic for s in found)))


# -- calibration ----------------------------------------------------------------------------------------


def calibrate(desk: Desk, call: Call) -> None:
    name, prefix = call.word("a sequence"), call.option("prefix", "pp_")
    sequence = desk.sequence(name)
    idle_options(desk, call, (*_CONTAINERS, "all"), "how frames are kept in files has no say here")
    target = prefix + name_of(desk, name)
    desk.keep(
        posixpath.join(posixpath.dirname(name), target),
        _calibrated(desk, call, sequence, target),
    )


def calibrate_single(desk: Desk, call: Call) -> None:
    name, prefix = call.word("an image"), call.option("prefix", "pp_")
    target = prefix + posixpath.basename(desk.path(name))
    made = _calibrated(desk, call, Sequence((desk.file(name),), single=True), target)
    desk.store(posixpath.join(posixpath.dirname(name), target), made.links[0])


def _calibrated(desk: Desk, call: Call, sequence: Sequence, target: str) -> Sequence:
    """Return *sequence* calibrated, corrected and debayered as the options say; the last node is called *target*."""
    masters = {role: desk.file(file) for role in ("dark", "flat") if (file := call.option(role))}
    pedestal = _bias(desk, call, masters)
    mosaic = call.flag("cfa")
    options = _calibration_options(desk, call, masters) | pedestal
    cosmetic = _cosmetic(desk, call, masters.get("dark"), mosaic)
    colour = call.flag("debayer")
    steps: list[tuple[str, Callable[[Link, str], Link]]] = []
    if masters or pedestal:
        steps.append(
            ("calibrated", lambda i, n: desk.sheet.image("ImageCalibration", n, image=i, **masters, **options))
        )
    if cosmetic:
        steps.append(("corrected", lambda i, n: desk.sheet.image("CosmeticCorrection", n, image=i, **cosmetic)))
    if colour:
        steps.append(("debayered", lambda i, n: _debayer(desk, i, n)))

    def each(link: Link, at: int) -> Link:
        for i, (what, step) in enumerate(steps):
            link = step(link, target if i == len(steps) - 1 else f"{what}-{target}")
        return link

    return sequence.mapped(each, mosaic=(mosaic or sequence.mosaic) and not colour)


def _bias(desk: Desk, call: Call, masters: dict[str, Link]) -> dict[str, Any]:
    """Take the bias: a file becomes one of *masters*, a level a pedestal, which is returned."""
    text = call.option("bias")
    if not text.startswith("="):
        if text:
            masters["bias"] = desk.file(text)
        return {}
    level = text[1:].strip()
    if masters or not level.replace(".", "", 1).isdigit() or float(level) > 1000.0:
        desk.sheet.note(
            "unmapped", f"-bias={text}",
            "a level can be subtracted where it is a plain number up to 1000 and neither dark nor flat are given",
        )  # fmt: skip
        return {}
    return {"pedestal_mode": "literal", "pedestal": float(level)}


def _calibration_options(desk: Desk, call: Call, masters: Mapping[str, Link]) -> dict[str, Any]:
    scaled = "opt" in call.options
    if call.options.pop("opt", None) == "exp":
        desk.sheet.note("differs", "-opt=exp", "the dark is scaled to fit each frame, not by exposure times")
    if scaled and not {"bias", "dark"} <= set(masters):
        raise Unclear("scaling the dark (-opt) wants a master dark and a master bias")
    # Siril subtracts the bias from the dark only where it scales it, and cuts nothing off below black.
    return {
        "optimize_darks": scaled,
        "calibrate_dark": scaled,
        "separate_cfa_flat_scaling_factors": call.flag("equalize_cfa"),
        "truncate": False,
    }


def _cosmetic(desk: Desk, call: Call, dark: Link | None, mosaic: bool) -> dict[str, Any]:
    """Return the parameters of the cosmetic correction; nothing where none is asked for."""
    how = call.option("cc")
    if not how:
        return {}
    if how == "bpm":
        file = call.word("a bad pixel map")
        desk.sheet.note("unmapped", f"-cc=bpm {file}", "see defect_list and hot_dark_sigma of CosmeticCorrection")
        return {}
    if how != "dark":
        raise Unclear(f"-cc= must be dark or bpm, got {how[:40]!r}")
    if dark is None:
        raise Unclear("-cc=dark wants a master dark, given by -dark=")
    limits = call.numbers(2)
    low, high = (limits[0], limits[1]) if len(limits) == 2 else (0.0, 3.0)
    if not low and not high:
        return {}
    found: dict[str, Any] = {"dark": dark}
    if mosaic:
        found["cfa"] = True
    if low:
        found |= {"cold_dark_check": True, "cold_dark_sigma": low}
    if high:
        found |= {"hot_dark_check": True, "hot_dark_sigma": high}
    return found


def debayered(desk: Desk, sequence: Sequence, name: str) -> Sequence:
    return sequence.mapped(lambda link, at: _debayer(desk, link, name), mosaic=False)


def _debayer(desk: Desk, image: Link, name: str) -> Link:
    desk.sheet.note("differs", "-debayer", "colours are interpolated by VNG here, by RCD in Siril")
    return desk.sheet.image("Debayer", name, image=image, debayer_method="vng")


# -- narrow bands of colour cameras ---------------------------------------------------------------------


def extract_bands(desk: Desk, call: Call) -> None:
    """seqextract_Ha, seqextract_HaOIII, seqextract_Green."""
    name = call.word("a sequence")
    sequence, plain = desk.sequence(name), name_of(desk, name)
    prefixes = {"Ha": "Ha_", "OIII": "OIII_", "Green": "Green_"}
    bands = {"seqextract_Ha": ("Ha",), "seqextract_HaOIII": ("Ha", "OIII"), "seqextract_Green": ("Green",)}[call.name]
    given = call.option("prefix")
    resample = call.option("resample")
    whole = {"Ha": call.flag("upscale") or resample == "ha", "OIII": resample != "oiii", "Green": False}
    for band in bands:
        target = (given or prefixes[band]) + plain
        made = sequence.mapped(
            lambda link, at, band=band, target=target: band_of(desk, link, band, whole[band], target),  # type: ignore[misc]
            mosaic=False,
        )
        desk.keep(beside(name, target), made)


def band_of(desk: Desk, image: Link, band: str, upscale: bool, target: str) -> Link:
    """Return one band of a mosaic, of half its size or interpolated to all of it.

    Red pixels see Ha, green and blue ones OIII.
    """
    cells = desk.sheet.image("Debayer", f"cells-{target}", image=image, debayer_method="superpixel")
    if band == "OIII":
        desk.sheet.note("differs", "OIII", "the mean of the two green and the blue pixel of each cell")
        cells = desk.sheet.image(
            "PixelMath", f"mean-{target}", image=cells, expression="(2*$T[1] + $T[2])/3", truncate=False
        )
    parts = desk.sheet.add("ChannelExtraction", f"channels-{target}" if upscale else target, image=cells)
    made = parts.output("second" if band == "Green" else "first").link
    return desk.sheet.image("Resample", target, image=made, x_size=2.0, y_size=2.0) if upscale else made


COMMANDS: Mapping[str, Callable[[Desk, Call], None]] = {
    "cd": change_folder,
    **dict.fromkeys(("convert", "convertraw", "link"), convert),
    "merge": merge,
    **dict.fromkeys(("calibrate", "preprocess"), calibrate),
    **dict.fromkeys(("calibrate_single", "preprocess_single"), calibrate_single),
    **dict.fromkeys(("seqextract_Ha", "seqextract_HaOIII", "seqextract_Green"), extract_bands),
}
