"""Simulated fields of stars whose sky, noise and star shapes are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

SIZE = 256


@dataclass(frozen=True)
class Field:
    """What is true of a simulated field, in ADU and pixels; the sky is that of the middle."""

    pixels: Any
    sky: float
    slope: tuple[float, float]
    noise: float
    fwhm: float
    beta: float
    ellipticity: float
    angle: float


def simulated(
    seed: int, *, faintest: float = 5.0, brightest: float = 1700.0, stars: tuple[int, int] = (30, 60)
) -> Field:
    """Return a field of Moffat stars on a slope; heights of stars in sigmas, as many above h as 1/h."""
    rng = np.random.default_rng([6, seed])
    fwhm, beta = rng.uniform(2.8, 4.5), rng.uniform(2.8, 4.5)
    ellipticity, angle = rng.uniform(0.05, 0.25), rng.uniform(-85.0, 85.0)
    noise, sky = rng.uniform(5.0, 20.0), rng.uniform(300.0, 2000.0)
    slope = (float(rng.uniform(-0.04, 0.04)), float(rng.uniform(-0.04, 0.04)))
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    middle = (SIZE - 1) / 2
    image = sky + slope[0] * (x - middle) + slope[1] * (y - middle) + rng.normal(0.0, noise, (SIZE, SIZE))
    axis = math.sqrt(1.0 - ellipticity)
    k = 2.0 * math.sqrt(2.0 ** (1.0 / beta) - 1.0) / fwhm
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    for _ in range(int(rng.integers(*stars))):
        cx, cy = rng.uniform(0.0, SIZE, 2)
        height = noise * faintest / rng.uniform(faintest / brightest, 1.0)
        u, v = (x - cx) * c + (y - cy) * s, (y - cy) * c - (x - cx) * s
        image += height * (1.0 + (u * k * axis) ** 2 + (v * k / axis) ** 2) ** -beta
    return Field(image.astype(np.float32), sky, slope, noise, fwhm, beta, ellipticity, angle)


@pytest.fixture(scope="session")
def field() -> Callable[..., Field]:
    """Return a function from a seed to a field."""
    return simulated


@pytest.fixture
def measured(given: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Return a function that measures pixels by MeasureRegion and returns the measures."""
    from lerarlink import Graph

    def measure(pixels: Any, area: str = "relative rect 0,0,1,1", **params: Any) -> dict[str, Any]:
        graph = Graph()
        image = given(graph, pixels, bounds=(0.0, 65535.0))
        found: dict[str, Any] = graph.add("MeasureRegion", image=image, area=area, **params).value("measures")
        return found

    return measure
