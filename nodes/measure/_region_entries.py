"""The entries that a region's sums and stars amount to, each with value, unit, error, number and flags."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...engine.api import Box, Frame
from ._background import PlaneFit, Sky, plane_fit, sky, span
from ._celestial import scale_and_rotation
from ._photon_transfer import Transfer, transfer
from ._planes import Plane, colours
from ._psf_stack import entry
from ._region import polygons
from ._region_samples import correlation, structure, table_of

FRACTIONS = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
_NAMES = ("p01", "p1", "p5", "p25", "p50", "p75", "p95", "p99", "p999")
_MORE = 0.980 / 0.974
"""The noise set's standard deviation is 0.980 of the noise's in fields of stars, not 0.974."""


class Told(NamedTuple):
    """What was gathered of a region.

    Attributes
    ----------
    channels
        Their order statistics.
    partials
        Their sums.
    noise
        What the noise set says.
    stars
        What `fluxes` tells.
    region, window, frame
        The region, the window around it, and its frame.
    """

    channels: Sequence[Mapping[str, Any]]
    partials: Sequence[Mapping[str, Any]]
    noise: Sequence[Mapping[str, Any]]
    stars: Mapping[str, Any]
    region: Mapping[str, Any]
    window: Box
    frame: Frame


class _Channel(NamedTuple):
    """One channel's figures."""

    sky: Sky
    sigma: float
    noisy: int
    plane: PlaneFit
    transfer: Transfer
    correlation: tuple[float, float, int]
    structure: tuple[float, str]
    mean: float
    spread: float
    samples: int
    quantiles: Sequence[float]


def figures(told: Told, psf: Mapping[str, Any] | None, stars: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the Value of a region's measures."""
    found = [_channel(*of) for of in zip(told.channels, told.partials, told.noise, strict=True)]
    region = told.region
    scale, rotation = _turned(told)
    no_sky = "" if math.isfinite(scale) else "LRN-4: the image has no celestial solution"
    made = {
        "bg": _background(found),
        "noise": _noise(found),
        "gradient": _gradient(found, region),
        "signal": _signal(found),
        "colour": _colours(found, told),
        "structure": {"scale": _each(found, "px", lambda c: (c.structure[0], math.nan, c.samples, c.structure[1]))},
        "range": {
            name: _each(found, "level", functools.partial(_quantile, k)) for k, name in enumerate(_NAMES)
        },
        "wcs": {
            "scale": entry(scale, "arcsec/px", flags=no_sky),
            "rotation": entry(rotation, "deg", flags=no_sky),
        },
        "names": colours(told.frame),
        "bounds": list(told.frame.known_bounds()),
        "unit": told.frame.unit,
        "region": {
            **{k: region[k] for k in ("area", "shape", "size", "coverage", "width", "height")},
            "x": entry(region["x"], "px"), "y": entry(region["y"], "px"), "box": list(region["box"]),
        },
    }  # fmt: skip
    if psf is not None:
        made["psf"] = {k: v for k, v in psf.items() if k != "kernel_error"}
    if stars is not None:
        made["stars"] = {k: stars[k] for k in ("count", "flux_median")}
    return made


def _channel(order: Mapping[str, Any], sums: Mapping[str, Any], noise: Mapping[str, Any]) -> _Channel:
    at = span(order["median"], order["mad"])
    sigma = float(noise["noise"]) / _MORE
    table = table_of(sums["blocks"])
    return _Channel(
        sky=sky(np.asarray(sums["counts"]), np.asarray(sums["sums"]), at),
        sigma=sigma,
        noisy=round(noise["fraction"] * noise["count"]) or int(noise["count"]),
        plane=plane_fit(table),
        transfer=transfer(table[:, 5], table[:, 3] ** 2),
        correlation=correlation(dict(sums), sigma),
        structure=structure(np.asarray(sums["energy"]), sigma),
        mean=float(order["mean"]),
        spread=math.sqrt(order["variance"]) if order["count"] else math.nan,
        samples=int(order["count"]),
        quantiles=order["quantiles"],
    )


def _each(found: Sequence[_Channel], unit: str, of: Callable[[_Channel], tuple[float, float, int, str]]) -> Any:
    """Return an entry with a number for each channel."""
    values, errors, counts, flags = zip(*(of(c) for c in found), strict=True)
    return {
        "value": [float(v) for v in values], "unit": unit, "error": [float(e) for e in errors], "n": int(min(counts)),
        "flags": next((f for f in flags if f), ""),
    }  # fmt: skip


def _quantile(k: int, c: _Channel) -> tuple[float, float, int, str]:
    return float(c.quantiles[k]), math.nan, c.samples, ""


def _root(value: float, n: int) -> float:
    return value / math.sqrt(n) if n else math.nan


def _background(found: Sequence[_Channel]) -> dict[str, Any]:
    none = "no samples"

    def told(name: str, unit: str, factor: float) -> Any:
        return _each(found, unit, lambda c: (
            float(getattr(c.sky, name)), _root(factor * c.sky.mad, c.sky.n), c.sky.n, "" if c.sky.n else none
        ))  # fmt: skip

    return {
        "median": told("median", "level", 1.2533), "mean": told("mean", "level", 1.0),
        "mad": told("mad", "image", 1.17), "mode": told("mode", "level", 2.5 * 1.2533 + 1.5),
    }  # fmt: skip


def _noise(found: Sequence[_Channel]) -> dict[str, Any]:
    none = "too few samples show noise only"
    return {
        "sigma": _each(found, "image", lambda c: (
            c.sigma, _root(c.sigma, 2 * c.noisy), c.noisy, "" if math.isfinite(c.sigma) else none
        )),
        "correlation": _each(found, "", lambda c: (*c.correlation, "")),
        "gain": _each(found, "e-/image", lambda c: (
            c.transfer.gain, c.transfer.gain_error, c.transfer.n, c.transfer.why
        )),
        "read": _each(found, "image", lambda c: (c.transfer.read, c.transfer.read_error, c.transfer.n, c.transfer.why)),
    }  # fmt: skip


def _gradient(found: Sequence[_Channel], region: Mapping[str, Any]) -> dict[str, Any]:
    few = "LRN-4: fewer than four blocks of 16 px for a plane"
    corners = np.concatenate(polygons(region)[0])
    across, down = np.ptp(corners[:, 0]), np.ptp(corners[:, 1])

    def amplitude(c: _Channel) -> tuple[float, float, int, str]:
        height = corners @ np.array([c.plane.dx, c.plane.dy])
        error = math.hypot(c.plane.dx_error * float(across), c.plane.dy_error * float(down))
        return float(np.ptp(height)), error, c.plane.n, "" if c.plane.n else few

    return {
        "dx": _each(found, "image/px", lambda c: (c.plane.dx, c.plane.dx_error, c.plane.n, "" if c.plane.n else few)),
        "dy": _each(found, "image/px", lambda c: (c.plane.dy, c.plane.dy_error, c.plane.n, "" if c.plane.n else few)),
        "amplitude": _each(found, "image", amplitude),
    }


def _signal(found: Sequence[_Channel]) -> dict[str, Any]:
    def above(c: _Channel) -> float:
        return c.mean - c.sky.median

    def error(c: _Channel) -> float:
        return math.hypot(_root(c.spread, c.samples), _root(1.2533 * c.sky.mad, c.sky.n))

    return {
        "mean": _each(found, "level", lambda c: (c.mean, _root(c.spread, c.samples), c.samples, "")),
        "above": _each(found, "image", lambda c: (above(c), error(c), c.samples, "")),
        "snr": _each(found, "", lambda c: (
            above(c) / c.sigma if c.sigma > 0.0 else math.nan, error(c) / c.sigma if c.sigma > 0.0 else math.nan,
            c.samples, "" if c.sigma > 0.0 else "LRN-4: there is no noise",
        )),
    }  # fmt: skip


# -- colours --------------------------------------------------------------------------------------------------


def fluxes(region: Mapping[str, Any], planes: Sequence[Plane], place: Box) -> dict[str, Any]:
    """Return what a tile tells of the stars of a stars region.

    Sum and number of the samples in each disc, (stars, channels, 2), and the rows (star, sample of each channel) of
    the rings around them, between 1.5 and 2 times the disc's radius. *place* is that of the tile.
    """
    centres = np.asarray(region["centres"], np.float64).reshape(-1, 2)
    told, rings = np.zeros((len(centres), len(planes), 2)), [np.empty((0, 1 + len(planes)))]
    reach = float(region["radius"])
    for k, (x, y) in enumerate(centres):
        wide = 2.0 * reach
        box = Box(math.ceil(y - wide), math.ceil(x - wide), math.floor(y + wide) + 1, math.floor(x + wide) + 1)
        box = box.overlap(place)
        if box.empty:
            continue
        v, u = np.mgrid[box.y0 : box.y1, box.x0 : box.x1]
        r = np.hypot(u - x, v - y)
        at = box.shift(-place.y0, -place.x0)
        part = np.stack([p[at.y0 : at.y1, at.x0 : at.x1] for p in planes]).astype(np.float64)
        for c, seen in enumerate(part[:, r <= reach]):
            told[k, c] = float(np.nansum(seen)), np.isfinite(seen).sum()
        ring = part[:, (r > 1.5 * reach) & (r <= wide)].T
        rings.append(np.column_stack([np.full(len(ring), float(k)), ring]))
    return {"discs": told, "rings": np.concatenate(rings)}


def added_fluxes(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Return what both tiles tell; *a* comes before *b*."""
    return {"discs": a["discs"] + b["discs"], "rings": np.concatenate([a["rings"], b["rings"]])}


def _colours(found: Sequence[_Channel], told: Told) -> dict[str, Any]:
    if len(found) != 3:
        why = f"LRN-4: colours want three channels, the image has {len(found)}"
        return {"rg": entry(math.nan, flags=why), "bg": entry(math.nan, flags=why)}
    if len(told.stars["discs"]):
        return _of_stars(found, told.stars)
    above = [c.mean - c.sky.median for c in found]
    errors = [math.hypot(_root(c.spread, c.samples), _root(1.2533 * c.sky.mad, c.sky.n)) for c in found]
    return {name: _ratio(above, errors, k, found[k].samples) for name, k in (("rg", 0), ("bg", 2))}


def _ratio(above: Sequence[float], errors: Sequence[float], k: int, n: int) -> dict[str, Any]:
    if not above[1] > 3.0 * errors[1]:
        return entry(math.nan, n=n, flags="LRN-4: green has no signal above its background")
    value = above[k] / above[1]
    return entry(value, "", math.hypot(errors[k], value * errors[1]) / above[1], n)


def _of_stars(found: Sequence[_Channel], stars: Mapping[str, Any]) -> dict[str, Any]:
    """Return medians of the stars' ratios above the rings around them; faint ones (5 sigma in green) are left out."""
    discs, rings = np.asarray(stars["discs"]), np.asarray(stars["rings"])
    sky = np.full(discs.shape[:2], math.nan)
    for k in range(len(discs)):
        for c, ring in enumerate(rings[rings[:, 0] == k, 1:].T):
            seen = ring[np.isfinite(ring)]
            sky[k, c] = float(np.median(seen)) if len(seen) >= 8 else math.nan
    sums, counts = discs[:, :, 0], discs[:, :, 1]
    flux = sums - counts * sky
    noise = np.array([c.sigma for c in found])
    good = np.isfinite(flux).all(axis=1) & (flux[:, 1] > 5.0 * noise[1] * np.sqrt(np.maximum(counts[:, 1], 1.0)))
    made = {}
    for name, k in (("rg", 0), ("bg", 2)):
        ratios = flux[good, k] / flux[good, 1]
        if not len(ratios):
            made[name] = entry(math.nan, flags="LRN-4: no star stands five sigmas above the background in green")
            continue
        middle = float(np.median(ratios))
        error = 1.2533 * 1.4826 * float(np.median(np.abs(ratios - middle))) / math.sqrt(len(ratios))
        made[name] = entry(middle, "", error if len(ratios) > 1 else math.nan, len(ratios))
    return made


def _turned(told: Told) -> tuple[float, float]:
    """Return pixel scale and rotation at the region's centre; the solution counts from the window's first pixel."""
    x, y = float(told.region["x"]) - told.window.x0, float(told.region["y"]) - told.window.y0
    return scale_and_rotation(told.frame, x, y)
