"""Region: a part of an image, on the pixels of whatever image it is to be measured in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...engine.api import Frame, Known, ParameterError, Port, Process, param
from ._area_text import Area, Shape, parse
from ._celestial import has_solution, tangent_offsets, to_pixels, to_sky
from ._polygons import Vertices, area, bounds, clipped, densified, ellipse, outlines

_OWNER = "Region"
_Parts = tuple[list[Vertices], list[Vertices]]


class Region(Process, id="measure.region"):
    """Tell which pixels of an image a region holds, wherever its coordinates come from.

    `area` says the shapes (see docs/learn.md)::

        rect 100,100,64,64          x, y of the first pixel, width, height
        polygon 10,10 60,12 40,50   corners x,y
        circle 200,150,20           x, y, radius
        ellipse 200,150,30,20,15    x, y, half axes, degrees from the x axis towards the y axis
        annulus 200,150,20,30       x, y, inner and outer radius
        stars 12                    discs of this radius around the linked stars

    joined by ``+``; what ``except`` says is taken out. Before it, ``sky`` means ICRS degrees (a rect is then given by
    its centre; lengths are seconds of arc, angles from north through east) and ``relative`` parts of the frame.
    Otherwise coordinates are pixels, the centre of the first one at (0, 0): those of `anchor`, or of the image itself.

    A region given on another image (`anchor`) is carried along the processes that lead from one to the other (crops,
    flips, turns, resampling, registrations); where there are none, by the celestial solutions of both. Edges are made
    dense first (8 px at most between corners), so that they may bend.

    The Value::

        {"area": text, "shape": first shape, "polygons": [(n, 2) x, y ...], "holes": [...], "box": [y0, x0, y1, x1],
         "coverage": part of the region's area that lies on the image, "size": that area in px,
         "x": ..., "y": ..., "centres": (n, 2) of stars, "radius": of their discs, else 0,
         "width": ..., "height": ..., "min_pixels": ...}

    Errors: LRN-1 too little of the region lies on the image; LRN-2 no way leads from one image to the other.
    """

    inputs = (
        Port("image", doc="what the region is to be measured in; only its frame counts"),
        Port("anchor", optional=True, doc="the image in whose pixels the region is given; only its frame counts"),
        Port("stars", "stars", optional=True, doc="the stars of the anchor (or of the image), for the shape stars"),
    )
    outputs = (Port("region", "region", doc="the region on the pixels of the image"),)
    maskable = False
    relates = (("anchor", "image"),)

    area: str = param(default="relative rect 0,0,1,1", doc="the shapes, as described above; default: the whole image")
    min_coverage: float = param(
        default=0.5, low=0.0, high=1.0, doc="the least part of the region that has to lie on the image"
    )
    min_pixels: int = param(default=64, low=1, unit="px", doc="the least number of pixels in it")

    def check(self) -> None:
        parse(self.area, _OWNER)

    def compute(self, known: Known) -> dict[str, Any]:
        said, image = parse(self.area, _OWNER), known.of("image")
        shapes, holes = _on_image(said, known)
        kept = [clipped(p, image.height, image.width) for p in shapes]
        kept_holes = [p for p in (clipped(h, image.height, image.width) for h in holes) if len(p)]
        whole, inside = sum(map(area, shapes)), sum(area(p) for p in kept if len(p))
        coverage = inside / whole if whole > 0.0 else 0.0
        size = inside - sum(map(area, kept_holes))
        self._check_size(coverage, size, image)
        kept = [p for p in kept if len(p)]
        centre = np.mean([p.mean(axis=0) for p in kept], axis=0)
        centres = np.array([p.mean(axis=0) for p in kept]) if said.has_stars else np.empty((0, 2))
        radius = max(math.sqrt(area(p) / math.pi) for p in shapes) if said.has_stars else 0.0
        return {
            "area": str(said), "shape": said.shapes[0].kind, "polygons": kept, "holes": kept_holes,
            "box": list(bounds(kept, image.height, image.width)), "coverage": coverage, "size": size,
            "x": float(centre[0]), "y": float(centre[1]), "centres": centres, "radius": radius,
            "width": image.width, "height": image.height, "min_pixels": self.min_pixels,
        }  # fmt: skip

    def _check_size(self, coverage: float, size: float, image: Frame) -> None:
        if coverage < self.min_coverage or size <= 0.0:
            raise ParameterError(
                f"Region: LRN-1: {coverage:.1%} of '{self.area}' lies on the image of {image.width}x{image.height}, "
                f"min_coverage is {self.min_coverage:.1%}"
            )
        if size < self.min_pixels - 0.5:
            raise ParameterError(f"Region: LRN-1: '{self.area}' holds {size:.0f} px, min_pixels is {self.min_pixels}")


def _on_image(said: Area, known: Known) -> _Parts:
    """Return polygons and holes in pixels of the image."""
    anchored = known.of("anchor") if "anchor" in known.frames else known.of("image")
    shapes: list[Vertices] = []
    holes: list[Vertices] = []
    for shape in said.shapes:
        made, own_holes = _of_shape(shape, said, anchored, known)
        shapes += made
        holes += own_holes
    for shape in said.excluded:
        holes += _of_shape(shape, said, anchored, known)[0]
    if said.anchor == "sky":
        image = known.of("image")
        shapes, holes = ([to_pixels(image, p, _OWNER) for p in some] for some in (shapes, holes))
    elif "anchor" in known.frames:
        shapes, holes = ([_carried(p, anchored, known) for p in some] for some in (shapes, holes))
    if any(not np.isfinite(p).all() for p in (*shapes, *holes)):
        raise ParameterError(f"Region: LRN-2: part of '{said}' lies where the image's solution has no pixels")
    return shapes, holes


def _carried(places: Vertices, anchor: Frame, known: Known) -> Vertices:
    path, image = known.maps.get(("anchor", "image")), known.of("image")
    if path is not None:
        return np.column_stack(path.forward(places[:, 0], places[:, 1]))
    if has_solution(anchor) and has_solution(image):
        return to_pixels(image, to_sky(anchor, places, _OWNER), _OWNER)
    raise ParameterError(
        "Region: LRN-2: no path of processes leads from the anchor to the image, and not both have a celestial "
        "solution; solve them first, or register one to the other"
    )


def _of_shape(shape: Shape, said: Area, frame: Frame, known: Known) -> _Parts:
    """Return a shape's polygons and holes, dense, in its own coordinates: pixels of *frame*, or degrees."""
    if shape.kind == "stars":
        return _discs(shape, said, known), []
    if said.anchor == "sky":
        return _on_sky(shape)
    if said.anchor == "relative":
        shape = _in_pixels(shape, frame)
    made, own_holes = outlines(shape, 0.5 if said.anchor == "pixel" else 0.0)
    return [densified(p) for p in made], [densified(p) for p in own_holes]


def _discs(shape: Shape, said: Area, known: Known) -> list[Vertices]:
    stars = known.values.get("stars")
    if stars is None:
        raise ParameterError("Region: 'stars' lies around the stars of a list; link one to input 'stars'")
    if said.anchor != "pixel":
        raise ParameterError(f"Region: 'stars' is given in pixels, not as '{said.anchor}'")
    columns = list(stars["columns"])
    table = np.asarray(stars["table"], np.float64).reshape(-1, len(columns))
    places = table[:, [columns.index("x"), columns.index("y")]]
    if not len(places):
        raise ParameterError("Region: LRN-1: the list of stars is empty")
    return [ellipse(x, y, shape.numbers[0], shape.numbers[0]) for x, y in places]


def _in_pixels(shape: Shape, frame: Frame) -> Shape:
    """Return a shape given in parts of a frame in its pixels; the outer edge of the first pixel is at 0."""
    w, h = float(frame.width), float(frame.height)
    n, side = shape.numbers, min(w, h)
    if shape.kind == "rect":
        return Shape("rect", (n[0] * w - 0.5, n[1] * h - 0.5, n[2] * w, n[3] * h))
    if shape.kind == "polygon":
        return Shape("polygon", tuple(v * (h if i % 2 else w) - 0.5 for i, v in enumerate(n)))
    lengths = [v * side for v in (n[2:4] if shape.kind != "circle" else n[2:3])]
    return Shape(shape.kind, (n[0] * w - 0.5, n[1] * h - 0.5, *lengths, *n[4:]))


def _on_sky(shape: Shape) -> _Parts:
    """Return a shape on the sky in degrees; straight edges are great circles."""
    n = shape.numbers
    if shape.kind == "polygon":
        corners = np.array(n).reshape(-1, 2)
        middle = _middle(corners)
        flat = _flat(corners, *middle)
    else:
        middle = n[0], n[1]
        # Angles run from north (y) through east (x).
        turned = Shape(shape.kind, (0.0, 0.0, *n[2:4], 90.0 - n[4])) if shape.kind == "ellipse" else None
        if shape.kind == "rect":
            turned = Shape("rect", (-n[2] / 2.0, -n[3] / 2.0, n[2], n[3]))
        made, own_holes = outlines(turned or Shape(shape.kind, (0.0, 0.0, *n[2:])), 0.0)
        if own_holes:
            return [_round(made[0], middle)], [_round(own_holes[0], middle)]
        flat = made[0]
    return [_round(_dense(flat), middle)], []


def _dense(flat: Vertices) -> Vertices:
    return densified(flat, 2000.0 / max(1e-9, float(np.ptp(flat, axis=0).max()))) if len(flat) < 64 else flat


def _round(flat: Vertices, middle: tuple[float, float]) -> Vertices:
    return tangent_offsets(*middle, flat[:, 0], flat[:, 1])


def _middle(corners: Vertices) -> tuple[float, float]:
    """Return the direction in the middle of several."""
    ra, dec = np.radians(corners).T
    x, y, z = (np.cos(dec) * np.cos(ra)).sum(), (np.cos(dec) * np.sin(ra)).sum(), np.sin(dec).sum()
    return math.degrees(math.atan2(y, x)) % 360.0, math.degrees(math.atan2(z, math.hypot(x, y)))


def _flat(corners: Vertices, ra0: float, dec0: float) -> Vertices:
    """Return seconds of arc east and north of a place, on the plane that touches the sphere there."""
    ra, dec = np.radians(corners).T
    d0, away = math.radians(dec0), ra - math.radians(ra0)
    below = math.sin(d0) * np.sin(dec) + math.cos(d0) * np.cos(dec) * np.cos(away)
    east = np.cos(dec) * np.sin(away) / below
    north = (math.cos(d0) * np.sin(dec) - math.sin(d0) * np.cos(dec) * np.cos(away)) / below
    return np.asarray(np.degrees(np.column_stack([east, north])) * 3600.0)
