"""Commands of Siril scripts that register sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ...engine.graph import Link
from .ssf_desk import Alignment, Desk, Drizzle, Sequence
from .ssf_frames import beside, idle_options, name_of
from .ssf_words import Call, Unclear

_MODELS = {"similarity": "similarity", "affine": "affine", "homography": "homography"}
_INTERPOLATIONS = {
    "nearest": "nearest", "linear": "bilinear", "cubic": "bicubic", "lanczos4": "lanczos4",
}  # fmt: skip


def register(desk: Desk, call: Call) -> None:
    name, prefix = call.word("a sequence"), call.option("prefix", "r_")
    sequence = desk.sequence(name)
    two = call.flag("2pass")
    before = sequence.alignment or Alignment()
    reference = -1 if two and sequence.alignment is None else before.reference
    alignment = _alignment(desk, call, replace(before, reference=reference))
    if two:
        desk.keep(name, replace(sequence, alignment=alignment))
    else:
        _keep_aligned(desk, call, name, prefix, replace(sequence, alignment=alignment))


def apply_registration(desk: Desk, call: Call) -> None:
    name, prefix = call.word("a sequence"), call.option("prefix", "r_")
    sequence = desk.sequence(name)
    if sequence.alignment is None:
        raise Unclear("the sequence was not registered before: 'register -2pass' is missing")
    framing = call.option("framing", "current")
    alignment = _alignment(desk, call, sequence.alignment)
    made = _keep_aligned(desk, call, name, prefix, replace(sequence, alignment=alignment))
    if framing == "min" and made.drizzle is None:
        desk.keep(beside(name, prefix + name_of(desk, name)), _common_area(desk, made, name_of(desk, name)))
    elif framing != "current":
        desk.sheet.note("unmapped", f"-framing={framing}", "frames have the size and place of the reference here")


def _keep_aligned(desk: Desk, call: Call, name: str, prefix: str, sequence: Sequence) -> Sequence:
    target = prefix + name_of(desk, name)
    drizzle = _drizzle(desk, call, sequence)
    _scale(desk, call, drizzle)
    made = aligned(desk, sequence, target) if drizzle is None else Sequence((), drizzle=drizzle)
    desk.keep(beside(name, target), made)
    return made


def _alignment(desk: Desk, call: Call, before: Alignment) -> Alignment:
    """Return how to align, as the options say; what they do not say stays as it was."""
    idle_options(desk, call, ("nostarlist",), "star lists are kept in the store")
    model, interpolation, clamping = before.model, before.interpolation, before.clamping
    if asked := call.option("transf"):
        model = _MODELS.get(asked, "auto")
        if asked not in _MODELS:
            desk.sheet.note("differs", f"-transf={asked}", "the simplest map that stands a cross-validation is taken")
    if asked := call.option("interp"):
        interpolation = _INTERPOLATIONS.get(asked, "nearest" if asked == "none" else "bilinear")
        if asked not in _INTERPOLATIONS:
            desk.sheet.note("differs", f"-interp={asked}", f"interpolated by {interpolation}")
    if call.flag("noclamp"):
        clamping = "none"
    stars = int(call.option_number("maxstars", before.max_stars))
    return Alignment(before.reference, model, interpolation, clamping, min(20_000, max(10, stars)))


def _scale(desk: Desk, call: Call, drizzle: Drizzle | None) -> None:
    scale = call.option_number("scale", 1.0)
    if scale != 1.0 and drizzle is None:
        desk.sheet.note("unmapped", f"-scale={scale:g}", "frames have the scale of the reference; see Resample")


def aligned(desk: Desk, sequence: Sequence, target: str) -> Sequence:
    """Return *sequence* aligned on its reference; the last node is called *target*."""
    frames, how = sequence.frames(), sequence.alignment or Alignment()
    if sequence.single:
        return _aligned_singly(desk, frames, how, target)
    if sequence.mosaic:
        raise Unclear("frames of a colour camera have to be debayered, extracted or drizzled to be registered")
    found = {} if desk.threshold is None else {"threshold": desk.threshold}
    made = desk.sheet.image(
        "StarAlignment", target, images=frames, reference_index=how.reference, model=how.model,
        interpolation=how.interpolation, clamping=how.clamping, max_stars=how.max_stars, on_failure="missing", **found,
    )  # fmt: skip
    return Sequence((made,))


def matched(desk: Desk, frames: tuple[Link, ...], how: Alignment, target: str) -> tuple[Link, tuple[Link, ...]]:
    """Return the reference and the map from it to each of *frames*."""
    found = {} if desk.threshold is None else {"threshold": desk.threshold}
    stars = tuple(desk.sheet.image("DetectStars", f"stars-{target}", image=f, **found) for f in frames)
    choice = desk.sheet.add("ChooseReference", f"choose-{target}", stars=stars, frame_index=how.reference)
    chosen = choice.output("chosen").link
    reference = desk.sheet.image("ReferenceFrame", f"reference-{target}", images=frames, choice=choice.output().link)
    maps = tuple(
        desk.sheet.image(
            "MatchStars", f"match-{target}", stars=s, reference=chosen, model=how.model, max_stars=how.max_stars
        )
        for s in stars
    )
    return reference, maps


def _aligned_singly(desk: Desk, frames: tuple[Link, ...], how: Alignment, target: str) -> Sequence:
    """Return frames aligned one by one, so that each can be named afterwards."""
    reference, maps = matched(desk, frames, how, target)
    made = tuple(
        desk.sheet.image(
            "Warp", f"{target}_{i:05d}", image=frame, transform=transform, reference=reference,
            interpolation=how.interpolation, clamping=how.clamping, on_failure="missing",
        )
        for i, (frame, transform) in enumerate(zip(frames, maps, strict=True), 1)
    )  # fmt: skip
    return Sequence(made, single=True)


def _common_area(desk: Desk, sequence: Sequence, name: str) -> Sequence:
    """Return *sequence* cut to what all of its frames cover."""
    cover = desk.sheet.add(
        "ImageIntegration", f"coverage-{name}", images=sequence.links, normalization="no_normalization",
        rejection_normalization="no_rejection_normalization", weight_mode="dont_care", range_clip_low=False,
    )  # fmt: skip
    weight = cover.output("weight").link
    return sequence.mapped(
        lambda link, at: desk.sheet.image(
            "AutoCrop", f"common-{link.node}", image=link, coverage=(weight,), threshold=1.0
        )
    )


_KERNELS = {"square": "square", "gaussian": "gaussian"}


def _drizzle(desk: Desk, call: Call, sequence: Sequence) -> Drizzle | None:
    if not call.flag("drizzle"):
        return None
    kernel = call.option("kernel", "square")
    if kernel not in _KERNELS:
        desk.sheet.note("differs", f"-kernel={kernel}", "drops are square")
    if flat := call.option("flat"):
        desk.sheet.note("differs", f"-flat={flat}", "samples are not weighted by the flat")
    return Drizzle(
        sequence.frames(), sequence.mosaic, sequence.alignment or Alignment(),
        scale=call.option_number("scale", 1.0), drop_shrink=call.option_number("pixfrac", 1.0),
        kernel=_KERNELS.get(kernel, "square"),
    )  # fmt: skip


# -- settings -------------------------------------------------------------------------------------------


def set_reference(desk: Desk, call: Call) -> None:
    name = call.word("a sequence")
    at = int(call.number("the number of a frame"))
    if at < 1:
        raise Unclear(f"frames are counted from 1, got {at}")
    sequence = desk.sequence(name)
    desk.keep(name, replace(sequence, alignment=replace(sequence.alignment or Alignment(), reference=at - 1)))


def set_find_star(desk: Desk, call: Call) -> None:
    """Settings of the star detection; the threshold has the same meaning here."""
    if call.words == ["reset"]:
        call.words.clear()
        desk.threshold = None
    if "sigma" in call.options:
        sigma = call.option_number("sigma", 1.0)
        desk.threshold = min(1000.0, max(1.0, 5.0 * sigma))
        desk.sheet.note("differs", f"-sigma={sigma:g}", "in proportion: Siril's default, 1, is a threshold of 5 here")


COMMANDS: Mapping[str, Callable[[Desk, Call], None]] = {
    "register": register,
    "seqapplyreg": apply_registration,
    "setref": set_reference,
    "setfindstar": set_find_star,
}
