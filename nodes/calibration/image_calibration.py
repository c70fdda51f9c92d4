"""Calibration of frames with given master frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ...engine.api import Composite, Expand, ParameterError, Port, param
from . import _cfa

Corners = tuple[int, int, int, int]
Pair = tuple[int, int, int, int, int, int, int, int]
Mode = Literal["literal", "keyword", "custom"]
OutputMode = Literal["literal", "auto"]
Pattern = Literal["auto", "RGGB", "BGGR", "GBRG", "GRBG", "GRGB", "GBGR", "RGBG", "BGRG"]


class ImageCalibration(Composite, id="calibration.image_calibration"):
    """Calibrate frames with a master bias, dark and flat, each of them optional.

    For a frame t, ``c = (t - b - k d) / max(f, 1e-15) + output pedestal``, in this order: the input
    pedestal is subtracted from every frame and master; overscan is corrected and cut off; the dark d
    (its bias taken off) is scaled by the k that explains most of the frame; the flat f is calibrated
    if it is raw, and divided by its trimmed mean; the output pedestal is added; the result is clamped
    to the bounds. Cosmetic correction and the evaluation of noise and stars are nodes of their own.

    Made of SubtractPedestal, OverscanCorrection, DarkThreshold, DarkScale, FlatScale and CalibrateFrame.
    Method and defaults: PixInsight's ImageCalibration.
    """

    inputs = (
        Port("image", doc="the frame to be calibrated, or a series of them"),
        Port("bias", optional=True, doc="the master bias"),
        Port("dark", optional=True, doc="the master dark"),
        Port("flat", optional=True, doc="the master flat"),
    )
    outputs = (Port("image"), Port("measures", "measures", doc="dark scales, flat scales, pedestal in DN"))
    requires = "linear"
    maskable = False

    enable_cfa: bool = param(default=True, doc="heed colour filter mosaics")
    cfa_pattern: Pattern = param(
        default="auto", choices=_cfa.PATTERNS, doc="the filter pattern; auto: from the frames, which must agree"
    )
    pedestal_mode: Mode = param(
        default="keyword", choices=("literal", "keyword", "custom"), doc="where the input pedestal is told"
    )
    pedestal: float = param(
        default=0.0, low=0.0, high=1000.0, unit="DN", doc="the input pedestal of mode literal"
    )
    pedestal_keyword: str = param(default="", doc="the header word of mode custom")
    overscan_regions: tuple[Pair, ...] = param(
        default=(), low=0, unit="px", doc="pairs of source and target: y0, x0, y1, x1 of the one, then of the other"
    )
    overscan_image: Corners | None = param(
        default=None, low=0, unit="px", doc="y0, x0, y1, x1 of what remains after overscan correction; none: all"
    )
    calibrate_bias: bool = param(default=False, doc="the bias is raw: correct its overscan")
    calibrate_dark: bool = param(default=False, doc="the dark is raw: correct its overscan, subtract the bias")
    calibrate_flat: bool = param(
        default=False, doc="the flat is raw: correct its overscan, subtract bias and scaled dark"
    )
    optimize_darks: bool = param(default=True, doc="scale the dark to fit each frame; false: k = 1")
    dark_optimization_low: float = param(
        default=3.0, low=0.0, high=10.0, unit="sigma", doc="how far above the median a dark pixel must lie to count"
    )
    dark_optimization_window: int = param(
        default=0, low=0, high=65536, unit="px", doc="side of a central square to use (of cells in mosaics); 0: all"
    )
    separate_cfa_flat_scaling_factors: bool = param(
        default=True, doc="one flat scale for each filter colour of a mosaic"
    )
    flat_scale_clipping_factor: float = param(
        default=0.05, low=0.0, high=0.25, usual=(0.0, 0.15), doc="share of flat samples left out at either end"
    )
    output_pedestal: float = param(
        default=0.0, low=0.0, high=1000.0, usual=(0.0, 500.0), unit="DN", doc="pedestal to add, in mode literal"
    )
    output_pedestal_mode: OutputMode = param(
        default="literal", choices=("literal", "auto"), doc="how the output pedestal is found"
    )
    auto_pedestal_limit: float = param(
        default=1e-4, low=0.0, high=0.01, doc="share of samples that mode auto lets fall below black"
    )
    truncate: bool = param(default=True, doc="clamp the result to the bounds of the frame")

    def check(self) -> None:
        if self.overscan_image is not None and not self.overscan_regions:
            raise ParameterError(
                f"ImageCalibration: overscan_image {self.overscan_image} wants overscan_regions, got none"
            )

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        raw = {
            "image": True, "bias": self.calibrate_bias, "dark": self.calibrate_dark, "flat": self.calibrate_flat
        }  # fmt: skip
        made = {n: self._prepared(add, n, feed, raw[n]) for n, feed in feeds.items() if feed is not None}
        bias, dark, flat = (made.get(n) for n in ("bias", "dark", "flat"))
        dark_bias = bias if self.calibrate_dark else None
        scales: dict[str, Any] = {}
        if dark is not None and self.optimize_darks:
            scales = self._dark_scales(add, made, dark_bias)
        in_masters = {"bias_in_dark": dark_bias is not None, "raw_flat": self.calibrate_flat}
        if flat is not None:
            scales["flat_scale"] = self._flat_scale(add, made, scales.get("flat_dark_scale"), in_masters)
        parts: dict[str, Any] = add(
            "calibration.calibrate_frame", "frame", **made, **scales, **in_masters,
            output_pedestal=self.output_pedestal, output_pedestal_mode=self.output_pedestal_mode,
            auto_pedestal_limit=self.auto_pedestal_limit, truncate=self.truncate,
        )  # fmt: skip
        return {"image": parts["image"], "measures": parts["measures"]}

    @property
    def _mosaic(self) -> dict[str, Any]:
        return {"enable_cfa": self.enable_cfa, "cfa_pattern": self.cfa_pattern}

    def _prepared(self, add: Expand, name: str, feed: Any, raw: bool) -> Any:
        """Return *feed* without its pedestal and, where it is raw, its overscan."""
        if self.pedestal_mode != "literal" or self.pedestal:
            feed = add(
                "calibration.subtract_pedestal", f"{name}_pedestal", image=feed, pedestal=self.pedestal,
                pedestal_mode=self.pedestal_mode, pedestal_keyword=self.pedestal_keyword,
            )["image"]  # fmt: skip
        if raw and self.overscan_regions:
            feed = add(
                "calibration.overscan_correction", f"{name}_overscan", image=feed,
                regions=self.overscan_regions, image_box=self.overscan_image,
            )["image"]  # fmt: skip
        return feed

    def _dark_scales(self, add: Expand, made: Mapping[str, Any], bias: Any) -> dict[str, Any]:
        """Return the feeds of k of the frame and, where it is raw, of the flat."""
        low = self.dark_optimization_low
        threshold = add(
            "calibration.dark_threshold", "dark_threshold", dark=made["dark"], bias=bias,
            dark_optimization_low=low, **self._mosaic,
        )["measures"]  # fmt: skip

        def scale(part: str, image: Any) -> Any:
            return add(
                "calibration.dark_scale", part, image=image, dark=made["dark"], bias=bias, threshold=threshold,
                dark_optimization_window=self.dark_optimization_window, **self._mosaic,
            )["measures"]  # fmt: skip

        found = {"dark_scale": scale("dark_scale", made["image"])}
        if "flat" in made and self.calibrate_flat:
            found["flat_dark_scale"] = scale("flat_dark_scale", made["flat"])
        return found

    def _flat_scale(self, add: Expand, made: Mapping[str, Any], k: Any, in_masters: Mapping[str, bool]) -> Any:
        # Prepared flats need neither bias nor dark; linking them would tie their keys together.
        masters = {n: made.get(n) for n in ("bias", "dark")} if self.calibrate_flat else {"dark": None}
        return add(
            "calibration.flat_scale", "flat_scale", flat=made["flat"], **masters, dark_scale=k, **in_masters,
            flat_scale_clipping_factor=self.flat_scale_clipping_factor,
            separate_cfa_flat_scaling_factors=self.separate_cfa_flat_scaling_factors, **self._mosaic,
        )["measures"]  # fmt: skip
