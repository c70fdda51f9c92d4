"""The calibration equation, applied to one frame."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...engine.api import Frame, Known, Port, Process, Tile, param
from . import _cfa
from ._equation import Masters, calibrate
from ._masters import data_number, linked, must_fit, told

PedestalMode = Literal["literal", "auto"]
MODES = ("literal", "auto")
MOST_PEDESTAL = 1000.0
# Below this part of the range a sample counts as cut off by truncation.
_BLACK = 2 * float(np.finfo(np.float32).eps)
_UNLIMITED = (-np.inf, np.inf)


class CalibrateFrame(Process, id="calibration.calibrate_frame"):
    """Apply ``c = (t - b - k d) / max(f, 1e-15) + pedestal`` to a frame t, with f the flat divided by its scale.

    Physical values are combined as they are, except that a master in [0, 1] and a frame that is not (or
    the other way round) are brought together by their bounds. An unlinked master takes no part. A sample
    that is missing in the frame or in a master that takes part is missing in the result. Alpha channels
    are kept.

    The pedestal is given in data numbers (the range from 0 to white is 65535), or found by mode
    ``auto``: where at least the share *auto_pedestal_limit* of all samples would lie below black, it
    lifts all but that share above it. It is noted in the header word PEDESTAL.

    Equation: PixInsight's ImageCalibration.
    """

    inputs = (
        Port("image", doc="the frame"),
        Port("bias", optional=True, doc="the master bias"),
        Port("dark", optional=True, doc="the master dark"),
        Port("flat", optional=True, doc="the master flat"),
        Port("dark_scale", "measures", optional=True, doc="from DarkScale, of the frame; unlinked: k = 1"),
        Port("flat_dark_scale", "measures", optional=True, doc="from DarkScale, of the flat; unlinked: k = 1"),
        Port("flat_scale", "measures", optional=True, doc="from FlatScale; unlinked: scale 1"),
    )
    outputs = (Port("image"), Port("measures", "measures", doc="dark scales, flat scales, pedestal in DN"))
    requires = "linear"
    maskable = False

    bias_in_dark: bool = param(default=False, doc="the bias is still inside the dark")
    raw_flat: bool = param(default=False, doc="bias and dark are still inside the flat")
    output_pedestal: float = param(
        default=0.0, low=0.0, high=MOST_PEDESTAL, unit="DN", doc="pedestal to add, in mode literal"
    )
    output_pedestal_mode: PedestalMode = param(default="literal", choices=MODES, doc="how the pedestal is found")
    auto_pedestal_limit: float = param(
        default=1e-4, low=0.0, high=0.01, doc="share of samples that mode auto lets fall below black"
    )
    truncate: bool = param(default=True, doc="clamp the result to the bounds of the frame")

    # -- what comes out ---------------------------------------------------------------------------

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        must_fit(linked(known, "image", "bias", "dark", "flat"), "CalibrateFrame")
        header = tuple(card for card in image.header if card[0].upper() != "PEDESTAL")
        pedestal = self._pedestal(known)
        if pedestal:
            header += (("PEDESTAL", pedestal, "DN added by calibration"),)
        return image.with_(header=header)

    # -- what must be known first -----------------------------------------------------------------

    def measures(self, known: Known) -> bool:
        return self.output_pedestal_mode == "auto"

    def measure(self, known: Known, *tiles: Any) -> dict[str, Any]:
        image = known.of("image")
        c = self._calibrated(known, tiles, 0.0, _UNLIMITED)[: image.nominal]
        black = np.float32(image.lo + _BLACK * (image.hi - image.lo))
        return self._least(c[c < black], image)

    def merge(self, a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
        # Each side holds its own lowest samples, as many as are needed; so does the union.
        least = np.concatenate([a["least"], b["least"]])
        return {"needed": a["needed"], "count": a["count"] + b["count"], "least": _lowest(least, a["needed"])}

    def finish(self, partial: dict[str, Any], known: Known) -> dict[str, Any]:
        needed, image = partial["needed"], known.of("image")
        pedestal = 0.0
        if partial["count"] >= needed:
            depth = (float(np.sort(partial["least"])[needed - 1]) - image.lo) / data_number(image)
            pedestal = min(max(1.0, float(round(abs(depth)))), MOST_PEDESTAL)
        return self._report(known, pedestal)

    def compute(self, known: Known) -> dict[str, Any]:
        return self._report(known, self.output_pedestal)

    def _least(self, samples: npt.NDArray[np.float32], image: Frame) -> dict[str, Any]:
        needed = max(1, int(self.auto_pedestal_limit * image.width * image.height * image.nominal))
        return {"needed": needed, "count": int(samples.size), "least": _lowest(samples, needed)}

    def _report(self, known: Known, pedestal: float) -> dict[str, Any]:
        flat = known.values.get("flat_scale")
        return {
            "k": list(self._scales(known, "dark_scale")) if "dark" in known.frames else [],
            "flat_k": list(self._scales(known, "flat_dark_scale")) if self.raw_flat else [],
            "flat_scale": told(known, "flat_scale", "scale", "FlatScale") if flat else [],
            "flat_pattern": flat["pattern"] if flat else "",
            "pedestal": pedestal,
        }

    def _pedestal(self, known: Known) -> float:
        if self.output_pedestal_mode == "literal":
            return self.output_pedestal
        return 0.0 if known.measured is None else float(known.measured["pedestal"])

    # -- the arithmetic ---------------------------------------------------------------------------

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image = known.of("image")
        pedestal = self._pedestal(known) * data_number(image)
        return self._calibrated(known, tiles, pedestal, image.known_bounds() if self.truncate else _UNLIMITED)

    def _calibrated(
        self, known: Known, tiles: tuple[Any, ...], pedestal: float, limits: tuple[float, float]
    ) -> Tile:
        frame = known.of("image")
        light, bias, dark, flat = tiles
        masters = Masters(known, self.bias_in_dark, self.raw_flat)
        k, k_flat = self._scales(known, "dark_scale"), self._scales(known, "flat_dark_scale")
        numbers = np.array([pedestal, *limits])
        out = np.empty(light.shape, np.float32)
        out[frame.nominal :] = light[frame.nominal :]
        for c in range(frame.nominal):
            planes = [light[c] if t is None else t[c] for t in (light, bias, dark, flat)]
            p, q = masters.light_row(k[c]), masters.flat_row(k_flat[c])
            calibrate(*planes, p, q, self._inverse(known, c), known.box.y0, numbers, out[c])
        return out

    def _scales(self, known: Known, port: str) -> list[float]:
        """Return k of each channel."""
        if port in known.values:
            return [float(k) for k in told(known, port, "k", "DarkScale")]
        return [1.0] * known.of("image").nominal

    def _inverse(self, known: Known, channel: int) -> npt.NDArray[np.float64]:
        """Return 1 / scale of the flat for each row of the filter cell, over the columns of the box."""
        found = known.values.get("flat_scale")
        if found is None or "flat" not in known.frames:
            return np.ones((1, known.box.width))
        scale = np.array(told(known, "flat_scale", "scale", "FlatScale"), np.float64)
        if not found["pattern"]:
            return np.full((1, known.box.width), 1.0 / scale[channel])
        cell = 1.0 / scale[_cfa.components(found["pattern"])]
        columns = np.arange(known.box.x0, known.box.x1) % cell.shape[1]
        return np.ascontiguousarray(cell[:, columns])


def _lowest(samples: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    return samples if samples.size <= count else np.partition(samples, count - 1)[:count]
