"""What pixels have in common with a seed: correlation of residuals, and coherence at a period with its lag.

The run is cut into segments; in each a pixel has one complex lock-in value. Coherence is how constant its phase
against the seed's stays from segment to segment (Carter 1987, Proc. IEEE 75, 236, for its statistics).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import ParameterError
from ._design import harmonic_columns, orthonormal
from ._significance import LN10, beta_log10, correlation_log10

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]

PARTS = (
    "correlation", "lag", "coherence", "significance", "lag_err", "correlation_significance", "disattenuated", "self",
)  # fmt: skip
"""The images of a link, in the order of `LinkToSeed`."""

PERIODS = 3.0
FEWEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The columns of a link to a seed; rows are scaled by root weights.

    Attributes
    ----------
    roots, nuisance
        As of a design.
    seed
        ``(N,)``: the seed's residuals, of norm 1.
    seed_norm
        What their norm was.
    harmonic
        ``(2, N)``: basis of cosine and sine.
    segments
        ``(2K, N)``: cosines and sines in turn of each segment, orthogonal to *nuisance*, of the norm that white noise
        makes 1.
    values
        ``(K,)``: the seed's complex values, in the units of *seed* times *seed_norm*.
    frequency
        In hertz.
    """

    roots: Floats
    nuisance: Floats
    seed: Floats
    seed_norm: float
    harmonic: Floats
    segments: Floats
    values: Complexes
    frequency: float

    def columns(self) -> Floats:
        """Return ``(1 + J + 1 + 2 + 2K, N)``: nuisance, seed, harmonic and segments as sums over samples want them."""
        rows = np.concatenate([self.nuisance, self.seed[None], self.harmonic, self.segments])
        return np.ascontiguousarray(rows * self.roots)

    @property
    def freedom(self) -> int:
        return len(self.roots) - 1 - len(self.nuisance)


def segments_of(seconds: Floats, period: float, wanted: int) -> npt.NDArray[np.int64]:
    """Return the segment of each frame: as many of equal numbers of frames as are wanted and span three periods.

    Raises
    ------
    ParameterError
        There are fewer than four.
    """
    n = len(seconds)
    for count in range(wanted, FEWEST - 1, -1):
        edges = np.arange(count + 1) * n // count
        if all(seconds[b - 1] - seconds[a] >= PERIODS * period for a, b in itertools.pairwise(edges)):
            return np.repeat(np.arange(count), np.diff(edges))
    raise ParameterError(
        f"LerarLinkMap: at least {FEWEST} segments of {PERIODS:g} periods are wanted, the run is "
        f"{seconds[-1] - seconds[0]:.6g} s long and the period {period:.6g} s"
    )


def link(
    seconds: Floats, t0: float, roots: Floats, nuisance: Floats, seed: Floats, frequency: float, segments: int
) -> Link:
    """Return the columns of a link to the series *seed* ``(N,)``.

    Raises
    ------
    ParameterError
        Nothing varies in the seed, or the run is too short.
    """
    residual, triangle, kept = orthonormal((seed * roots)[None], nuisance, least=1e-9)
    if not kept.all():
        raise ParameterError("LerarLinkMap: the seed does not vary besides the slow terms")
    wave = harmonic_columns(seconds, t0, frequency, 1) * roots
    harmonic, _, _ = orthonormal(wave, nuisance)
    of = segments_of(seconds, 1.0 / frequency, segments)
    rows = []
    for k in range(int(of[-1]) + 1):
        here = np.where(of == k, 1.0, 0.0)
        scale = math.sqrt(0.5 * float((roots * roots * here).sum()))
        rows += [wave[0] * here / scale, wave[1] * here / scale]
    made = np.array([_projected(row, nuisance) for row in rows])
    norm = float(triangle[0, 0])
    sums = np.array([float((row * residual[0]).sum()) for row in made]) * norm
    return Link(roots=roots, nuisance=nuisance, seed=residual[0], seed_norm=norm, harmonic=harmonic, segments=made,
                values=sums[0::2] + 1j * sums[1::2], frequency=frequency)  # fmt: skip


def _projected(row: Floats, basis: Floats) -> Floats:
    left = row.copy()
    for _ in range(2):
        for other in basis:
            left -= float((other * left).sum()) * other
    return left


@dataclass(frozen=True, slots=True)
class Linked:
    """What `linked` tells of every pixel.

    Attributes
    ----------
    correlation, coherence
        r and gamma squared.
    lag, lag_error
        Seconds by which a pixel comes later than the seed.
    evidence, correlation_evidence
        -log10 p of coherence and correlation.
    power, seed_power
        Which part of the residuals of pixel and seed the harmonic explains.
    values
        ``(K, pixels)``: complex values in units of the pixel's noise.
    """

    correlation: Floats
    coherence: Floats
    lag: Floats
    lag_error: Floats
    evidence: Floats
    correlation_evidence: Floats
    power: Floats
    seed_power: Floats
    values: Complexes


def linked(sums: Floats, squares: Floats, plan: Link, members: int = 0) -> Linked:
    """Return how every pixel goes with the seed.

    Parameters
    ----------
    sums, squares
        ``(columns, pixels)`` of the link's columns, and weighted sums of squares.
    members
        0, or the number of pixels the seed is the mean of, these among them: each is subtracted from the seed first.
    """
    j1 = len(plan.nuisance)
    rest = squares.copy()
    for row in sums[:j1]:
        rest -= row * row
    rest[~(rest > 1e-12 * squares)] = np.nan
    own = sums[j1 + 3 :: 2] + 1j * sums[j1 + 4 :: 2]
    product, seed2 = sums[j1] * plan.seed_norm, np.full(len(rest), plan.seed_norm**2)
    wave, seed_wave = sums[j1 + 1 : j1 + 3], np.array([(h * plan.seed).sum() for h in plan.harmonic]) * plan.seed_norm
    seed_values = np.broadcast_to(plan.values[:, None], own.shape)
    seed_wave = np.broadcast_to(seed_wave[:, None], wave.shape)
    if members > 1:
        n = float(members)
        seed2 = (n * n * seed2 - 2.0 * n * product + rest) / (n - 1.0) ** 2
        product = (n * product - rest) / (n - 1.0)
        seed_values, seed_wave = (n * seed_values - own) / (n - 1.0), (n * seed_wave - wave) / (n - 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.clip(product / np.sqrt(rest * seed2), -1.0, 1.0)
        cross, own2, other2 = _sum(own * np.conj(seed_values)), _sum(np.abs(own) ** 2), _sum(np.abs(seed_values) ** 2)
        gamma2 = np.minimum(np.abs(cross) ** 2 / (own2 * other2), 1.0)
        omega, count = 2.0 * math.pi * plan.frequency, len(own)
        error = np.sqrt((1.0 - gamma2) / (2.0 * count * gamma2)) / omega
        evidence = -(count - 1.0) * np.log1p(-gamma2) / LN10
        scale = np.sqrt(plan.freedom / rest)
        return Linked(
            r, gamma2, np.angle(cross) / omega, error, evidence, correlation_log10(r, plan.freedom),
            (wave[0] ** 2 + wave[1] ** 2) / rest, (seed_wave[0] ** 2 + seed_wave[1] ** 2) / seed2, own * scale,
        )  # fmt: skip


def _sum(rows: Any) -> Any:
    """Add rows one after the other: the result does not depend on how many pixels there are."""
    total = np.zeros_like(rows[0])
    for row in rows:
        total += row
    return total


def disattenuated(found: Linked, freedom: int, level: float) -> Floats:
    """Return the correlation of what varies with the period alone: r over the root of both shares of that in the
    variance; NaN where either is not significant at *level*."""
    free = float(freedom - 1)
    evidence = np.array([[beta_log10(float(p), 1, free) for p in row] for row in (found.power, found.seed_power)])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = [p - (1.0 - p) * 2.0 / free for p in (found.power, found.seed_power)]
        good = (evidence.min(axis=0) >= -math.log10(level)) & (share[0] > 0.0) & (share[1] > 0.0)
        return np.asarray(np.where(good, found.correlation / np.sqrt(share[0] * share[1]), np.nan), np.float64)
