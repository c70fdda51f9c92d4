"""ImageDifference: where and by how much two images differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Again, Box, Frame, Known, ParameterError, Port, Process, Summaries, Tile, param

_NOWHERE = (2**62, 2**62, -1, -1)


class ImageDifference(Process, id="measure.image_difference"):
    """Subtract a reference, and measure what is left, exactly, in physical units.

    The pixels are image - reference, missing where either is, with bounds that put zero in the middle of a display.

    The Value::

        {"equal": no sample differs, "box": [y0, x0, y1, x1] around all that differ or None,
         "channels": [{"count": samples present in both images, "changed": how many differ,
                       "missing_in_one": how many are present in only one (they differ, too),
                       "maximum": largest absolute difference, "maximum_at": [row, column],
                       "mean": of the differences, "rms": root of the mean of their squares,
                       "percentiles": [[percentile, absolute difference], ...], "box": as above}, ...]}

    Figures of a channel without common samples are NaN.
    """

    inputs = (Port("image"), Port("reference", doc="what is subtracted"))
    outputs = (Port("image", doc="the difference"), Port("measures", "measures", doc="how large it is, and where"))

    percentiles: tuple[float, ...] = param(
        default=(50.0, 90.0, 99.0, 99.9),
        low=0.0,
        high=100.0,
        unit="%",
        doc="percentiles of the absolute differences to report, interpolated linearly",
    )

    def frame(self, known: Known) -> Frame:
        image, reference = known.of("image"), known.of("reference")
        mine, other = _size(image), _size(reference)
        if mine != other:
            raise ParameterError(f"ImageDifference: wanted images of one size, got {_told(mine)} and {_told(other)}")
        if image.bounds is None or reference.bounds is None:
            return image
        low = min(image.bounds[0], reference.bounds[0])
        span = max(image.bounds[1], reference.bounds[1]) - low
        return image.with_(bounds=(-span, span))

    def measures(self, known: Known) -> bool:
        return True

    def measure(self, known: Known, image: Tile, reference: Tile) -> Any:
        sizes = np.abs(image - reference)
        partial: dict[str, Any] = {"sizes": self._summaries().measure(sizes, known.state, known.box)}
        if known.state is None:
            partial["planes"] = [_plane(a, b, known.box) for a, b in zip(image, reference, strict=True)]
        return partial

    def merge(self, a: Any, b: Any) -> Any:
        merged = {"sizes": self._summaries().merge(a["sizes"], b["sizes"])}
        if "planes" in a:
            merged["planes"] = [_joined(p, q) for p, q in zip(a["planes"], b["planes"], strict=True)]
        return merged

    def finish(self, partial: Any, known: Known) -> Any:
        state = known.state
        planes = partial["planes"] if state is None else state["planes"]
        found = self._summaries().finish(partial["sizes"], state)
        if isinstance(found, Again):
            return Again({**found.state, "planes": planes})
        channels = [self._channel(s.plain(), p) for s, p in zip(found, planes, strict=True)]
        boxes = [p["box"] for p in planes]
        return {
            "equal": all(p["box"][2] < 0 for p in planes),
            "box": _box(boxes[0] if len(boxes) == 1 else _around(boxes)),
            "channels": channels,
        }

    def pixels(self, known: Known, image: Tile, reference: Tile) -> Tile:
        return np.ascontiguousarray(image - reference)

    def _summaries(self) -> Summaries:
        return Summaries(fractions=tuple(p / 100.0 for p in self.percentiles), mad=False)

    def _channel(self, sizes: Mapping[str, Any], plane: Mapping[str, Any]) -> dict[str, Any]:
        n = sizes["count"]
        return {
            "count": n,
            "changed": int(plane["changed"]),
            "missing_in_one": int(plane["missing_in_one"]),
            "maximum": sizes["maximum"],
            "maximum_at": list(sizes["maximum_at"]),
            "mean": float(plane["total"]) / n if n else math.nan,
            "rms": math.sqrt(sizes["total_square"] / n) if n else math.nan,
            "percentiles": [[p, v] for p, v in zip(self.percentiles, sizes["quantiles"], strict=True)],
            "box": _box(plane["box"]),
        }


def _size(frame: Frame) -> tuple[int, int, int]:
    return frame.width, frame.height, frame.channels


def _told(size: tuple[int, int, int]) -> str:
    return " x ".join(map(str, size))


def _plane(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32], box: Box) -> dict[str, Any]:
    """Return counts, the sum of differences and the box of what differs, of one channel of one tile."""
    there_a, there_b = np.isfinite(a), np.isfinite(b)
    there = there_a & there_b
    alone = there_a ^ there_b
    other = (there & (a != b)) | alone
    rows, columns = np.flatnonzero(other.any(axis=1)), np.flatnonzero(other.any(axis=0))
    around: tuple[int, ...] = _NOWHERE
    if rows.size:
        y, x = box.y0, box.x0
        around = int(rows[0]) + y, int(columns[0]) + x, int(rows[-1]) + 1 + y, int(columns[-1]) + 1 + x
    difference = a.astype(np.float64) - b
    return {
        "changed": int(np.count_nonzero(other)),
        "missing_in_one": int(np.count_nonzero(alone)),
        "total": float(difference[there].sum()),
        "box": list(around),
    }


def _joined(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    made = {name: a[name] + b[name] for name in ("changed", "missing_in_one", "total")}
    return {**made, "box": _around([a["box"], b["box"]])}


def _around(boxes: list[Any]) -> list[int]:
    y0, x0, y1, x1 = zip(*boxes, strict=True)
    return [min(y0), min(x0), max(y1), max(x1)]


def _box(found: Any) -> list[int] | None:
    return None if found[2] < 0 else list(found)
