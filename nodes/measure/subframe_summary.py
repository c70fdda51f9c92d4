"""SubframeSummary: what is known of a frame's stars, noise and background, as one row of figures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...engine.api import Known, Port, Process, param
from ._rejection import Floats, mean_and_deviation, survivors


class SubframeSummary(Process, id="measure.subframe_summary", version=3):
    """Gather the figures by which frames are compared.

    The Value holds, as plain numbers: FWHM, FWHMMeanDev, Eccentricity, EccentricityMeanDev, StarResidual,
    StarResidualMeanDev, Stars, PSFCount, PSFFlux, PSFFluxPower, PSFTotalMeanFlux, PSFSignalWeight, PSFSNR, SNR,
    Noise, NoiseRatio, Median, MedianMeanDev, MStar, NStar. Means over stars are those of what robust Chauvenet
    rejection leaves. Median, noise, residual and fluxes are parts of the range from black to white; FWHM is in
    pixels, or in arc seconds where *subframe_scale* is not 0.

    With f the fluxes of the fitted stars and g their mean fluxes (those that rejection leaves out replaced by
    the nearest that it keeps)::

        PSFSignalWeight = 5.326e-6 Σf Σg / (9.0e6 noise M*)
        PSFSNR          = 1.316e-7 (Σf)² / (4.987e6 noise²)
        SNR             = (mean of low and high noise scale / noise)²

    Figures, names and constants are those of PixInsight's SubframeSelector and PSF signal estimator; only
    ratios of weights between frames mean something. A figure that cannot be had is NaN.
    """

    inputs = (
        Port("image", doc="the frame; its pixels are not looked at"),
        Port("stars", "stars", doc="its stars"),
        Port("psf", "psf", doc="the functions fitted to them"),
        Port("noise", "measures", doc="its noise"),
        Port("scale", "measures", doc="its noise scale"),
        Port("background", "measures", doc="its large-scale background"),
    )
    outputs = (Port("measures", "measures", doc="one row of figures"),)
    requires = "linear"

    subframe_scale: float = param(default=0.0, low=0.0, high=100.0, unit="arcsec/px", doc="0: widths stay in pixels")

    def compute(self, known: Known) -> dict[str, Any]:
        frame, values = known.of("image"), known.values
        lo, span = frame.lo, frame.hi - frame.lo
        psf = values["psf"]
        table, columns = np.asarray(psf["table"], np.float64), list(psf["columns"])
        table = table[table[:, columns.index("status")] == 0]

        def column(name: str) -> Floats:
            found: Floats = table[:, columns.index(name)]
            return found

        noise = values["noise"]["noise"] / span
        scale, background = values["scale"], values["background"]
        m_star = (background["m_star"] - lo) / span
        flux, mean_flux = column("flux") / span, _winsorized(column("mean_flux") / span)
        fwhm, fwhm_dev = mean_and_deviation(column("fwhm") * (self.subframe_scale or 1.0))
        eccentricity, eccentricity_dev = mean_and_deviation(column("eccentricity"))
        residual, residual_dev = mean_and_deviation(column("residual") / span)
        mean_scale = 0.5 * (scale["low"] + scale["high"]) / span
        total, total_mean = float(flux.sum()), float(mean_flux.sum())
        fractions = [c["fraction"] for c in values["noise"]["channels"]]
        return {
            "FWHM": fwhm,
            "FWHMMeanDev": fwhm_dev,
            "Eccentricity": eccentricity,
            "EccentricityMeanDev": eccentricity_dev,
            "StarResidual": residual,
            "StarResidualMeanDev": residual_dev,
            "Stars": values["stars"].get("found", len(values["stars"]["table"])),
            "PSFCount": len(table),
            "PSFFlux": total,
            "PSFFluxPower": float((flux * flux).sum()),
            "PSFTotalMeanFlux": total_mean,
            "PSFSignalWeight": _ratio(5.326e-6 * total * total_mean, 9.0e6 * noise * m_star),
            "PSFSNR": _ratio(1.316e-7 * total * total, 4.987e6 * noise * noise),
            "SNR": _ratio(mean_scale, noise) ** 2,
            "Noise": noise,
            "NoiseRatio": float(np.mean(fractions)) if fractions else math.nan,
            "Median": (scale["median"] - lo) / span,
            "MedianMeanDev": scale["avg_dev"] / span,
            "MStar": m_star,
            "NStar": background["n_star"] / span,
        }


def _winsorized(samples: Floats) -> Floats:
    kept = survivors(samples)
    return np.clip(samples, kept[0], kept[-1]) if kept.size else samples


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0.0 else math.nan
