"""MatchStars: how an image lies on a reference, from the star lists of both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np

from ...engine.api import Known, Port, Process, param
from ._maps import Floats, applied, jacobian, overlap
from ._transform import inverted, ladder
from ._triangles import FEWEST_PAIRS, match
from ._votes import field_of

Model = Literal["auto", "similarity", "affine", "homography", "polynomial"]
_CENTROID_FLOOR = 0.02
"""Pixels no centroid is better than, however bright the star: flat fields and pixels are not perfect."""
_SATURATED_OR_EDGE = 1 | 2


class MatchStars(Process, id="registration.match_stars", version=3):
    """Find which star of an image is which star of the reference, and the map between the two pixel grids.

    Triangles among neighbouring stars vote for a similarity of any shift, rotation, scale (1/8 to 8) and
    handedness; what most agree on is tried on all stars, and accepted only when so many pairs cannot be chance.
    With n pairs, of which k would fit by themselves (3, more for a bent map), where chance gives λ, the odds are
    ``m ln(m/λ) - (m - λ)``, m = n - k, less the logarithm of the number of votes, more for images of equal scale
    (5) and orientation (4.5), as most are; they have to exceed 25 (10 for lists of up to 60 stars). At least
    five pairs are wanted.

    The map is then the simplest of shift, shift and turn (rigid), similarity, affine, homography and Chebyshev
    polynomials of degree 2 to `highest_degree` that cross-validation supports: each has to predict stars it was
    not fitted to 3 % better than the simpler ones (where n pairs are few, by 0.7/sqrt(n) and 6/n). Stars count by the
    inverse square of their centroid errors; pairs beyond 3.5 robust sigma are left out.

    The Value::

        {"kind": "shift" | "rigid" | "similarity" | "affine" | "homography" | "polynomial", "degree": 1 .. 7,
         "inverse": [step, ...], "forward": [step, ...],
         "rms": ..., "cross_validated_rms": ..., "pairs": ..., "odds": ...,
         "scale": ..., "rotation": ..., "flipped": ..., "shift": [x, y], "overlap": ...,
         "noise": ..., "width": ..., "height": ..., "reference_width": ..., "reference_height": ...}

    ``inverse`` maps places of the reference to places of the image (what resampling asks), ``forward`` maps
    back. Each is a list of steps, applied in order::

        {"matrix": (3, 3)}
        {"matrix": (3, 3), "domain": [x0, y0, x1, y1], "coefficients": (2, d + 1, d + 1)}

    x' = (m00 x + m01 y + m02) / w, y' = (m10 x + m11 y + m12) / w, w = m20 x + m21 y + m22; the second kind adds
    numpy's ``chebval2d(u, v, coefficients[0])`` to x' and ``[1]`` to y', where u and v are the place before the
    step, -1 to 1 over the domain and clipped there. Places count from (0, 0) at the centre of the first pixel.

    ``rms`` is that of the residuals along one axis, in pixels of the image. ``scale`` says how many pixels of
    the image one of the reference is, ``rotation`` by how many degrees the reference's x axis is turned in the
    image, ``shift`` where the reference's centre lies relative to the image's, ``overlap`` which part of the
    reference the image covers.

    The reference itself, however few its stars, lies on itself: a shift of nothing, ``rms`` and ``odds`` 0.
    An image that cannot be registered gives ``{"kind": "none", "why": ..., "pairs": 0}`` and no error.
    """

    inputs = (
        Port("stars", "stars", doc="the stars of the image"),
        Port("reference", "stars", doc="the stars of the reference"),
    )
    outputs = (Port("transform", "transform", doc="the map from reference to image, and back"),)
    maskable = False

    tolerance: float = param(
        default=2.0, low=0.1, high=50.0, usual=(0.5, 10.0), unit="px",
        doc="how far a star may lie from where the map puts it",
    )
    max_stars: int = param(
        default=1500, low=10, high=20000, doc="of how many of the brightest stars triangles are built at most"
    )
    model: Model = param(
        default="auto", choices=get_args(Model), doc="the kind of map; auto lets cross-validation choose"
    )
    highest_degree: int = param(default=7, low=2, high=7, doc="highest degree of polynomials tried")

    def compute(self, known: Known) -> dict[str, Any]:
        image, reference = known.values["stars"], known.values["reference"]
        counts = len(reference["table"]), len(image["table"])
        if counts[0] and _same(image, reference):
            # However few its stars, an image lies on itself.
            step = {"matrix": np.eye(3)}
            return {
                "kind": "shift", "degree": 1, "rms": 0.0, "cross_validated_rms": 0.0, "pairs": counts[0],
                "odds": 0.0, **_described(step, image, reference),
            }  # fmt: skip
        if min(counts) < FEWEST_PAIRS:
            return _none(
                f"at least {FEWEST_PAIRS} stars are wanted; the reference has {counts[0]}, the image {counts[1]}"
            )
        found = match(field_of(reference), field_of(image), self.tolerance, self.max_stars)
        if found is None:
            return _none(
                f"no arrangement of the image's {counts[1]} stars fits the reference's {counts[0]} better than chance"
            )
        a, b = _places(reference)[found.first], _places(image)[found.second]
        weight = 1.0 / (_errors(reference)[found.first] ** 2 + _errors(image)[found.second] ** 2)
        fit, kept = ladder(a, b, weight, self.model, self.highest_degree)
        return {
            "kind": fit.kind, "degree": fit.degree, "rms": fit.rms, "cross_validated_rms": fit.cross_validated,
            "pairs": int(kept.sum()), "odds": found.odds, **_described(fit.step, image, reference),
        }  # fmt: skip


def _none(why: str) -> dict[str, Any]:
    return {"kind": "none", "why": why, "pairs": 0}


def _same(image: Mapping[str, Any], reference: Mapping[str, Any]) -> bool:
    """Return whether both lists are those of one image: no two frames show their stars at the very same places."""
    size = [[stars[name] for name in ("width", "height")] for stars in (image, reference)]
    return size[0] == size[1] and np.array_equal(_places(image), _places(reference))


def _column(stars: Mapping[str, Any], name: str) -> Floats | None:
    columns = list(stars["columns"])
    return np.asarray(stars["table"], np.float64)[:, columns.index(name)] if name in columns else None


def _places(stars: Mapping[str, Any]) -> Floats:
    columns = list(stars["columns"])
    return np.asarray(stars["table"], np.float64)[:, [columns.index("x"), columns.index("y")]]


def _errors(stars: Mapping[str, Any]) -> Floats:
    """Return the expected errors of the centroids along one axis: FWHM / (2.355 SNR) times sqrt 2, in pixels."""
    fwhm, snr, flags = (_column(stars, name) for name in ("fwhm", "snr", "flags"))
    if fwhm is None or snr is None:
        return np.ones(len(stars["table"]))
    error = math.sqrt(2.0) * np.nan_to_num(fwhm, nan=3.0) / (2.355 * np.maximum(np.nan_to_num(snr, nan=1.0), 1.0))
    error = np.hypot(error, _CENTROID_FLOOR)
    if flags is not None:
        # A saturated or cut star has a centre of sorts: it may tell a pair, but hardly pulls the fit.
        error = np.where((flags.astype(np.int64) & _SATURATED_OR_EDGE) != 0, 10 * error, error)
    return np.asarray(error)


def _described(step: dict[str, Any], image: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """Return the maps both ways and what they amount to at the centre."""
    width, height = int(reference["width"]), int(reference["height"])
    inverse = [step]
    cx, cy = (width - 1) / 2, (height - 1) / 2
    j = jacobian(inverse, cx, cy)
    x, y = applied(inverse, np.array([cx]), np.array([cy]))
    determinant = float(j[0, 0] * j[1, 1] - j[0, 1] * j[1, 0])
    return {
        "inverse": inverse,
        "forward": inverted(inverse, (-0.5, -0.5, width - 0.5, height - 0.5)),
        "scale": math.sqrt(abs(determinant)),
        "rotation": math.degrees(math.atan2(float(j[1, 0]), float(j[0, 0]))),
        "flipped": determinant < 0,
        "shift": [float(x[0]) - (image["width"] - 1) / 2, float(y[0]) - (image["height"] - 1) / 2],
        "overlap": overlap(inverse, image["width"], image["height"], width, height),
        "noise": float(image.get("noise", 0.0)),
        "width": int(image["width"]), "height": int(image["height"]),
        "reference_width": width, "reference_height": height,
    }  # fmt: skip
