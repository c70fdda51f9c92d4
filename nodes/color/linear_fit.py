"""LinearFit: match the levels of one image to those of another by a straight line."""

from __future__ import annotations

import math
from typing import Any

from ...engine.api import Again, Arguments, Box, Frame, Known, ParameterError, Port, Process, Tile, param, sampled_rows
from ._line_fit import begin, merged, ordered, step


class LinearFit(Process, id="color.linear_fit", version=2):
    """Fit ``reference = a + b image`` per channel and apply it, so that the image's levels match the reference's.

    The line has the least mean absolute deviation of all lines (L1, which stars and satellites do not
    pull), over the pixels where both images lie strictly between the two rejection limits, each in its own
    normalised range. It is exact: no sampling, no iteration left unfinished. A reference of one channel
    serves all channels; alpha channels are not fitted.

    The output `line` holds per channel ``a`` and ``b`` in physical units, ``sigma`` (the mean absolute residual,
    in the reference's unit), ``count`` and ``fraction`` of pixels used. Link it to the `line` input of another
    LinearFit to apply the same lines again; no reference is needed then.

    An image whose usable samples are all equal has no line, which is an error.

    Parameters and defaults: PixInsight's LinearFit, including the truncation to the nominal range.
    """

    inputs = (
        Port("image"),
        Port("reference", optional=True, doc="the image whose levels are wanted"),
        Port("line", "line", optional=True, doc="lines fitted before, to be applied as they are"),
    )
    outputs = (Port("image"), Port("line", "line", doc="a, b, sigma and fraction of pixels used, per channel"))
    requires = "linear"

    reject_low: float = param(
        default=0.0, low=0.0, high=1.0, doc="only samples above this are used, in the normalised range"
    )
    reject_high: float = param(
        default=0.92, low=0.0, high=1.0, doc="only samples below this are used, in the normalised range"
    )
    truncate: bool = param(default=True, doc="hold the result within the bounds of the reference")

    def check(self) -> None:
        if self.reject_low >= self.reject_high:
            raise ParameterError(
                f"LinearFit: reject_low must be below reject_high, got {self.reject_low:g} and {self.reject_high:g}"
            )

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        if ("reference" in known.frames) == ("line" in known.values):
            came = "both" if "line" in known.values else "neither"
            raise ParameterError(f"LinearFit wants either 'reference' or 'line' linked, got {came}")
        if "reference" not in known.frames:
            return self._frame_of_line(image, known.values["line"])
        reference = known.of("reference")
        if not image.same_size(reference):
            raise ParameterError(
                f"LinearFit: image and reference must have the same size, got {image.width}x{image.height} and "
                f"{reference.width}x{reference.height}"
            )
        if reference.nominal not in (1, image.nominal):
            raise ParameterError(
                f"LinearFit: the reference must have 1 channel or the image's {image.nominal}, got {reference.nominal}"
            )
        return image.with_(bounds=reference.bounds, unit=reference.unit)

    def _frame_of_line(self, image: Frame, line: Any) -> Frame:
        if line is None:
            return image.with_(bounds=None)
        if len(line["channels"]) not in (1, image.nominal):
            raise ParameterError(
                f"LinearFit: the linked line must have 1 channel or the image's {image.nominal}, "
                f"got {len(line['channels'])}"
            )
        lo, hi = line["bounds"]
        return image.with_(bounds=(lo, hi), unit=line["unit"])

    # -- the fit ----------------------------------------------------------------------------------

    def measures(self, known: Known) -> bool:
        return "reference" in known.frames

    def compute(self, known: Known) -> Any:
        return known.values["line"]

    def needs(self, box: Box, port: str, known: Known) -> Box:
        measuring = known.port == "" and self.measures(known)
        return sampled_rows(box) if measuring and self.looks(known) else box

    def looks(self, known: Known) -> bool:
        return all("line" in s or s["some_rows"] for s in self._states(known))

    def measure(self, known: Known, image: Tile, reference: Tile) -> Any:
        box = self.needs(known.box, "image", known)
        some = sampled_rows(known.box)
        scaling, limits = self._scaling(known), (self.reject_low, self.reject_high)
        single = known.of("reference").nominal == 1
        partials = []
        for c, state in enumerate(self._states(known)):
            part = some if state.get("some_rows") else box
            rows = slice(part.y0 - box.y0, part.y1 - box.y0)
            index = part.y0 * box.width
            partials.append(step(image[c, rows], reference[0 if single else c, rows], scaling, limits, state, index))
        return partials

    def _states(self, known: Known) -> Any:
        frame = known.of("image")
        return known.state or [begin(frame.width * frame.height)] * frame.nominal

    def merge(self, a: Any, b: Any) -> Any:
        return [merged(p, q) for p, q in zip(a, b, strict=True)]

    def finish(self, partial: Any, known: Known) -> Any:
        image, reference = known.of("image"), known.of("reference")
        area = image.width * image.height
        scaling = self._scaling(known)
        channels = []
        for c, (p, s) in enumerate(zip(partial, self._states(known), strict=True)):
            try:
                channels.append(ordered(p, s, scaling, area))
            except ValueError as e:
                raise ParameterError(f"LinearFit, channel {c}: {e}") from e
        if not all("line" in c for c in channels):
            return Again(channels)
        lines = [_physical(c["line"], scaling, area) for c in channels]
        return {"channels": lines, "bounds": list(reference.known_bounds()), "unit": reference.unit}

    def _scaling(self, known: Known) -> tuple[float, float, float, float]:
        """Return origin and factor that normalise the image, then those of the reference."""
        x0, x1 = known.of("image").known_bounds()
        y0, y1 = known.of("reference").known_bounds()
        return x0, 1.0 / (x1 - x0), y0, 1.0 / (y1 - y0)

    # -- the arithmetic -----------------------------------------------------------------------------

    def arguments(self, known: Known, channel: int) -> Arguments | None:
        image, out = known.of("image"), known.frame
        line = known.measured or known.values["line"]
        if channel >= image.nominal:
            return _same_place(image, out)
        channels = line["channels"]
        fitted = channels[channel if len(channels) > 1 else 0]
        low, high = out.known_bounds() if self.truncate else (-math.inf, math.inf)
        return fitted["a"], fitted["b"], low, high

    @staticmethod
    def rises(a: float, b: float, low: float, high: float) -> bool:
        return b >= 0.0 and low <= high

    @staticmethod
    def pixel(x: float, a: float, b: float, low: float, high: float) -> float:
        v = a + b * x
        v = low if v < low else v
        return high if v > high else v


def _physical(line: dict[str, float], scaling: tuple[float, float, float, float], area: int) -> dict[str, Any]:
    """Return a line between normalised images as one between physical values."""
    x0, fx, y0, fy = scaling
    b = line["b"] * fx / fy
    return {
        "a": y0 + line["a"] / fy - b * x0,
        "b": b,
        "sigma": line["sigma"] / fy,
        "count": int(line["count"]),
        "fraction": line["count"] / area,
    }


def _same_place(image: Frame, out: Frame) -> Arguments | None:
    """Return the line that keeps an alpha channel where it was within the bounds; None when they are the same."""
    if image.bounds == out.bounds:
        return None
    (x0, x1), (y0, y1) = image.known_bounds(), out.known_bounds()
    b = (y1 - y0) / (x1 - x0)
    return y0 - b * x0, b, -math.inf, math.inf
