"""Three gray images become one colour image."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...engine.api import Frame, Known, ParameterError, Port, Process, Tile, param
from ._spaces import SPACES, SRGB, normalised, to_rgb

Space = Literal["RGB", "XYZ", "Lab", "LCh", "HSV", "HSI"]


class ChannelCombination(Process, id="color.channel_combination"):
    """Put three gray images together as R, G, B, or as the components of another colour space.

    The ports are named after the RGB case; in the other spaces they carry, in order, X Y Z; L* a* b*;
    L* c* h*; H S V; H S I, as `ChannelExtraction` gives them. In RGB physical values are kept and the
    bounds are those that hold all three; in the other spaces components are normalised by their own
    bounds, and R, G, B come out in [0, 1], colours outside the gamut clamped. Header, coordinates and
    unit are those of *red*; alpha channels are dropped.

    Formulas: CIE 15 and IEC 61966-2-1, normalised as in PixInsight's ChannelCombination.
    """

    inputs = (
        Port("red", doc="R, X, L*, L*, H or H"),
        Port("green", doc="G, Y, a*, c*, S or S"),
        Port("blue", doc="B, Z, b*, h*, V or I"),
    )
    maskable = False

    color_space: Space = param(default="RGB", choices=SPACES, doc="what the three images are components of")
    srgb_gamma: bool = param(default=True, doc="RGB samples follow the sRGB curve; false: channel_gamma")
    channel_gamma: float = param(
        default=2.2, low=0.1, high=10.0, doc="exponent of RGB samples when srgb_gamma is false; 1 is linear"
    )

    def frame(self, known: Known) -> Frame:
        frames = {port.name: known.of(port.name) for port in self.inputs}
        _must_fit(frames, physical=self.color_space == "RGB")
        colour = frames["red"].with_(channels=3, color="rgb", cfa=None)
        if self.color_space != "RGB":
            return colour.with_(bounds=(0.0, 1.0), unit="")
        return colour.with_(bounds=_hull(*frames.values()))

    def plane(self, known: Known, channel: int) -> tuple[str, int] | None:
        return (self.inputs[channel].name, 0) if self.color_space == "RGB" else None

    def pixels(self, known: Known, *tiles: Tile) -> Tile:
        if self.color_space == "RGB":
            return np.concatenate([tile[:1] for tile in tiles])
        bounds = [known.of(port.name).known_bounds() for port in self.inputs]
        planes = np.concatenate([normalised(t[:1], b) for t, b in zip(tiles, bounds, strict=True)])
        gamma = SRGB if self.srgb_gamma else self.channel_gamma
        return to_rgb(planes, SPACES.index(self.color_space), gamma).astype(np.float32)


def _must_fit(frames: dict[str, Frame], physical: bool) -> None:
    """Raise ParameterError where the frames cannot be channels of one picture, naming both sides."""
    for name, frame in frames.items():
        if frame.nominal != 1:
            raise ParameterError(f"ChannelCombination: {name} must be a gray image, got {frame}")
    first = frames["red"]
    for name, frame in frames.items():
        if not frame.same_size(first):
            raise ParameterError(
                f"ChannelCombination: {name} is {frame.width}x{frame.height}, red is {first.width}x{first.height}"
            )
        if frame.orientation != first.orientation:
            raise ParameterError(f"ChannelCombination: {name} is {frame.orientation}, red is {first.orientation}")
        if frame.state != first.state:
            raise ParameterError(f"ChannelCombination: {name} is {frame.state}, red is {first.state}")
        # Planes of different scale (ADU beside 0..1) would make one channel all but black, unnoticed.
        if physical and frame.unit != first.unit and frame.bounds != first.bounds:
            raise ParameterError(
                f"ChannelCombination: {name} is in '{frame.unit}' with bounds {frame.bounds}, "
                f"red is in '{first.unit}' with bounds {first.bounds}; rescale one of them first"
            )


def _hull(*frames: Frame) -> tuple[float, float] | None:
    known = [f.bounds for f in frames if f.bounds is not None]
    if len(known) < len(frames):
        return None
    return min(lo for lo, _ in known), max(hi for _, hi in known)
