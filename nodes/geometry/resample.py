"""Give the image another number of pixels."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

from ...engine.api import (
    AffineGrid,
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
    scaling,
)
from . import _interpolation as ip
from ._grid import refuse_mosaic

Mode = Literal["relative_dimensions", "absolute_pixels", "absolute_centimeters", "absolute_inches", "force_area"]
AbsoluteMode = Literal["force_width_and_height", "force_width", "force_height"]
Interpolation = Literal[
    "auto", "nearest_neighbor", "bilinear", "bicubic_spline", "bicubic_b_spline", "lanczos3", "lanczos4", "lanczos5",
    "mitchell_netravali_filter", "catmull_rom_spline_filter", "cubic_b_spline_filter",
]  # fmt: skip
CUBICS = {
    "mitchell_netravali_filter": (1 / 3, 1 / 3),
    "catmull_rom_spline_filter": (0.0, 0.5),
    "cubic_b_spline_filter": (1.0, 0.0),
}
CENTIMETERS_PER_INCH = 2.54
LARGEST_SIDE = 1_000_000


class Size(NamedTuple):
    width: int
    height: int


class Resample(Process, id="geometry.resample", version=1):
    """Interpolate the image on a grid with more or fewer pixels over the same field.

    ``auto`` takes Lanczos-3, and a Mitchell-Netravali filter where `smoothness` times the reduction of an
    axis reaches 3 (with the default: from half the size on). The three cubic filters reach over
    ``max(2, floor(smoothness * reduction))`` pixels to either side, so they average what falls into an
    output pixel; the other methods look at a fixed neighbourhood. Borders are mirrored about the edge pixel.
    Lanczos and the bicubic spline are clamped: where negative lobes would dig dark rings around stars,
    they fade out. The celestial solution is scaled along. (PixInsight: Resample.)
    """

    inputs = (Port("image"),)
    maskable = False

    x_size: float = param(default=1.0, low=0.0, doc="width, in the measure that mode names; the area for force_area")
    y_size: float = param(default=1.0, low=0.0, doc="height, in the measure that mode names")
    mode: Mode = param(
        default="relative_dimensions",
        choices=get_args(Mode),
        doc="what the sizes mean: factors, pixels, centimetres or inches of paper, or an area in pixels",
    )
    absolute_mode: AbsoluteMode = param(
        default="force_width_and_height",
        choices=get_args(AbsoluteMode),
        doc="for absolute sizes: whether both count, or one and the other follows",
    )
    x_resolution: float = param(default=72.0, low=1e-3, unit="px/inch", doc="for sizes on paper")
    y_resolution: float = param(default=72.0, low=1e-3, unit="px/inch", doc="for sizes on paper")
    metric: bool = param(default=False, doc="whether the resolutions are in pixels per centimetre")
    interpolation: Interpolation = param(
        default="auto", choices=get_args(Interpolation), doc="how values between pixels are found"
    )
    clamping_threshold: float = param(
        default=0.3, low=0.0, high=1.0, doc="share of negative to positive contributions from which ringing is clamped"
    )
    smoothness: float = param(default=1.5, low=0.5, high=5.0, doc="radius of cubic filters in units of the reduction")

    def check(self) -> None:
        if self.x_size <= 0 or self.y_size <= 0:
            raise ParameterError(f"Resample: sizes must be above 0, got {self.x_size:g} x {self.y_size:g}")

    def size(self, source: Frame) -> Size:
        """Return width and height of the result."""
        w, h = source.width, source.height
        if self.mode == "relative_dimensions":
            exact = w * self.x_size, h * self.y_size
        elif self.mode == "force_area":
            factor = math.sqrt(self.x_size / (w * h))
            exact = w * factor, h * factor
        else:
            exact = self._absolute(w, h)
        if max(exact) > LARGEST_SIDE:
            raise ParameterError(
                f"Resample: a side may have at most {LARGEST_SIDE} pixels; {w} x {h} would become "
                f"{exact[0]:.0f} x {exact[1]:.0f}"
            )
        return Size(max(1, math.floor(exact[0] + 0.5)), max(1, math.floor(exact[1] + 0.5)))

    def _absolute(self, w: int, h: int) -> tuple[float, float]:
        x, y = self.x_size, self.y_size
        if self.mode != "absolute_pixels":
            unit = 1.0
            if self.mode == "absolute_centimeters" and not self.metric:
                unit = 1 / CENTIMETERS_PER_INCH
            elif self.mode == "absolute_inches" and self.metric:
                unit = CENTIMETERS_PER_INCH
            x, y = x * self.x_resolution * unit, y * self.y_resolution * unit
        if self.absolute_mode == "force_width":
            y = h * x / w
        elif self.absolute_mode == "force_height":
            x = w * y / h
        return x, y

    def frame(self, known: Known) -> Frame:
        source = known.of("image")
        refuse_mosaic(source, "Resample")
        width, height = self.size(source)
        moved = carry(source, scaling(width / source.width, height / source.height))
        return moved.with_(width=width, height=height)

    def grid_map(self, port: str, at: int, known: Known) -> GridMap:
        source = known.of("image")
        width, height = self.size(source)
        return AffineGrid(scaling(width / source.width, height / source.height))

    def method(self, source: Frame) -> str:
        """Return the interpolation in use: what ``auto`` stands for on this image."""
        width, height = self.size(source)
        if (width, height) == (source.width, source.height):
            return "nearest_neighbor"  # the image itself, to the last bit
        if self.interpolation != "auto":
            return self.interpolation
        reaches = int(self.smoothness * source.width / width), int(self.smoothness * source.height / height)
        if (width < source.width or height < source.height) and max(reaches) > 2:
            return "mitchell_netravali_filter"
        return "lanczos3"

    def taps(self, source: Frame, box: Box) -> tuple[ip.Taps, ip.Taps]:
        """Return the taps along columns and rows for the output *box*."""
        width, height = self.size(source)
        method = self.method(source)
        return (
            self._axis(method, box.x0, box.x1, width, source.width),
            self._axis(method, box.y0, box.y1, height, source.height),
        )

    def _axis(self, method: str, start: int, stop: int, n_out: int, n_in: int) -> ip.Taps:
        span = (start, stop, n_out, n_in)
        if method == "nearest_neighbor":
            return ip.nearest_taps(*span)
        if method.startswith("lanczos"):
            n = int(method[-1])
            return ip.filter_taps(*span, ip.lanczos(n), n, normalised=False)
        if method == "bilinear":
            return ip.filter_taps(*span, ip.tent, 1, normalised=True)
        if method in CUBICS:
            radius = max(2, int(self.smoothness * n_in / n_out))
            return ip.filter_taps(*span, ip.stretched(ip.cubic(*CUBICS[method]), radius), radius, normalised=True)
        shape = ip.cubic(0.0, 0.5) if method == "bicubic_spline" else ip.cubic(1.0, 0.0)
        return ip.filter_taps(*span, shape, 2, normalised=True)

    def needs(self, box: Box, port: str, known: Known) -> Box:
        x, y = self.taps(known.of("image"), box)
        return Box(y.first, x.first, y.end, x.end)

    def pixels(self, known: Known, image: Tile) -> Tile:
        source = known.of("image")
        x, y = self.taps(source, known.box)
        origin = Box(y.first, x.first, y.end, x.end)
        method = self.method(source)
        kernel = "lanczos" if method.startswith("lanczos") else "linear"
        if method == "bicubic_spline":
            kernel = "spline"
        return ip.interpolated(
            image, x.within(origin.x0), y.within(origin.y0), kernel, self.clamping_threshold, source.lo
        )
