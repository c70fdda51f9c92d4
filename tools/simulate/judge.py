"""The judge of a simulated night: how far a master is from what perfect frames would have given.

``python -m lerarlink.tools.simulate.judge night/truth.json masters/master_L.fits`` prints the figures of a master.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._judged_picture import Picture, Residue
from .placement import Floats, between, moved
from .sky import Band
from .truth import OSC, Light, NightTruth


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How far a master is from the truth. Electrons are those of one exposure outside the atmosphere.

    What stars tell is None where fewer than five are bright, not saturated and alone.

    Attributes
    ----------
    registration, registration_worst
        Root mean square of the distance between where the transforms put places and where they lie, pixels, over all
        lights and of the worst one; None without transforms.
    offset, centroids
        Length of the mean offset of stars from their places, and rms of their offsets along one axis, pixels.
    fwhm, true_fwhm
        Median width of stars, and that of the mean of all lights without noise, both fitted alike.
    scale
        Units of the master for an electron.
    slope, scatter, stars
        Of the light of stars against the truth, both logarithms: slope, robust scatter of stars 200 times above
        the noise (None where they are less than five), number of stars.
    structure, structure_total
        rms of the background on scales of 8 to 64 pixels, electrons; the first without what noise alone gives.
    hot, trails, cosmics
        Mean residue where hot pixels, trails and particles fell, in units of the noise; None where there were none.
    slope_error
        What chance does to the slope, one standard error.
    noise, ideal_noise
        Of a background pixel, electrons: found, and of the best mean of all frames without interpolation.
    """

    master: str
    reference: str
    registration: float | None
    registration_worst: float | None
    offset: float | None
    centroids: float | None
    fwhm: float | None
    true_fwhm: float | None
    scale: float
    slope: float | None
    slope_error: float | None
    scatter: float | None
    stars: int
    structure: Residue
    structure_total: float
    hot: Residue | None
    trails: Residue | None
    cosmics: Residue | None
    noise: float
    ideal_noise: float

    @property
    def width_ratio(self) -> float | None:
        """FWHM of the master's stars for each of the truth's."""
        return None if self.fwhm is None or self.true_fwhm is None else self.fwhm / self.true_fwhm

    def _bend(self) -> Residue | None:
        return None if self.slope is None or self.slope_error is None else Residue(self.slope - 1.0, self.slope_error)

    def rows(self) -> list[tuple[str, str, str, bool | None]]:
        """Return what was found, what is wanted, and whether it is reached, for a table.

        What misses by less than two standard errors is not said to miss.
        """
        return [
            _row("registration, rms", self.registration, "{:.4f} px", 0.012),
            _row("registration, worst light", self.registration_worst, "{:.4f} px", None),
            _row("stars: mean offset", self.offset, "{:.4f} px", None),
            _row("stars: rms along an axis", self.centroids, "{:.4f} px", None),
            _row("FWHM against truth", self.width_ratio, "{:.4f}", 1.02),
            _row("photometric slope - 1", self._bend(), "{:+.5f}", 0.001),
            _row("photometric scatter", self.scatter, "{:.4f}", 0.01),
            _row("background structure", self.structure, "{:.3f} e", 0.2),
            _row("the same with noise", self.structure_total, "{:.3f} e", None),
            _row("residue of hot pixels", self.hot, "{:+.4f} sigma", 0.03),
            _row("residue of trails", self.trails, "{:+.4f} sigma", 0.03),
            _row("residue of particles", self.cosmics, "{:+.4f} sigma", None),
            _row("noise", self.noise, "{:.3f} e", None),
            _row("the same against ideal", self.noise / self.ideal_noise, "{:.4f}", None),
        ]

    def __str__(self) -> str:
        head = f"{self.master} on the grid of {self.reference}, {self.stars} stars, {self.scale:.5g} units an electron"
        told = [f"  {n:28}{f:26}{w:12}{'' if ok is None else 'ok' if ok else 'MISSED'}".rstrip()
                for n, f, w, ok in self.rows()]  # fmt: skip
        return "\n".join((head, *told))


def _row(
    name: str, found: float | Residue | None, form: str, limit: float | None
) -> tuple[str, str, str, bool | None]:
    if found is None:
        return name, "-", "", None
    mean, error = found if isinstance(found, Residue) else (found, 0.0)
    told = form.format(mean) + (f" ± {error:.2g}" if error else "")
    if limit is None:
        return name, told, "", None
    return name, told, f"<= {limit:g}", bool(abs(mean) <= limit + 2.0 * error)


def judge(
    master: str | os.PathLike[str] | npt.NDArray[Any],
    truth: NightTruth,
    filter: str,
    *,
    reference: str | None = None,
    transforms: Mapping[str, Any] | None = None,
    lights: Sequence[str] | None = None,
    band: Band | None = None,
) -> Figures:
    """Return the figures of a master.

    Parameters
    ----------
    master
        A file, or its samples (rows, columns), the first row on top.
    filter, band
        What it is a master of; of a colour camera (``OSC``) *band* is one of R, G, B, the master's channel.
    reference
        File of the light on whose grid the master lies; if not given, that whose stars are found in the master.
    transforms
        What registration found, by file of each light: Values of MatchStars.
    lights
        Files that went into the master, if not all of the filter.

    Raises
    ------
    ValueError
        The master is not of the size of the night's frames, or shows too little of what the truth has.
    """
    colour: Band = band or filter  # type: ignore[assignment]
    plane = _plane(master, truth, colour, filter)
    used = truth.of(filter) if lights is None else tuple(truth.light(p) for p in lights)
    lies_on = truth.light(reference) if reference else _found(plane, truth, colour)
    picture = Picture(plane, truth, colour, lies_on, used)
    registration = _registration(truth, lies_on, transforms, used) if transforms else (None, None)
    return Figures(
        master=str(master) if not isinstance(master, np.ndarray) else "master",
        reference=lies_on.file,
        registration=registration[0],
        registration_worst=registration[1],
        **picture.star_figures(),
        **picture.background(),
        scale=picture.scale,
    )


def _plane(master: Any, truth: NightTruth, band: Band, filter: str) -> Floats:
    """Return the samples of one channel, the first row on top."""
    if isinstance(master, np.ndarray):
        plane = np.asarray(master, np.float64)
    else:
        from ...graphs.document import Graph

        image = Graph().add("ReadImage", path=str(master)).image
        tile = image.compute()
        if image.frame.orientation == "bottom-up":
            tile = tile[:, ::-1]
        plane = np.asarray(tile["RGB".index(band) if filter == OSC else 0], np.float64)
    wanted = (truth.settings.height, truth.settings.width)
    if plane.shape != wanted:
        raise ValueError(f"{master}: a master of {wanted} rows and columns is wanted, got {plane.shape}")
    return plane


def _found(plane: Floats, truth: NightTruth, band: Band) -> Light:
    """Return the light on whose grid the brightest stars lie where the master is bright."""
    x, y = (c[:120] for c in truth.scene.places)
    level = np.clip(plane, *np.nanpercentile(plane, (1.0, 99.8)))

    def brightness(light: Light) -> float:
        px, py = (np.rint(c).astype(int) for c in light.placement.of(x, y))
        inside = (px >= 0) & (py >= 0) & (px < plane.shape[1]) & (py < plane.shape[0])
        return float(np.nanmean(level[py[inside], px[inside]])) if inside.any() else -np.inf

    return max(truth.lights, key=brightness)


def _registration(
    truth: NightTruth, reference: Light, transforms: Mapping[str, Any], lights: Sequence[Light]
) -> tuple[float, float]:
    """Return the rms distance between found and true places, over all lights and of the worst."""
    from ...nodes.registration._maps import applied

    by_name = {Path(p).name: value for p, value in transforms.items()}
    s = truth.settings
    x, y = (c.ravel() for c in np.meshgrid(np.linspace(0, s.width - 1, 33), np.linspace(0, s.height - 1, 25)))
    squares = []
    for light in lights:
        value = by_name.get(Path(light.file).name)
        if value is None or value["kind"] == "none":
            continue
        tx, ty = moved(between(reference.placement, light.placement), x, y)
        seen = (tx > 0) & (ty > 0) & (tx < s.width - 1) & (ty < s.height - 1)
        fx, fy = applied(value["inverse"], x[seen], y[seen])
        if light is not reference:
            squares.append(float(np.mean((fx - tx[seen]) ** 2 + (fy - ty[seen]) ** 2)))
    if not squares:
        return 0.0, 0.0
    return float(np.sqrt(np.mean(squares))), float(np.sqrt(max(squares)))


def main(arguments: Sequence[str]) -> int:
    """Print the figures of masters: truth.json, then files named ``master_FILTER.fits``."""
    if len(arguments) < 2:
        print("usage: python -m lerarlink.tools.simulate.judge TRUTH.json MASTER...", file=sys.stderr)
        return 2
    truth = NightTruth.load(arguments[0])
    for path in arguments[1:]:
        filter = Path(path).stem.rpartition("_")[2]
        print(judge(path, truth, filter))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
