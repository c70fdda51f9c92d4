"""Makes the sky background of a colour image gray."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...engine.api import Again, Box, Frame, Known, ParameterError, Port, Process, Summaries, Tile, param
from ._spaces import normalised

Mode = Literal["target_background", "rescale", "rescale_as_needed", "truncate"]
MODES = ("target_background", "rescale", "rescale_as_needed", "truncate")
FEWEST = 16
_SUMMARIES = Summaries(mad=False)


class BackgroundNeutralization(Process, id="color.background_neutralization"):
    """Subtract from each channel the median of its background.

    Background are the pixels of the reference (default: the image itself) whose three channels lie
    strictly between *background_low* and *background_high*. With b the three medians, in [0, 1]::

        target_background    v - b + target_background, clamped to [0, 1]
        truncate             v - b, clamped to [0, 1]
        rescale              v - b, then the range from the least to the greatest sample of all three
                             channels becomes [0, 1]
        rescale_as_needed    the same, but only if a sample has left [0, 1]

    Rescaled images have bounds (0, 1); all others keep bounds and unit. Alpha channels are kept.
    The reference has the size of the image. Where `background` is given, it is b, and no reference is looked at.

    Formulas: PixInsight's BackgroundNeutralization.
    """

    inputs = (
        Port("image", doc="the colour image"),
        Port("reference", optional=True, doc="a colour image in which the background is measured"),
    )
    outputs = (Port("image"), Port("measures", "measures", doc="the background of each channel"))

    mode: Mode = param(default="rescale_as_needed", choices=MODES, doc="what is done about samples out of range")
    background_low: float = param(default=0.0, low=-1.0, high=1.0, doc="normalised; background samples are greater")
    background_high: float = param(default=0.1, low=0.0, high=1.0, doc="normalised; background samples are less")
    target_background: float = param(
        default=0.001, low=0.0, high=1.0, doc="normalised background of the result in mode target_background"
    )
    box: tuple[int, int, int, int] | None = param(
        default=None, low=0, unit="px", doc="y0, x0, y1, x1 of the region of the reference to use; none: all"
    )
    background: tuple[float, ...] | None = param(
        default=None, low=-1.0, high=1.0,
        doc="normalised background of each channel, where it was measured before; none: it is measured",
    )  # fmt: skip

    def check(self) -> None:
        if self.background_low >= self.background_high:
            raise ParameterError(
                "BackgroundNeutralization: background_low must be below background_high, "
                f"got {self.background_low:g} and {self.background_high:g}"
            )

        if self.background is not None and len(self.background) != 3:
            raise ParameterError(f"BackgroundNeutralization: background has three numbers, got {len(self.background)}")

    # -- what comes out ---------------------------------------------------------------------------

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        self._must_fit(known, image)
        if self.mode in ("truncate", "target_background"):
            return image
        if known.measured is None:
            return image.with_(bounds=None)
        return image.with_(bounds=(0.0, 1.0), unit="") if known.measured["rescaled"] else image

    def _must_fit(self, known: Known, image: Frame) -> None:
        reference: Frame = known.frames.get("reference", image)
        for name, frame in (("image", image), ("reference", reference)):
            if frame.color != "rgb" or frame.nominal < 3:
                raise ParameterError(f"BackgroundNeutralization: {name} must be a colour image, got {frame}")
        if not reference.same_size(image):
            raise ParameterError(
                f"BackgroundNeutralization: reference is {reference.width}x{reference.height}, "
                f"image is {image.width}x{image.height}"
            )
        if self.box is not None and (Box(*self.box).empty or not image.box.contains(Box(*self.box))):
            raise ParameterError(
                f"BackgroundNeutralization: box {Box(*self.box)} must hold pixels of the {image.height} rows "
                f"and {image.width} columns of the reference"
            )

    # -- what must be known first -----------------------------------------------------------------

    def measure(self, known: Known, *tiles: Any) -> dict[str, Any]:
        image, reference = tiles
        self._must_fit(known, known.of("image"))
        frame: Frame = known.frames.get("reference", known.of("image"))
        seen = known.box if self.box is None else Box(*self.box).overlap(known.box)
        part = seen.shift(-known.box.y0, -known.box.x0)
        if reference is None:
            reference = image
        sky = reference[:3, part.y0 : max(part.y0, part.y1), part.x0 : max(part.x0, part.x1)]
        planes: Any = [plane[None] for plane in sky[:, self._background(sky, frame)]]
        state = known.state
        order = _SUMMARIES.measure(planes, None if state is None else state["order"], known.box)
        first = state is None
        return {"order": order, "range": _extremes(image[:3]) if first else np.zeros((3, 2)),
                "seen": _extremes(sky) if first else np.zeros((3, 2))}  # fmt: skip

    def merge(self, a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
        ranges = {name: _hull(a[name], b[name]) for name in ("range", "seen")}
        return {"order": _SUMMARIES.merge(a["order"], b["order"]), **ranges}

    def finish(self, partial: dict[str, Any], known: Known) -> dict[str, Any] | Again:
        state = known.state or {"order": None, "range": partial["range"], "seen": partial["seen"]}
        found = _SUMMARIES.finish(partial["order"], state["order"])
        if isinstance(found, Again):
            return Again({**state, "order": found.state})
        frame: Frame = known.frames.get("reference", known.of("image"))
        lo, hi = frame.known_bounds()
        if self.background is not None:
            return self._decided(list(self.background), state["range"], known.of("image"), found[0].count)
        if found[0].count < FEWEST:
            low, high = ((state["seen"] - lo) / (hi - lo)).T
            raise ParameterError(
                f"BackgroundNeutralization: at least {FEWEST} pixels with all channels between "
                f"{self.background_low:g} and {self.background_high:g} are wanted, got {found[0].count}; "
                f"the reference reaches from {np.round(low, 6).tolist()} to {np.round(high, 6).tolist()}"
            )
        background = [(s.median - lo) / (hi - lo) for s in found]
        return self._decided(background, state["range"], known.of("image"), found[0].count)

    def _decided(
        self, background: list[float], extremes: npt.NDArray[np.float64], image: Frame, pixels: int
    ) -> dict[str, Any]:
        """Return what `pixels` has to know: the background, and the range that becomes [0, 1]."""
        left = (extremes - image.lo) / (image.hi - image.lo) - np.array(background)[:, None]
        least, most = float(left[:, 0].min()), float(left[:, 1].max())
        needed = self.mode == "rescale" or (self.mode == "rescale_as_needed" and (least < 0.0 or most > 1.0))
        # An image of one value has no range to stretch.
        rescaled = needed and most > least
        return {
            "background": background, "pixels": pixels, "rescaled": rescaled, "least": least, "most": most
        }  # fmt: skip

    def _background(self, sky: Tile, frame: Frame) -> npt.NDArray[np.bool_]:
        x = normalised(sky, frame.known_bounds())
        inside = (x > self.background_low) & (x < self.background_high)
        return np.asarray(inside.all(axis=0))

    # -- the arithmetic ---------------------------------------------------------------------------

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image: Tile = tiles[0]
        frame, told = known.of("image"), known.measured
        x = normalised(image[:3], frame.known_bounds()) - np.array(told["background"])[:, None, None]
        if told["rescaled"]:
            x = (x - told["least"]) / (told["most"] - told["least"])
        elif self.mode == "target_background":
            x = np.clip(x + self.target_background, 0.0, 1.0)
        elif self.mode == "truncate":
            x = np.clip(x, 0.0, 1.0)
        out = np.empty(image.shape, np.float32)
        out[:3] = x if told["rescaled"] else frame.lo + x * (frame.hi - frame.lo)
        out[:3][~np.isfinite(image[:3])] = np.nan
        out[3:] = normalised(image[3:], frame.known_bounds()) if told["rescaled"] else image[3:]
        return out


def _extremes(tile: Tile) -> npt.NDArray[np.float64]:
    """Return the least and the greatest sample of each channel, as rows; (inf, -inf) where all are missing."""
    finite = np.isfinite(tile)
    least = np.where(finite, tile, np.inf).min(axis=(1, 2), initial=np.inf)
    most = np.where(finite, tile, -np.inf).max(axis=(1, 2), initial=-np.inf)
    return np.stack([least, most], axis=1).astype(np.float64)


def _hull(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.stack([np.minimum(a[:, 0], b[:, 0]), np.maximum(a[:, 1], b[:, 1])], axis=1)
