"""PixInsight's PixelMath: which images its expressions speak of, and what they make."""

from __future__ import annotations

import re
from typing import Any

from ...engine.graph import Link
from .xpsm_desk import Desk, Unclear
from .xpsm_values import Reading

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_TOKEN = re.compile(r"\$[TMAtma]|(?<![\w.$])[A-Za-z_]\w*(?!\w)", re.A)
_ASSIGNED = re.compile(r"(?<![\w.$])([A-Za-z_]\w*)\s*(?:[-+*/^%&|]|--|&&|\|\|)?=(?!=)", re.A)
_CHANNELS = ("red", "green", "blue")


def pixel_math(desk: Desk, reading: Reading) -> Link:
    """Add what an instance computes; a new colour image of gray ones is computed channel by channel."""
    texts = [_COMMENT.sub(" ", reading.text(n)).strip() for n in ("expression", "expression1", "expression2")]
    alpha, symbols = reading.text("expression3").strip(), reading.text("symbols")
    single, new = reading.truth("useSingleExpression", True), reading.truth("createNewImage")
    space, identifier = reading.text("newImageColorSpace", "SameAsTarget"), reading.text("newImageId")
    reading.neutral(newImageWidth=0, newImageHeight=0, newImageAlpha=False, generateOutput=True)
    reading.idle("clearImageCacheAndExit", "cacheGeneratedImages", "singleThreaded", "optimization",
                 "use64BitWorkingImage", "showNewImage", "newImageSampleFormat", "newImageWidth", "outputData",
                 "generateOutput")  # fmt: skip
    ranges = reading.params("PixelMath", but=("symbols", "use_single_expression"))
    used = texts[:1] if single else texts
    if any(re.search(r"\$[MmAa]", t) for t in used):
        raise Unclear("$M and $A mean what a window of PixInsight shows: link the mask to the node's 'mask'")
    names = images_of("\n".join([*used, alpha]), symbols)
    name = reading.instance.name
    if new and space == "RGB" and not single:
        made = _colour(desk, name, texts, symbols, ranges)
    else:
        target = desk.named(names[0]) if new and names and "$T" not in " ".join(used) else desk.image()
        found: dict[str, Any] = {"expression": texts[0], "use_single_expression": single, "symbols": symbols, **ranges}
        if not single:
            found |= {"expression1": texts[1], "expression2": texts[2], "expression3": alpha}
        made = _computed(desk, name, target, names, found)
    desk.name(identifier if new else "", made)
    return made


def _colour(desk: Desk, name: str, texts: list[str], symbols: str, ranges: dict[str, Any]) -> Link:
    """Make a colour image of an expression for each channel, of which each is gray."""
    if not all(texts):
        raise Unclear("a new colour image wants an expression for each of its three channels")
    desk.sheet.note("differs", "newImageColorSpace = RGB", "the images it is made of are taken to be gray")
    channels: dict[str, Link] = {}
    for channel, text in zip(_CHANNELS, texts, strict=True):
        names = images_of(text, symbols)
        if names == [text]:
            channels[channel] = desk.named(text)
            continue
        target = desk.named(names[0]) if names and "$T" not in text else desk.image()
        found = {"expression": text, "symbols": symbols, **ranges}
        channels[channel] = _computed(desk, f"{channel}-{name}", target, names, found)
    return desk.sheet.image("ChannelCombination", name, **channels)


def _computed(desk: Desk, name: str, target: Link, names: list[str], params: dict[str, Any]) -> Link:
    images = tuple(desk.named(n) for n in names)
    return desk.sheet.image("PixelMath", name, image=target, images=images or None, names=tuple(names), **params)


def images_of(text: str, symbols: str) -> list[str]:
    """Return the identifiers of images in expressions, in order: what is no function, symbol or variable."""
    text = _COMMENT.sub(" ", text)
    variables = {"T", *_declared(symbols), *_ASSIGNED.findall(text)}
    found = []
    for match in _TOKEN.finditer(text):
        word = match[0]
        called = text[match.end() :].lstrip().startswith("(")
        if not word.startswith("$") and not called and word not in variables and word not in _CONSTANTS:
            found.append(word)
    return list(dict.fromkeys(found))


_CONSTANTS = frozenset({"pi", "e", "true", "false"})


def _declared(symbols: str) -> list[str]:
    """Return the names that a list of symbols declares; commas within brackets part no entries."""
    found, depth, entry = [], 0, ""
    for c in symbols + ",":
        if c in ",;\n" and depth == 0:
            name = entry.partition("=")[0].strip()
            found += [name] if name else []
            entry = ""
            continue
        depth += (c in "([{") - (c in ")]}")
        entry += c
    return found
