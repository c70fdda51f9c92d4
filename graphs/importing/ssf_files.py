"""Commands of Siril scripts that read and write image files, or make images of several."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping

from .ssf_desk import Desk
from .ssf_words import Call, Unclear


def load(desk: Desk, call: Call) -> None:
    name = call.word("an image")
    desk.load(desk.file(name), name)


def save(desk: Desk, call: Call) -> None:
    name = call.word("a file")
    call.flag("chksum")
    desk.write(name, desk.image())
    desk.store(name, desk.image())


def save_as(desk: Desk, call: Call) -> None:
    """savejpg, savepng, savetif and the like."""
    extension, params = _FORMATS[call.name]
    name = call.word("a file")
    found: dict[str, object] = dict(params)
    if call.name == "savejpg" and call.words:
        found["quality"] = min(100, max(1, int(call.number("the quality"))))
    if call.flag("deflate"):
        found["compression"] = "deflate"
    call.flag("astro")
    desk.write(name, desk.image(), extension, **found)


_FORMATS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "savejpg": (".jpg", {}), "savepng": (".png", {"sample_format": "uint16"}),
    "savetif": (".tif", {"sample_format": "uint16"}), "savetif32": (".tif", {"sample_format": "float32"}),
    "savetif8": (".tif", {"sample_format": "uint8"}),
}  # fmt: skip


def set_extension(desk: Desk, call: Call) -> None:
    asked = call.word("an extension").lstrip(".").lower()
    if asked not in ("fit", "fits", "fts"):
        raise Unclear(f"the extension must be fit, fits or fts, got {asked[:40]!r}")
    desk.extension = f".{asked}"


def split(desk: Desk, call: Call) -> None:
    names = [call.word("a file for each channel") for _ in range(3)]
    space = "Lab" if call.flag("lab") else "HSV" if call.flag("hsv") else "RGB"
    if "hsl" in call.options:
        raise Unclear("there is no HSL here; -hsv and -lab are there")
    parts = desk.sheet.add("ChannelExtraction", f"split-{desk.loaded_name}", image=desk.image(), color_space=space)
    for name, port in zip(names, ("first", "second", "third"), strict=True):
        link = parts.output(port).link
        desk.store(name, link)
        desk.write(name, link)


def compose(desk: Desk, call: Call) -> None:
    """Make a colour image of three, or of a colour image and a luminance."""
    call.flag("nosum")
    luminance = call.option("lum")
    out = call.option("out") or ("composed_lrgb" if luminance else "composed_rgb")
    target = posixpath.basename(desk.path(out))
    names = [call.words.pop(0) for _ in range(min(3, len(call.words)))]
    if len(names) == 3:
        red, green, blue = (desk.file(n) for n in names)
        name = f"rgb-{target}" if luminance else target
        made = desk.sheet.image("ChannelCombination", name, red=red, green=green, blue=blue)
    elif len(names) == 1 and luminance:
        made = desk.file(names[0])
    else:
        raise Unclear("three images are wanted, or with -lum= one colour image")
    if luminance:
        made = desk.sheet.image("LRGBCombination", target, image=made, luminance=desk.file(luminance))
    desk.store(out, made)
    desk.write(out, made)


_FUNCTIONS = {"mad": "mdev", "median": "med"}
_IMAGE = re.compile(r"\$([^$]+)\$")


def pixel_math(desk: Desk, call: Call) -> None:
    """pm: images are named between dollars, functions almost as in PixInsight."""
    text = call.word("an expression")
    rescale = call.flag("rescale")
    low, high = (call.numbers(2) if rescale else []) or (0.0, 1.0)
    call.flag("nosum")
    names = list(dict.fromkeys(_IMAGE.findall(text)))
    if not names or "T" in names:
        images, called = [desk.image()], {n: "$T" for n in names}
    else:
        images, called = [], {}
    for name in (n for n in names if n != "T"):
        images.append(desk.file(name))
        called[name] = "$T" if len(images) == 1 else _identifier(name, called)
    spelled = _IMAGE.sub(lambda m: called[m[1]], text)
    spelled = re.sub(r"\b(mad|median)\s*\(", lambda m: f"{_FUNCTIONS[m[1]]}(", spelled)
    made = desk.sheet.image(
        "PixelMath", "pixel_math", image=images[0], images=tuple(images[1:]) or None,
        names=tuple(n for n in called.values() if n != "$T"), expression=spelled, truncate=False,
        rescale=rescale, rescale_lower=low, rescale_upper=high,
    )  # fmt: skip
    desk.load(made, "pixel_math")


def _identifier(name: str, taken: Mapping[str, str]) -> str:
    plain = re.sub(r"\W", "_", posixpath.basename(name), flags=re.A)
    plain = plain if plain[:1].isalpha() else f"i{plain}"
    return plain if plain not in taken.values() else f"{plain}_{len(taken)}"


COMMANDS: Mapping[str, Callable[[Desk, Call], None]] = {
    "load": load,
    "save": save,
    "setext": set_extension,
    "split": split,
    "rgbcomp": compose,
    "pm": pixel_math,
    **dict.fromkeys(_FORMATS, save_as),
}
