"""Warp: an image resampled onto the pixel grid of a reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.api import Box, Frame, GridMap, Known, ParameterError, Port, SameGrid, Tile
from ._maps import Floats, Step, applied, composed
from ._resampling import Resampling
from ._warp_kernels import MESH, REACH, Clamp, Places, Source, warped

_NOTHING = Box(0, 0, 0, 0)
_STRAIGHT: Floats = np.empty((0, 0))


class Warp(Resampling, id="registration.warp", version=1):
    """Interpolate an image onto the grid of a reference, at the places a registration tells.

    Output pixels whose centres fall outside the image are missing (NaN). Samples beyond the border are the
    image mirrored about its edge pixels. Missing samples make a pixel missing where they hold more than a
    twentieth of the (absolute) weights. Intensities are interpolated, so the brightness of a surface stays,
    and fluxes change with the area of a pixel.

    Clamping ``undershoot`` raises what falls below the lowest sample of the window, which is where negative
    lobes dig rings around bright stars. Within the noise (``noise`` of the transform) half a sigma more is
    left, so that the sky is interpolated as if there were no clamp: the noise changes by less than 1 %.
    ``lobes`` is PixInsight's formula with `clamping_threshold`; it treats faint sky and stars alike, and
    takes light from the wings of stars.

    The result has the size, orientation and celestial solution of `reference`, of which no pixel is read.
    A second map `view` may lead from the output to the reference the image was matched to; the two are composed
    and pixels still interpolated once.
    """

    inputs = (
        Port("image"),
        Port("transform", "transform", doc="how the image lies on the reference"),
        Port("reference", doc="what the result is to lie on; only its frame counts"),
        Port("view", "transform", optional=True, doc="a map from the output to the reference of `transform`"),
    )
    maskable = False
    dear = True

    def frame(self, known: Known) -> Frame:
        image, reference = known.of("image"), known.of("reference")
        if image.cfa is not None:
            raise ParameterError(
                f"Warp: the image is a colour filter mosaic ({image.cfa}); its neighbouring samples belong to "
                "different colours and must not be mixed: put Debayer before this node, or drizzle"
            )
        transform = known.values.get("transform")
        if transform is not None:
            self._check(transform, image, reference, "view" in known.values)
        words = tuple(w for w in image.words if w[0] != "wcs") + tuple(w for w in reference.words if w[0] == "wcs")
        return image.with_(
            width=reference.width, height=reference.height, orientation=reference.orientation, wcs=reference.wcs,
            words=tuple(sorted(words, key=lambda w: w[0])),
        )  # fmt: skip

    def _check(self, transform: Any, image: Frame, reference: Frame, viewed: bool) -> None:
        if transform["kind"] == "none":
            if self.on_failure == "error":
                raise ParameterError(
                    f"Warp: the image could not be registered: {transform['why']} "
                    "(on_failure='missing' gives an image of missing samples instead)"
                )
            return
        sides = [("image", image, "")] + ([] if viewed else [("reference", reference, "reference_")])
        for name, frame, prefix in sides:
            wanted = transform.get(f"{prefix}width"), transform.get(f"{prefix}height")
            if None not in wanted and wanted != (frame.width, frame.height):
                raise ParameterError(
                    f"Warp: the transform was made for {'an' if name == 'image' else 'a'} {name} of "
                    f"{wanted[0]}x{wanted[1]}, this {name} is {frame.width}x{frame.height}"
                )

    def grid_map(self, port: str, at: int, known: Known) -> GridMap | None:
        if port == "reference":
            return SameGrid()
        steps = _steps(known)
        return None if steps is None else WarpedGrid(_steps(known, "forward") or [], steps)

    def needs(self, box: Box, port: str, known: Known) -> Box:
        if port == "reference":
            return _NOTHING
        image = known.of("image")
        if known.values.get("transform") is None:
            return image.box
        steps = _steps(known)
        if steps is None:
            return _NOTHING
        return _source_box(_places(steps, box), box, REACH[self.interpolation], image)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image, box = known.of("image"), known.box
        steps = _steps(known)
        places = None if steps is None else _places(steps, box)
        around = _NOTHING if places is None else _source_box(places, box, REACH[self.interpolation], image)
        if places is None or around.empty:
            return np.full((known.frame.channels, box.height, box.width), np.nan, np.float32)
        source = Source(tiles[0], around.y0, around.x0, image.height, image.width)
        zero = image.lo if self.clamping == "lobes" else 0.0
        noise = known.values["transform"].get("noise", 0.0)
        clamp = Clamp(self.clamping, float(noise), self.clamping_threshold, zero)
        return warped(source, places, box, self.interpolation, clamp)


def _steps(known: Known, way: str = "inverse") -> list[Step] | None:
    """Return the map from output to image (``forward``: back); None for an image that could not be registered."""
    names = ("view", "transform") if way == "inverse" else ("transform", "view")
    maps = [known.values[name] for name in names if known.values.get(name) is not None]
    if any(m["kind"] == "none" for m in maps):
        return None
    steps: list[Step] = []
    for m in maps:
        steps = composed(steps, m[way])
    return steps


@dataclass(frozen=True)
class WarpedGrid:
    """How an image lies on the output of `Warp`. Pixels are looked up by *inverse*; *guess* goes the other way.

    Where the map bends, *guess* was fitted, so it only begins the search for the place that *inverse* takes back.
    """

    guess: list[Step]
    inverse: list[Step]

    def forward(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        u, v = applied(self.guess, x, y)
        for _ in range(4):
            px, py = applied(self.inverse, u, v)
            right, down = applied(self.inverse, u + 0.5, v), applied(self.inverse, u, v + 0.5)
            left, up = applied(self.inverse, u - 0.5, v), applied(self.inverse, u, v - 0.5)
            a, b = right[0] - left[0], down[0] - up[0]
            c, d = right[1] - left[1], down[1] - up[1]
            det = a * d - b * c
            u, v = u + (d * (x - px) - b * (y - py)) / det, v + (a * (y - py) - c * (x - px)) / det
        return u, v

    def back(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        return applied(self.inverse, x, y)


def _places(steps: Sequence[Step], box: Box) -> Places:
    """Return the places of the pixels of *box*; the mesh is anchored at the image's origin, so cuts do not matter."""
    if len(steps) == 1 and "coefficients" not in steps[0]:
        return Places(np.ascontiguousarray(steps[0]["matrix"], np.float64), _STRAIGHT, _STRAIGHT, 0, 0)
    rows = np.arange(box.y0 // MESH, (box.y1 - 1) // MESH + 2) * MESH
    columns = np.arange(box.x0 // MESH, (box.x1 - 1) // MESH + 2) * MESH
    x, y = np.meshgrid(columns.astype(np.float64), rows.astype(np.float64))
    mesh_x, mesh_y = applied(steps, x, y)
    return Places(
        np.eye(3), np.ascontiguousarray(mesh_x), np.ascontiguousarray(mesh_y), int(rows[0]), int(columns[0])
    )


def _source_box(places: Places, box: Box, reach: int, image: Frame) -> Box:
    """Return the part of the image that the pixels of *box* are made of, empty when they all lie outside."""
    x, y = places.mesh_x, places.mesh_y
    if not x.size:
        # A projective map takes the box to the figure between the images of its corners.
        x, y = np.meshgrid([box.x0, box.x1 - 1.0], [box.y0, box.y1 - 1.0])
        x, y = applied([{"matrix": places.matrix}], x, y)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return image.box  # the box reaches over the map's horizon
    # Places beyond the image need nothing; a mirrored window needs as much as one beside it.
    x0, x1 = (float(np.clip(v, -1.0, image.width)) for v in (x.min(), x.max()))
    y0, y1 = (float(np.clip(v, -1.0, image.height)) for v in (y.min(), y.max()))
    if x1 < -0.75 or y1 < -0.75 or x0 > image.width - 0.25 or y0 > image.height - 0.25:
        return _NOTHING
    grown = Box(math.floor(y0), math.floor(x0), math.floor(y1) + 1, math.floor(x1) + 1).grow(reach + 2)
    return grown.overlap(image.box)
