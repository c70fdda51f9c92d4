"""Stretches where they do harm: channel by channel after a colour calibration, or a second time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ...engine.frame import State
from ..check import states
from .findings import Finding
from .view import View

# What makes channels comparable: a later stretch that treats each for itself undoes it. A neutral background alone
# says nothing of the balance of the stars.
_CALIBRATES_COLOUR = re.compile(r"color\.(linear_fit|\w*color_calibration)")
_COMBINES = "color.channel_combination"
_DISPLAY = "stretch.screen_transfer_function"


def findings(view: View) -> Iterator[Finding]:
    """Yield S02 and S03."""
    state = states(view.graph)
    for node, process in view.processes.items():
        if process is None:
            continue
        if view.id(node) == _COMBINES:
            yield from _apart(view, node)
        for link in view.sources(node, "display"):
            if process.gives == "stretched" and view.id(link.node) == _DISPLAY:
                yield from _unlinked(view, node, link.node)
                yield from _again(view, node, link.node, state)


def _calibration(view: View, node: str) -> str | None:
    """Return the nearest node above *node* that calibrates colours."""
    return next((n for n in view.upstream([node]) if _CALIBRATES_COLOUR.fullmatch(view.id(n))), None)


def _unlinked(view: View, node: str, display: str) -> Iterator[Finding]:
    calibrated = _calibration(view, display)
    if calibrated is None or view.value(display, "linked") is not False:
        return
    message = (
        f"node '{node}' stretches each channel by itself, as '{display}' has linked false, after '{calibrated}' "
        f"({view.id(calibrated)}) made the channels comparable: the colour balance is lost"
    )
    yield Finding(code="S02", node=node, item="display", message=message, cure=f"set {display}.linked to true")


def _again(view: View, node: str, display: str, state: Mapping[str, tuple[State | None, str]]) -> Iterator[Finding]:
    image = next((k.node for k in view.sources(node, "image")), None)
    found, maker = state.get(image, (None, "")) if image is not None else (None, "")
    if found == "stretched":
        message = f"node '{node}' applies the automatic stretch of '{display}' to what '{maker}' stretched before"
        cure = f"link '{node}' to the linear image, or give it midtones instead of a display"
        yield Finding(code="S03", node=node, item="image", message=message, cure=cure)


def _apart(view: View, node: str) -> Iterator[Finding]:
    """Yield a finding where channels were stretched automatically, each for itself, before they are combined."""
    displays: dict[str, str] = {}
    for source in view.image_sources(node):
        for above in view.chain(source):
            if links := view.sources(above, "display"):
                displays.setdefault(links[0].node, above)
                break
    calibrated = _calibration(view, node)
    if len(displays) > 1 and calibrated is not None:
        told = ", ".join(f"'{n}'" for n in displays.values())
        message = (
            f"node '{node}' combines channels that {told} stretched each by its own display, after '{calibrated}' "
            f"({view.id(calibrated)}) made them comparable: the colour balance is lost"
        )
        yield Finding(code="S02", node=node, message=message, cure="combine the linear channels, then stretch once")
