"""The stack command of Siril scripts."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...engine.graph import Link, Node
from .ssf_desk import Desk, Drizzle, Sequence, Stacked
from .ssf_frames import debayered
from .ssf_register import matched
from .ssf_words import Call, Unclear


class Rejection(NamedTuple):
    """A rejection here, the parameters that Siril's two limits become, and their defaults in Siril."""

    name: str
    low: str
    high: str
    limits: tuple[float, float] = (3.0, 3.0)


_WINSORIZED = Rejection("winsorized_sigma_clip", "sigma_low", "sigma_high")
_SIGMA = Rejection("sigma_clip", "sigma_low", "sigma_high")
_REJECTIONS: Mapping[str, Rejection | None] = {
    **dict.fromkeys(("n", "none"), None),
    **dict.fromkeys(("p", "percentile"), Rejection("percentile_clip", "pc_clip_low", "pc_clip_high", (0.2, 0.1))),
    **dict.fromkeys(("s", "sigma"), _SIGMA),
    **dict.fromkeys(("m", "median", "a", "mad"), _SIGMA),
    **dict.fromkeys(("w", "winsorized"), _WINSORIZED),
    **dict.fromkeys(("l", "linear"), Rejection("linear_fit", "linear_fit_low", "linear_fit_high")),
    **dict.fromkeys(
        ("g", "generalized"), Rejection("esd", "esd_outliers_fraction", "esd_alpha", (0.3, 0.05))
    ),
}  # fmt: skip

# Siril rejects from the normalised stack, so both normalisations follow from one word.
_NORMALIZATIONS = {
    "no": ("no_normalization", "no_rejection_normalization"),
    "add": ("additive", "scale"),
    "addscale": ("additive_with_scaling", "scale"),
    "mul": ("multiplicative", "equalize_fluxes"),
    "mulscale": ("multiplicative_with_scaling", "scale"),
}
_METHODS = {
    "sum": "average", "min": "minimum", "max": "maximum", "med": "median", "median": "median", "rej": "average",
    "mean": "average",
}  # fmt: skip


def stack(desk: Desk, call: Call) -> None:
    """Combine a sequence into one image, which is a file and the loaded image from then on."""
    name = call.word("a sequence")
    method = call.words.pop(0) if call.words and call.words[0] in _METHODS else "sum"
    sequence = desk.sequence(name)
    out = call.option("out") or f"{posixpath.basename(desk.sequence_key(name))}_stacked"
    settings = _settings(desk, call, method)
    maps = [m for m in ("rejmap", "rejmaps") if call.flag(m)]
    target = posixpath.basename(desk.path(out))
    finishing = [f for f in ("rgb_equal", "output_norm") if call.flag(f)]
    first = f"stacked-{target}" if finishing else target
    if sequence.drizzle is None:
        node = _integrated(desk, sequence, settings, first)
    else:
        node = _drizzled(desk, sequence.drizzle, settings, first)
    for rejmap in maps:
        _write_maps(desk, node, out, rejmap == "rejmap")
    link = _finished(desk, node.output().link, finishing, target)
    _store(desk, out, link, _written(desk, call))


def stack_all(desk: Desk, call: Call) -> None:
    raise Unclear("which sequences lie in the folder is not known before the script runs; stack each by its name")


def _store(desk: Desk, out: str, link: Link, options: dict[str, str]) -> None:
    desk.store(out, link)
    desk.stacked[desk.path(out)] = Stacked(link, desk.path(out), options=options)
    desk.load(link, out)


def _written(desk: Desk, call: Call) -> dict[str, str]:
    """Return how the file is to be written; take the options that have nothing to say here."""
    for name, why in (
        ("32b", "masters are written as 32-bit floats"), ("fastnorm", "statistics are exact, and fast enough"),
    ):  # fmt: skip
        if call.flag(name):
            desk.sheet.note("idle", f"-{name}", why)
    return {"sample_format": "uint16"} if call.flag("16b") else {}


# -- settings -------------------------------------------------------------------------------------------


def _settings(desk: Desk, call: Call, method: str) -> dict[str, Any]:
    """Return the parameters of ImageIntegration."""
    if method == "sum":
        desk.sheet.note("differs", "stack sum", "frames are averaged: the sum divided by their number")
    found: dict[str, Any] = {
        "combination": _METHODS[method],
        "weight_mode": _weights(desk, call),
        # Siril passes over black borders; here they are missing samples, and a dark sky may be below 0.
        "range_clip_low": False,
    }
    normalization = _normalization(call, method)
    found["normalization"], rejecting = _NORMALIZATIONS[normalization]
    found |= _rejection(desk, call) if method in ("rej", "mean") else {}
    # Without a rejection its normalisation is not used; it stays at what it is then set to.
    found["rejection_normalization"] = rejecting if "rejection" in found else "no_rejection_normalization"
    return found


def _normalization(call: Call, method: str) -> str:
    if call.flag("nonorm"):
        return "no"
    asked = call.option("norm")
    if not asked:
        return "addscale" if method in ("rej", "mean") else "no"
    if asked not in _NORMALIZATIONS or asked == "no":
        raise Unclear(f"-norm= must be add, addscale, mul or mulscale, got {asked[:40]!r}")
    return asked


def _weights(desk: Desk, call: Call) -> str:
    asked = call.option("weight")
    if asked in ("wfwhm", "nbstars", "nbstack"):
        desk.sheet.note("differs", f"-weight={asked}", "frames are weighted by signal and noise")
    elif asked not in ("", "noise"):
        raise Unclear(f"-weight= must be noise, wfwhm, nbstars or nbstack, got {asked[:40]!r}")
    return "snr_estimate" if asked else "dont_care"


def _rejection(desk: Desk, call: Call) -> dict[str, Any]:
    kind: Rejection | None = _WINSORIZED
    if call.words and call.words[0].lower() in _REJECTIONS:
        word = call.words.pop(0).lower()
        kind = _REJECTIONS[word]
        if word in ("m", "median"):
            desk.sheet.note("differs", word, "outliers are taken out, not replaced by the median")
        elif word in ("a", "mad"):
            desk.sheet.note("differs", word, "deviations are counted in standard deviations, not in MADs")
    limits = call.numbers(2)
    if kind is None:
        return {}
    low, high = (limits[0], limits[1]) if len(limits) == 2 else kind.limits
    found: dict[str, Any] = {"rejection": kind.name}
    for name, value, default in ((kind.low, low, kind.limits[0]), (kind.high, high, kind.limits[1])):
        if kind.name == "esd":
            spec = desk.sheet.spec("ImageIntegration", name)
            found[name] = value if (spec.low or 0.0) <= value <= (spec.high or 1.0) else default
            if found[name] != value:
                desk.sheet.note("differs", f"{name} {value:g}", f"must lie in {spec.range_text}: {default:g} is taken")
        elif value <= 0.0:
            # A limit of 0 means there is none on that side.
            found["clip_low" if name == kind.low else "clip_high"] = False
        else:
            found[name] = value
    return found


# -- nodes ----------------------------------------------------------------------------------------------


def _integrated(desk: Desk, sequence: Sequence, settings: Mapping[str, Any], name: str) -> Node:
    return desk.sheet.add("ImageIntegration", name, images=sequence.frames(), **settings)


def _drizzled(desk: Desk, drizzle: Drizzle, settings: Mapping[str, Any], name: str) -> Node:
    """Drizzle frames by how their stars lie; mosaics are interpolated for finding stars only."""
    seen = Sequence(drizzle.frames, mosaic=drizzle.mosaic)
    if drizzle.mosaic:
        seen = debayered(desk, seen, f"seen-{name}")
    reference, maps = matched(desk, seen.frames(), drizzle.alignment, name)
    statistics = tuple(desk.sheet.image("IntegrationStatistics", f"levels-{name}", image=f) for f in drizzle.frames)
    plan = desk.sheet.image(
        "IntegrationPlan", f"plan-{name}", images=drizzle.frames, statistics=statistics,
        normalization=settings["normalization"], rejection_normalization="no_rejection_normalization",
        weight_mode="dont_care",
    )  # fmt: skip
    if settings.get("rejection", "no_rejection") != "no_rejection":
        desk.sheet.note("unmapped", f"stack rej {settings['rejection']}", "drizzled samples are not rejected")
    return desk.sheet.add(
        "DrizzleIntegration", name, images=drizzle.frames, transforms=maps, reference=reference, plan=plan,
        scale=drizzle.scale, drop_shrink=drizzle.drop_shrink, kernel_function=drizzle.kernel, on_failure="missing",
    )  # fmt: skip


def _finished(desk: Desk, link: Link, finishing: list[str], target: str) -> Link:
    """Return the stack with neutral background and spread over its range, as asked for."""
    for i, what in enumerate(finishing, 1):
        last = i == len(finishing)
        if what == "rgb_equal":
            desk.sheet.note("differs", "-rgb_equal", "the medians of the colours are made equal after stacking")
            link = desk.sheet.image(
                "BackgroundNeutralization", target if last else f"neutral-{target}", image=link,
                background_low=-1.0, background_high=1.0, mode="target_background", target_background=0.01,
            )  # fmt: skip
        else:
            link = desk.sheet.image("Rescale", target if last else f"rescaled-{target}", image=link)
    return link


def _write_maps(desk: Desk, node: Node, out: str, together: bool) -> None:
    low, high = node.output("rejection_low").link, node.output("rejection_high").link
    if together:
        both = desk.sheet.image(
            "PixelMath", f"rejmap-{node.name}", image=low, images=(high,), names=("high",), expression="$T + high"
        )
        desk.write(f"{out}_low+high_rejmap", both)
    else:
        desk.write(f"{out}_low_rejmap", low)
        desk.write(f"{out}_high_rejmap", high)


COMMANDS: Mapping[str, Callable[[Desk, Call], None]] = {"stack": stack, "stackall": stack_all}
