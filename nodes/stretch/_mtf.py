"""The midtones transfer function and the display rows of an automatic stretch.

Formulas: PixInsight reference documentation, "HistogramTransformation" and "ScreenTransferFunction", and the
AutoStretch of PixInsight's open ScreenTransferFunction tool.
"""

from __future__ import annotations

from collections.abc import Sequence

Row = tuple[float, float, float, float, float]
"""Shadows c0, highlights c1, midtones m, low range r0, high range r1, in the order of a display function."""

IDENTITY: Row = (0.0, 1.0, 0.5, 0.0, 1.0)


def mtf(m: float, x: float) -> float:
    """Return the midtones transfer of *x* with balance *m*: 0, *m* and 1 go to 0, 1/2 and 1.

    ``mtf(t, x)`` is also the balance that sends *x* to *t*.
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    return (m - 1.0) * x / ((2.0 * m - 1.0) * x - m)


def display_rows(
    medians: Sequence[float], sigmas: Sequence[float], clipping: float, background: float, linked: bool
) -> list[Row]:
    """Return the row of each channel that brings the sky to about *background*.

    Parameters
    ----------
    medians, sigmas
        Median and 1.4826 MAD of each channel, normalised to [0, 1].
    clipping
        Shadows clipping point in sigmas from the median; negative is below it.
    background
        Target of the median.
    linked
        Whether all channels share one row.
    """
    if linked and medians:
        inverted = all(m > 0.5 for m in medians)
        return [_row(medians, sigmas, clipping, background, inverted)] * len(medians)
    return [_row([m], [s], clipping, background, inverted=m >= 0.5) for m, s in zip(medians, sigmas, strict=True)]


def _row(medians: Sequence[float], sigmas: Sequence[float], clipping: float, background: float, inverted: bool) -> Row:
    n = len(medians)
    median = sum(medians) / n
    # A channel without dispersion clips nothing, yet counts in the mean.
    flat = 1.0 if inverted else 0.0
    sign = -1.0 if inverted else 1.0
    points = (flat if 1.0 + s == 1.0 else m + sign * clipping * s for m, s in zip(medians, sigmas, strict=True))
    clip = min(max(sum(points) / n, 0.0), 1.0)
    # The distance from the clipping point is not rescaled to the range that clipping leaves, so the
    # median reaches the target only nearly; all software that shares these rows relies on it.
    if inverted:
        return (0.0, clip, mtf(clip - median, background), 0.0, 1.0)
    return (clip, 1.0, mtf(background, median - clip), 0.0, 1.0)
