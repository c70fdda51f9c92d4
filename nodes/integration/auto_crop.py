"""AutoCrop: what is left of a stack when its ragged borders are cut off."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import (
    AffineGrid,
    Again,
    Box,
    Frame,
    GridMap,
    Known,
    ParameterError,
    Port,
    Process,
    Tile,
    carry,
    param,
    shifting,
)

_NOTHING = Box(0, 0, 0, 0)
Rows = npt.NDArray[np.int64]
"""First covered column and the one after the last, per image row: (2, rows)."""
Columns = npt.NDArray[np.int64]
"""First covered row and the one after the last, per column: (2, columns)."""


class AutoCrop(Process, id="integration.auto_crop", version=2):
    """Keep the largest rectangle that is covered well enough, exactly: no pixel is interpolated.

    Coverage is a map such as the weight of an integration; covered is what reaches `threshold` of the map's
    maximum, in all colour channels. With several maps (those of all filters) the rectangle is covered in each.
    Without any, covered is what is not missing in the image itself.

    A row counts as covered from its first covered pixel to its last, and so does a column: samples that rejection
    took out in between, such as a trail from border to border, are no border. The rectangle is the largest of all
    under that rule; of equals the topmost, then the lowest.

    The output `crop` holds ``box`` (y0, x0, y1, x1, half open) and the ``height`` and ``width`` it belongs to.
    Link it to the `crop` input of other AutoCrops to cut all filters alike; no coverage is needed then.
    """

    inputs = (
        Port("image"),
        Port("coverage", many=True, optional=True, doc="maps of coverage or weight, of the image's size"),
        Port("crop", "measures", optional=True, doc="a crop found before, to be applied as it is"),
    )
    outputs = (Port("image"), Port("crop", "measures", doc="the box that is kept"))
    maskable = False

    threshold: float = param(
        default=0.9, low=0.0, high=1.0, doc="covered is what has at least this part of the highest coverage"
    )
    margin: int = param(default=0, low=0, high=10000, unit="px", doc="what is cut off each side besides")

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        if "coverage" in known.frames and "crop" in known.values:
            raise ParameterError("AutoCrop wants either 'coverage' or 'crop' linked, got both")
        if image.cfa is not None:
            raise ParameterError(
                f"AutoCrop: the image is a colour filter mosaic ({image.cfa}), whose cells a crop would cut: "
                "put Debayer before this node"
            )
        for at, coverage in enumerate(known.frames.get("coverage", ())):
            if not coverage.same_size(image):
                raise ParameterError(
                    f"AutoCrop: coverage {at} is {coverage.width}x{coverage.height}, "
                    f"the image {image.width}x{image.height}"
                )
        if known.measured is None:
            return image
        kept = self._kept(known)
        return carry(image, shifting(-kept.x0, -kept.y0)).with_(width=kept.width, height=kept.height)

    def grid_map(self, port: str, at: int, known: Known) -> GridMap | None:
        if known.measured is None:
            return None
        kept = self._kept(known)
        return AffineGrid(shifting(-kept.x0, -kept.y0))

    def _kept(self, known: Known) -> Box:
        image, told = known.of("image"), known.measured
        if (told["height"], told["width"]) != (image.height, image.width):
            raise ParameterError(
                f"AutoCrop: the linked crop was found on images of {told['width']}x{told['height']}, "
                f"this one is {image.width}x{image.height}"
            )
        return Box(*told["box"])

    def needs(self, box: Box, port: str, known: Known) -> Box:
        if known.measured is None:
            looked_at = "coverage" if "coverage" in known.frames else "image"
            return box if port == looked_at else _NOTHING
        kept = self._kept(known)
        return box.shift(kept.y0, kept.x0) if port == "image" else _NOTHING

    # -- the rectangle ----------------------------------------------------------------------------

    def measures(self, known: Known) -> bool:
        return "crop" not in known.values

    def compute(self, known: Known) -> Any:
        return known.values["crop"]

    def measure(self, known: Known, image: Tile, coverage: tuple[Tile, ...] | None) -> Any:
        """Return the maximum of each map first, then the covered parts of rows, by first row."""
        if coverage is None:
            there: npt.NDArray[np.bool_] = np.isfinite(image[: known.of("image").nominal])
            return _spans([np.logical_and.reduce(there)], known.box.y0)
        frames = known.frames["coverage"]
        # Not finite is not covered; of several channels the least counts.
        least = [
            np.where(np.isfinite(m), m, np.float32(-np.inf))[: f.nominal].min(axis=0)
            for m, f in zip(coverage, frames, strict=True)
        ]
        if known.state is None:
            return np.array([float(m.max()) for m in least])
        limits = known.state["limits"]
        return _spans([m >= limit for m, limit in zip(least, limits, strict=True)], known.box.y0)

    def merge(self, a: Any, b: Any) -> Any:
        return {**a, **b} if isinstance(a, dict) else np.maximum(a, b)

    def finish(self, partial: Any, known: Known) -> dict[str, Any] | Again:
        image = known.of("image")
        if not isinstance(partial, dict):
            for at, most in enumerate(partial):
                if not most > 0.0:
                    raise ParameterError(f"AutoCrop: coverage {at} is nowhere above 0")
            # Maps are float32: 0.6 of 1 must count as reached by a sample of 0.6. A threshold of 0 still wants
            # something there.
            least = float(np.finfo(np.float32).smallest_subnormal)
            return Again({"limits": [max(self.threshold * float(most) * (1.0 - 1e-6), least) for most in partial]})
        rows = np.concatenate([partial[y][0] for y in sorted(partial)], axis=1)
        tops, bottoms = zip(*(columns for _, columns in partial.values()), strict=True)
        found = largest(_widened(rows, np.stack([np.min(tops, axis=0), np.max(bottoms, axis=0)])))
        kept = found.grow(-self.margin)
        if found.empty or kept.empty:
            left = "nothing" if found.empty else f"{found.width}x{found.height} px"
            raise ParameterError(
                f"AutoCrop: {left} is covered everywhere, of which a margin of {self.margin} px leaves none"
            )
        return {"box": list(kept), "height": image.height, "width": image.width}

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image: Tile = tiles[0]
        return image.copy()


def _spans(covered: list[npt.NDArray[np.bool_]], y0: int) -> dict[int, tuple[Rows, Columns]]:
    """Return from where to where rows and columns are covered in all of several maps, whose rows begin at *y0*.

    An empty span is (width, 0) in a row, and (a very large number, 0) in a column.
    """
    width = covered[0].shape[1]
    rows = [_ends(mask, width) for mask in covered]
    firsts, lasts = zip(*rows, strict=True)
    top, bottom = _ends(np.logical_and.reduce(covered).T, -1)
    columns = np.stack([np.where(top < 0, np.iinfo(np.int64).max, top + y0), np.where(top < 0, 0, bottom + y0)])
    return {y0: (np.stack([np.max(firsts, axis=0), np.min(lasts, axis=0)]).astype(np.int64), columns)}


def _ends(mask: npt.NDArray[np.bool_], none: int) -> tuple[Rows, Rows]:
    """Return the first column that is set in each row and the one after the last; *none* and 0 where none is."""
    some = mask.any(axis=1)
    last = np.where(some, mask.shape[1] - mask[:, ::-1].argmax(axis=1), 0)
    return np.where(some, mask.argmax(axis=1), none), last


def _widened(rows: Rows, columns: Columns) -> Rows:
    """Return the spans of rows, with what lies between covered pixels of a column."""
    first, last = rows.copy()
    top, bottom = columns
    for y in range(first.size):
        inside = (top <= y) & (y < bottom)
        if inside.any():
            first[y] = min(first[y], int(inside.argmax()))
            last[y] = max(last[y], inside.size - int(inside[::-1].argmax()))
    return np.stack([first, last])


def largest(rows: Rows) -> Box:
    """Return the largest rectangle within the spans of *rows*; an empty box when there is none."""
    first, last = rows
    best, found = 0, _NOTHING
    height = first.size
    reach = np.maximum(last - first, 0)
    for y in range(height):
        # No rectangle that starts here can be larger than this.
        if reach[y] * (height - y) <= best:
            continue
        left, right = np.maximum.accumulate(first[y:]), np.minimum.accumulate(last[y:])
        area = (right - left) * np.arange(1, height - y + 1)
        at = int(np.argmax(area))
        if area[at] > best:
            best, found = int(area[at]), Box(y, int(left[at]), y + at + 1, int(right[at]))
    return found
