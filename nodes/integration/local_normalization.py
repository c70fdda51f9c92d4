"""LocalNormalization: an image brought to the levels of a reference, place by place."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from ...engine.api import Again, Box, Frame, Known, ParameterError, Port, Process, Tile, param
from . import _local_cells as cells
from . import _local_model as model
from ._local_cells import Cells, Floats

ScaleMethod = Literal["auto", "psf_signal", "structures"]
OnFailure = Literal["error", "missing", "no_scale"]
_NOTHING = Box(0, 0, 0, 0)
_FEWEST_STARS = 8


_Scales = tuple[list[float], str, int]
"""A1 of each channel, where it comes from, and how many stars or cells told it; 0: too few."""


class _Offset(NamedTuple):
    """Of one channel: the offset of each cell, and the medians of all cells of image and reference."""

    grid: Floats
    image: float
    reference: float


class LocalNormalization(Process, id="integration.local_normalization", version=5):
    """Remove the differences in sky and transparency between an image and a reference it is aligned with.

    The result is ``A0(x, y) + A1 image``: A1 is the ratio of light, reference to image, per channel; A0 a smooth
    function, the large-scale part of ``reference - A1 image``. Stars and nebulae, in both images alike, leave no
    trace in it. Scale and gradients of the reference are what all images get, so it should be a good one.

    How it is found: medians are taken in cells of `background_sampling_delta`, of every second row where a cell has
    sixteen or more (those of the reference by LocalLevels, if linked: measured once for all images). A sample that
    stands out in the image and not in the reference (a satellite, a plane) is left out, and medians taken again of
    all samples present in both. Their difference is freed of what is smaller than `scale` by a robust surface of
    second degree, a multiscale median transform of the rest, and a Gaussian half as wide as `scale`; bicubic
    B-splines lead from cells to pixels.

    A1 comes from stars when both star lists are linked (of the aligned images: their places have to agree
    within two pixels): the mean of the flux ratios left by Chauvenet's criterion, one for all channels. Without
    star lists, or where fewer than eight good stars are common to both, (``structures``) it comes from what stands
    out of the sky by five sigma in both images: the median over cells of the ratio of its light above the sky.
    Link star lists where frames are differently sharp: ``structures`` loses wings below five sigma, more of them in
    the softer frame, and is 0.6 to 3 % too large at 1.2 times the FWHM where stars are 0.2 to 0.6 %.

    Where neither tells, on_failure ``no_scale`` takes offsets alone; the model then says why.

    Missing samples stay missing. Samples at black exactly are holes and stay at black. The bounds are those of
    the reference; with `truncate`, noise below its black is cut off, which a reference with an empty sky does
    not want.

    The Value `model`::

        {"kind": "local" | "global" | "none", "why": ...,
         "scale": [A1 of each channel], "scale_from": "psf_signal" | "structures" | "no_scale", "pairs": ...,
         "coefficients": float32 (channels, rows + 4, columns + 4), "cell": [height, width],
         "location": [...], "reference_location": [...], "left_out": ...}

    in physical units. ``coefficients`` are those of the bicubic B-spline that is A0 at the centres of the cells, with
    two nodes more on every side; ``pairs`` how many stars (or cells) told the scale, ``left_out`` the part of
    all samples that stand out in one image only. An image without any sample gives ``none`` and stays missing.

    Method: PixInsight's LocalNormalization. Different here: the smooth part is taken of the difference of both
    backgrounds instead of each, on the grid of medians itself instead of a scaled-down image; ``structures``
    stands in the place of its multiscale analysis; no local scale corrections.
    """

    inputs = (
        Port("image"),
        Port("reference", doc="the image whose levels are wanted, aligned with the first"),
        Port("stars", "stars", optional=True, doc="the stars of the aligned image"),
        Port("reference_stars", "stars", optional=True, doc="the stars of the reference"),
        Port("reference_levels", "measures", optional=True, doc="the cells of the reference, from LocalLevels"),
    )
    outputs = (Port("image"), Port("model", "measures", doc="scale and offsets"))
    requires = "linear"

    scale: int = param(
        default=1024, low=32, high=8192, usual=(64, 4096), unit="px", doc="smallest structures that are made alike"
    )
    no_scale: bool = param(default=False, doc="leave the scale as it is: only offsets")
    global_location_normalization: bool = param(default=False, doc="one offset for the whole image")
    truncate: bool = param(default=True, doc="hold the result within the bounds of the reference")
    background_sampling_delta: int = param(
        default=32, low=8, high=64, unit="px", doc="distance of the places where the background is taken"
    )
    rejection: bool = param(default=True, doc="leave out what stands out in the image and not in the reference")
    reference_rejection: bool = param(
        default=False, doc="leave out what stands out in the reference and not in the image"
    )
    low_clipping_level: float = param(
        default=4.5e-5, low=-1.0, high=1.0,
        doc="lower samples tell nothing, in the normalised range; negative where a dark sky lies about 0",
    )
    high_clipping_level: float = param(
        default=0.85, low=0.0, high=1.0, doc="higher samples tell nothing, in the normalised range"
    )
    reference_rejection_threshold: float = param(
        default=3.0, low=0.0, high=10.0, unit="sigma", doc="from where on a sample of the reference stands out"
    )
    target_rejection_threshold: float = param(
        default=3.2, low=0.0, high=10.0, unit="sigma", doc="from where on a sample of the image stands out"
    )
    scale_evaluation_method: ScaleMethod = param(
        default="auto", choices=get_args(ScaleMethod), doc="where the scale comes from; auto: linked stars, if enough"
    )
    psf_min_snr: float = param(
        default=40.0, low=0.0, high=1000.0, doc="stars with less signal to noise do not tell the scale"
    )
    on_failure: OnFailure = param(
        default="error", choices=get_args(OnFailure),
        doc="what becomes of an image whose scale cannot be told: an error, missing samples, or offsets only",
    )

    def check(self) -> None:
        if self.low_clipping_level >= self.high_clipping_level:
            raise ParameterError(
                "LocalNormalization: low_clipping_level must be below high_clipping_level, "
                f"got {self.low_clipping_level:g} and {self.high_clipping_level:g}"
            )
        if self.background_sampling_delta > self.scale:
            raise ParameterError(
                "LocalNormalization: background_sampling_delta must not exceed scale, "
                f"got {self.background_sampling_delta} and {self.scale} px"
            )

    def frame(self, known: Known) -> Frame:
        image, reference = known.of("image"), known.of("reference")
        if not image.same_size(reference):
            raise ParameterError(
                "LocalNormalization: image and reference must be aligned, of one size, got "
                f"{image.width}x{image.height} and {reference.width}x{reference.height}"
            )
        if image.nominal != reference.nominal:
            raise ParameterError(
                "LocalNormalization: image and reference must have as many channels, got "
                f"{image.nominal} and {reference.nominal}"
            )
        if image.cfa is not None:
            raise ParameterError(
                f"LocalNormalization: the image is a colour filter mosaic ({image.cfa}): put Debayer before this node"
            )
        linked = [name for name in ("stars", "reference_stars") if name in known.values]
        if len(linked) == 1:
            raise ParameterError(
                f"LocalNormalization wants both 'stars' and 'reference_stars' linked, got only {linked[0]!r}"
            )
        if not linked and self.scale_evaluation_method == "psf_signal" and not self.no_scale:
            raise ParameterError(
                "LocalNormalization: scale_evaluation_method='psf_signal' wants 'stars' and 'reference_stars' linked"
            )
        return image.with_(bounds=reference.bounds, unit=reference.unit)

    # -- what is known of the cells ---------------------------------------------------------------

    def _cells(self, known: Known) -> Cells:
        image = known.of("image")
        return Cells.of(image.height, image.width, self.background_sampling_delta)

    def needs(self, box: Box, port: str, known: Known) -> Box:
        if known.measured is not None:
            return box if port == "image" else _NOTHING
        if port == "reference" and known.state is None and "reference_levels" in known.values:
            return _NOTHING
        grid = self._cells(known)
        return grid.pixels(*grid.starting_in(box))

    def measure(self, known: Known, image: Tile, reference: Tile) -> Any:
        """Return the cells of whole rows that start in the tile: of each image first, then of both together."""
        grid = self._cells(known)
        first, last = grid.starting_in(known.box)
        if first == last:
            return {}
        edges = grid.edges(first, last)
        limits = self._limits(known)
        channels = range(known.of("image").nominal)
        if known.state is None:
            sides = [(image, limits[:2]), (reference, limits[2:])][: 1 if "reference_levels" in known.values else 2]
            return {first: np.stack([[cells.levels(t[c], *limit, *edges) for t, limit in sides] for c in channels])}
        thresholds = np.array([
            self.target_rejection_threshold if self.rejection or self.reference_rejection else math.inf,
            self.reference_rejection_threshold,
            self.reference_rejection_threshold if self.reference_rejection else math.inf,
        ])  # fmt: skip
        sky = np.ascontiguousarray(np.asarray(known.state["sky"])[:, :, first:last])
        lit = known.state["scales"] is None
        told = [cells.paired(image[c], reference[c], limits, sky[c], thresholds, lit, *edges) for c in channels]
        return {first: np.stack(told)}

    def _limits(self, known: Known) -> Floats:
        clipping = self.low_clipping_level, self.high_clipping_level
        return np.array([level for port in ("image", "reference") for level in cells.limits(known.of(port), *clipping)])

    def merge(self, a: Any, b: Any) -> Any:
        return {**a, **b}

    def finish(self, partial: Any, known: Known) -> Any:
        whole = np.concatenate([partial[first] for first in sorted(partial)], axis=-2)
        if known.state is not None:
            return self._model(whole, np.asarray(known.state["sky"]), known)
        if "reference_levels" in known.values:
            whole = np.concatenate([whole, self._reference_cells(known)[:, None]], axis=1)
        for at, name in enumerate(("image", "reference")):
            if not all(model.usable(channel[at, cells.SHARE]).any() for channel in whole):
                if name == "image" and not whole[:, at, cells.PRESENT].any():
                    return _none("the image has no samples")
                return self._failed(
                    f"no cell of the {name} has a tenth of its samples between low_clipping_level "
                    "and high_clipping_level"
                )
        sky = [np.concatenate([model.sky(*side[: cells.PRESENT]) for side in channel]) for channel in whole]
        return Again({"sky": np.array(sky), "scales": self._scales(len(whole), known)})

    def _reference_cells(self, known: Known) -> Floats:
        """Return what LocalLevels told, having seen that it was asked the same of an image of this size."""
        told, reference = known.values["reference_levels"], known.of("reference")
        asked = [self.background_sampling_delta, self.low_clipping_level, self.high_clipping_level]
        wanted, came = ([*asked, reference.width, reference.height], [*told["asked"], told["width"], told["height"]])
        if came != wanted:
            raise ParameterError(
                "LocalNormalization: 'reference_levels' must be those of the reference, by the same "
                "background_sampling_delta, low_clipping_level, high_clipping_level, width and height: "
                f"wanted {wanted}, got {came}"
            )
        return np.asarray(told["cells"])

    # -- the model --------------------------------------------------------------------------------

    def _failed(self, why: str) -> dict[str, Any]:
        if self.on_failure == "error":
            raise ParameterError(
                f"LocalNormalization: the image cannot be normalised: {why} "
                "(on_failure='missing' gives an image of missing samples instead)"
            )
        return _none(why)

    def _model(self, told: Floats, sky: Floats, known: Known) -> dict[str, Any]:
        common = [model.usable(channel[cells.COMMON]) for channel in told]
        if not all(c.any() for c in common):
            return self._failed("image and reference have no part in common")
        scales, source, pairs = known.state["scales"] or self._structures(told, sky)
        why = "" if pairs and min(scales) > 0.0 else f"{_TELLS[source]} in both images"
        if why and self.on_failure != "no_scale":
            return self._failed(f"{why}; no_scale=True does without")
        if why:
            scales, source, pairs = self._unscaled(len(told), known)
        offsets = [self._offset(t, c, s) for t, c, s in zip(told, common, scales, strict=True)]
        return {
            "kind": "global" if self.global_location_normalization else "local", "why": why,
            "scale": scales, "scale_from": source, "pairs": pairs,
            "coefficients": np.stack([model.spline(o.grid) for o in offsets]).astype(np.float32),
            "cell": list(self._cells(known).step),
            "location": [o.image for o in offsets], "reference_location": [o.reference for o in offsets],
            "left_out": float(np.mean(told[:, cells.DROPPED])),
        }  # fmt: skip

    def _scales(self, channels: int, known: Known) -> _Scales | None:
        """Return what is known without the light of structures."""
        if self.no_scale:
            return self._unscaled(channels, known)
        if "stars" in known.values and self.scale_evaluation_method != "structures":
            ratios = model.star_ratios(known.values["stars"], known.values["reference_stars"], self.psf_min_snr)
            enough = ratios.size >= _FEWEST_STARS
            if enough or self.scale_evaluation_method == "psf_signal":
                mean = model.clipped_mean(ratios) if enough else math.nan
                return [mean] * channels, "psf_signal", int(ratios.size) if enough else 0
        return None

    def _structures(self, told: Floats, sky: Floats) -> _Scales:
        found = [
            model.light_ratio(t[cells.IMAGE_LIGHT], t[cells.REFERENCE_LIGHT], t[cells.LIT], (s[1], s[3]))
            for t, s in zip(told, sky, strict=True)
        ]
        return [f[0] for f in found], "structures", min(f[1] for f in found)

    def _unscaled(self, channels: int, known: Known) -> _Scales:
        image, reference = known.of("image"), known.of("reference")
        return [(reference.hi - reference.lo) / (image.hi - image.lo)] * channels, "no_scale", 1

    def _offset(self, told: Floats, common: Any, scale: float) -> _Offset:
        image, reference = told[cells.IMAGE], told[cells.REFERENCE]
        location, wanted = float(np.median(image[common])), float(np.median(reference[common]))
        if self.global_location_normalization:
            return _Offset(np.full(image.shape, wanted - scale * location), location, wanted)
        smallest = self.scale / self.background_sampling_delta
        return _Offset(model.large_scale(reference - scale * image, common, smallest), location, wanted)

    # -- the arithmetic -----------------------------------------------------------------------------

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        source, told, box = known.of("image"), known.measured, known.box
        out: Tile = tiles[0].copy()
        if told["kind"] == "none":
            out[: source.nominal] = np.nan
            return out
        rows = model.weights(box.y0, box.y1, told["cell"][0])
        columns = model.weights(box.x0, box.x1, told["cell"][1])
        lo, hi = known.frame.known_bounds()
        low, high = (lo, hi) if self.truncate else (-math.inf, math.inf)
        for c in range(source.nominal):
            numbers = np.array([told["scale"][c], source.lo, lo, low, high])
            nodes = np.ascontiguousarray(told["coefficients"][c], np.float64)
            model.normalise(tiles[0][c], out[c], nodes, *rows, *columns, numbers)
        return out


_TELLS = {
    "psf_signal": f"fewer than {_FEWEST_STARS} good stars are found at the same places",
    "structures": "nothing stands out of the sky",
    "no_scale": "the bounds have no extent",
}


def _none(why: str) -> dict[str, Any]:
    return {"kind": "none", "why": why}
