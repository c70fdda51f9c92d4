"""Commands of Siril scripts about the loaded image, and those that do the same to a sequence."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping

from ...engine.graph import Link
from .scnr import METHODS, add_scnr
from .ssf_desk import Desk, Sequence
from .ssf_frames import band_of, name_of
from .ssf_words import Call, Unclear

Operation = Callable[[Desk, Call, Link, str], Link]
"""What a command makes of an image; the name is for the node."""

# -- commands of their own -------------------------------------------------------------------------------


def statistics(desk: Desk, call: Call) -> None:
    call.flag("cfa")
    if call.words == ["main"]:
        call.words.clear()
    desk.sheet.image("Statistics", f"statistics-{desk.loaded_name}", image=desk.image())


def select(desk: Desk, call: Call) -> None:
    """boxselect: the part of the image that crop without numbers keeps."""
    if call.flag("clear"):
        desk.selection = None
        return
    x, y, width, height = (int(call.number("x y width height")) for _ in range(4))
    desk.selection = (x, y, width, height)


def mirror_single(desk: Desk, call: Call) -> None:
    _upright(desk, f"mirrorx_single {call.word('an image')}")


def _upright(desk: Desk, what: str) -> None:
    desk.sheet.note("idle", what, "the order of rows is known of every image, and pictures are shown upright")


# -- operations -----------------------------------------------------------------------------------------


def crop(desk: Desk, call: Call, image: Link, name: str) -> Link:
    box = desk.selection if not call.words and desk.selection else None
    x, y, width, height = box or tuple(int(call.number("x y width height")) for _ in range(4))
    desk.sheet.note("differs", f"crop {x} {y} {width} {height}", "rows are counted from the one that is stored first")
    return desk.sheet.image("Crop", name, image=image, box=(y, x, y + height, x + width))


def resample(desk: Desk, call: Call, image: Link, name: str) -> Link:
    interpolation = call.option("interp", "lanczos4")
    if interpolation not in _RESAMPLING:
        desk.sheet.note("differs", f"-interp={interpolation}", "the interpolation is chosen by the change of scale")
    how: dict[str, object] = {"interpolation": _RESAMPLING.get(interpolation, "auto")}
    if call.flag("noclamp"):
        how["clamping_threshold"] = 1.0
    width, height = call.option_number("width", 0.0), call.option_number("height", 0.0)
    if width or height:
        mode = "force_width" if width else "force_height"
        # The side that follows is ignored, and one pixel is a legal size for it.
        how |= {"mode": "absolute_pixels", "absolute_mode": mode}
        how |= {"x_size": width or 1.0, "y_size": height or 1.0}
    elif "maxdim" in call.options:
        raise Unclear("which side is the longer one is known only when the image is read; see -width= and -height=")
    else:
        factor = call.option_number("scale", 0.0) or call.number("a factor")
        how |= {"x_size": factor, "y_size": factor}
    return desk.sheet.image("Resample", name, image=image, **how)


_RESAMPLING = {
    "nearest": "nearest_neighbor", "linear": "bilinear", "cubic": "bicubic_spline", "lanczos4": "lanczos4",
}  # fmt: skip


def bin_pixels(desk: Desk, call: Call, image: Link, name: str) -> Link:
    by = int(call.number("a coefficient"))
    if call.flag("sum"):
        raise Unclear("pixels are averaged here, not summed: multiply by the square of the coefficient")
    return desk.sheet.image("IntegerResample", name, image=image, zoom_factor=-by)


def mirror(desk: Desk, call: Call, image: Link, name: str) -> Link:
    if call.flag("bottomup"):
        _upright(desk, "mirrorx -bottomup")
        return image
    return desk.sheet.image("Flip", name, image=image, axis="vertical" if call.name == "mirrorx" else "horizontal")


def half_turn(desk: Desk, call: Call, image: Link, name: str) -> Link:
    return desk.sheet.image("Rotate", name, image=image, angle=180)


def rotate(desk: Desk, call: Call, image: Link, name: str) -> Link:
    degrees = call.number("degrees")
    if degrees % 180.0:
        raise Unclear("images are turned by quarter turns here, and which way Siril turns depends on the order of rows")
    return desk.sheet.image("Rotate", name, image=image, angle=180) if degrees % 360.0 else image


def negative(desk: Desk, call: Call, image: Link, name: str) -> Link:
    return desk.sheet.image("Invert", name, image=image)


def midtones(desk: Desk, call: Call, image: Link, name: str) -> Link:
    low, middle, high = (call.number("low mid high") for _ in range(3))
    return _stretched(desk, call, image, name, (low, middle, high))


def linear_stretch(desk: Desk, call: Call, image: Link, name: str) -> Link:
    return _stretched(desk, call, image, name, (call.option_number("BP", 0.0), 0.5, 1.0))


def _stretched(desk: Desk, call: Call, image: Link, name: str, row: tuple[float, float, float]) -> Link:
    """Stretch all channels, or those whose letters are given."""
    if not call.words:
        found: dict[str, object] = dict(zip(("shadows", "midtones", "highlights"), row, strict=True))
    else:
        letters = call.word("channels").upper()
        if not set(letters) <= set("RGB"):
            raise Unclear(f"channels must be letters out of RGB, got {letters[:40]!r}")
        plain = (0.0, 0.5, 1.0, 0.0, 1.0)
        found = {"table": (*((*row, 0.0, 1.0) if c in letters else plain for c in "RGB"), plain, plain)}
    return desk.sheet.image("HistogramTransformation", name, image=image, **found)


def auto_stretch(desk: Desk, call: Call, image: Link, name: str) -> Link:
    linked, numbers = call.flag("linked"), call.numbers(2)
    clipping, background = [*numbers, *(-2.8, 0.25)[len(numbers) :]]
    display = desk.sheet.image(
        "ScreenTransferFunction", f"display-{name}", image=image, linked=linked, shadows_clipping=clipping,
        target_background=background,
    )  # fmt: skip
    return desk.sheet.image("HistogramTransformation", name, image=image, display=display)


def remove_green(desk: Desk, call: Call, image: Link, name: str) -> Link:
    lightness = not call.flag("nopreserve")
    kind, amount = int(call.number("a type", 0)), call.number("an amount", 1.0)
    if not 0 <= kind <= 3:
        raise Unclear(f"the type must lie in 0 .. 3, got {kind}")
    # Siril's neutral protections have no amount.
    return add_scnr(
        desk.sheet, name, image, method=METHODS[kind], amount=amount if kind > 1 else 1.0, lightness=lightness
    )


def linear_match(desk: Desk, call: Call, image: Link, name: str) -> Link:
    reference = desk.file(call.word("the reference"))
    low, high = call.number("low", 0.0), call.number("high", 0.92)
    return desk.sheet.image("LinearFit", name, image=image, reference=reference, reject_low=low, reject_high=high)


def arithmetic(desk: Desk, call: Call, image: Link, name: str) -> Link:
    """iadd, isub, imul, idiv, fdiv, fmul."""
    if call.name == "fmul":
        return desk.sheet.image(
            "PixelMath", name, image=image, expression=f"$T*{call.number('a factor')!r}", truncate=False
        )
    other = desk.file(call.word("an image"))
    sign = {"iadd": "+", "isub": "-", "imul": "*", "idiv": "/", "fdiv": "/"}[call.name]
    factor = f"*{call.number('a factor')!r}" if call.name == "fdiv" else ""
    return desk.sheet.image(
        "PixelMath", name, image=image, images=(other,), names=("other",), expression=f"$T {sign} other{factor}",
        truncate=False,
    )  # fmt: skip


def blur(desk: Desk, call: Call, image: Link, name: str) -> Link:
    sigma = call.number("sigma")
    return desk.sheet.image("PixelMath", name, image=image, expression=f"gconv($T, {sigma!r})", truncate=False)


def find_cosmetic(desk: Desk, call: Call, image: Link, name: str) -> Link:
    cold, hot = call.number("cold sigma"), call.number("hot sigma")
    desk.sheet.note("differs", f"{call.name} {cold:g} {hot:g}", "deviations are counted in average deviations")
    found: dict[str, object] = {"cfa": True} if call.name.endswith("_cfa") else {}
    if hot > 0.0:
        found |= {"hot_auto_check": True, "hot_auto_value": hot}
    if cold > 0.0:
        found |= {"cold_auto_check": True, "cold_auto_value": cold}
    if not cold > 0.0 and not hot > 0.0:
        return image
    return desk.sheet.image("CosmeticCorrection", name, image=image, **found)


def band(desk: Desk, call: Call, image: Link, name: str) -> Link:
    return band_of(desk, image, call.name.removeprefix("extract_"), call.flag("upscale"), name)


_OPERATIONS: Mapping[str, Operation] = {
    "crop": crop, "resample": resample, "binxy": bin_pixels, "mirrorx": mirror, "mirrory": mirror,
    "rotatePi": half_turn, "rotatepi": half_turn, "rotate": rotate, "neg": negative, "mtf": midtones,
    "linstretch": linear_stretch, "autostretch": auto_stretch, "rmgreen": remove_green, "linear_match": linear_match,
    **dict.fromkeys(("iadd", "isub", "imul", "idiv", "fdiv", "fmul"), arithmetic), "gauss": blur,
    **dict.fromkeys(("find_cosme", "find_cosme_cfa"), find_cosmetic),
    **dict.fromkeys(("extract_Ha", "extract_Green"), band),
}  # fmt: skip

# Sequence commands that do to every frame what an image command does, and what they put before its name.
_ON_SEQUENCES = {
    "seqcrop": ("crop", "cropped_"), "seqresample": ("resample", "scaled_"), "seqmtf": ("mtf", "mtf_"),
    "seqlinstretch": ("linstretch", "linstretch_"), "seqfind_cosme": ("find_cosme", "cc_"),
    "seqfind_cosme_cfa": ("find_cosme_cfa", "cc_"),
}  # fmt: skip

# What sequence commands without a counterpart put before the name of what they make.
_PREFIXES = {"seqsubsky": "bkg_", "seqstarnet": "starless_", "seqcosme": "cosme_", "seqcosme_cfa": "cosme_",
             "seqfixbanding": "unband_", "seqsplit_cfa": "CFA_"}  # fmt: skip


def on_image(desk: Desk, call: Call) -> None:
    """Do an operation to the loaded image."""
    image = desk.image()
    made = _OPERATIONS[call.name](desk, call, image, f"{call.name}-{desk.loaded_name}")
    desk.loaded = made


def on_sequence(desk: Desk, call: Call) -> None:
    """Do an operation to every frame of a sequence."""
    operation, prefix = _ON_SEQUENCES[call.name]
    name = call.word("a sequence")
    prefix = call.option("prefix", prefix)
    sequence = desk.sequence(name)
    target = prefix + name_of(desk, name)
    calls = [Call(call.line, operation, list(call.words), dict(call.options)) for _ in sequence.frames()]
    made = sequence.mapped(lambda link, at: _OPERATIONS[operation](desk, calls[at], link, target))
    call.words[:], call.options = calls[-1].words, calls[-1].options
    desk.keep(posixpath.join(posixpath.dirname(name), target), made)


def unknown(desk: Desk, call: Call) -> None:
    """Put a placeholder for a command without counterpart where it stands: on a sequence, or on the loaded image."""
    whole, arguments = str(call), call.arguments
    first = call.words[0] if call.words else ""
    call.words.clear()
    if call.name.startswith("seq") and first:
        prefix = call.option("prefix") or _PREFIXES.get(call.name, f"{call.name.removeprefix('seq')}_")
        _unknown_on_sequence(desk, call, first, prefix, arguments)
    elif desk.loaded is not None:
        desk.loaded = desk.sheet.placeholder(
            _process(call.name), f"{call.name}-{desk.loaded_name}", desk.loaded, {"arguments": arguments}
        )
    call.options.clear()
    desk.sheet.note("unmapped", whole, _missing(desk, call))


def _unknown_on_sequence(desk: Desk, call: Call, name: str, prefix: str, arguments: str) -> None:
    target = prefix + name_of(desk, name)
    sequence: Sequence = desk.sequence(name)

    def each(link: Link, at: int) -> Link:
        return desk.sheet.placeholder(_process(call.name), target, link, {"arguments": arguments}) or link

    desk.keep(posixpath.join(posixpath.dirname(name), target), sequence.mapped(each))


def _process(name: str) -> str:
    return f"siril.{re.sub(r'[^A-Za-z0-9_]', '_', name)[:60]}"


def _missing(desk: Desk, call: Call) -> str:
    if desk.sheet.skip:
        return "there is no process for it here: left out"
    if desk.loaded is None and not call.name.startswith("seq"):
        return "there is no process for it here, and no image is loaded that it could be done to"
    return "there is no process for it here: a placeholder stands in its place"


COMMANDS: Mapping[str, Callable[[Desk, Call], None]] = {
    "stat": statistics,
    "boxselect": select,
    "mirrorx_single": mirror_single,
    **dict.fromkeys(_OPERATIONS, on_image),
    **dict.fromkeys(_ON_SEQUENCES, on_sequence),
}
