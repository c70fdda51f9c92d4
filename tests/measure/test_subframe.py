"""SubframeMeasures, SubframeSelector, and the language of its formulas."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine.api import Known, ParameterError
from lerarlink.nodes.measure._formula import evaluate, parse
from lerarlink.nodes.measure._rejection import mean_and_deviation, survivors
from lerarlink.nodes.measure.subframe_selector import SubframeSelector


def night(folder: Path, fwhms: tuple[float, ...], gains: tuple[float, ...]) -> list[str]:
    """Write frames of one star field: widths and transparencies as given; return the paths."""
    paths = []
    for n, (fwhm, gain) in enumerate(zip(fwhms, gains, strict=True)):
        rng = np.random.default_rng(1)
        y, x = np.mgrid[:300, :400]
        image, s = np.zeros((300, 400)), fwhm / (2 * np.sqrt(2**0.25 - 1))
        for cy, cx, flux in zip(
            rng.uniform(20, 280, 40), rng.uniform(20, 380, 40), rng.uniform(2e4, 2e5, 40), strict=True
        ):
            image += gain * flux * 3 / (np.pi * s * s) * (1 + ((x - cx) ** 2 + (y - cy) ** 2) / s**2) ** -4
        image += 1000 + np.random.default_rng(10 + n).normal(0, 10, image.shape)
        path = folder / f"{n}.fits"
        header = fits.Header([("LERBLO", 0.0), ("LERBHI", 65535.0)])
        fits.PrimaryHDU(image.astype(np.float32), header).writeto(path)
        paths.append(str(path))
    return paths


def test_a_night_is_measured_frame_by_frame_and_weighed(tmp_path: Path) -> None:
    g = Graph()
    lights = g.add("ReadSeries", paths=tuple(night(tmp_path, (3.0, 3.0, 4.5), (1.0, 0.6, 1.0))))
    measures = g.add("SubframeMeasures", image=lights)
    chosen = g.add("SubframeSelector", measures=measures.measures, approval="FWHM < 4").output().value()
    table = dict(zip(chosen["columns"], chosen["table"].T, strict=True))
    assert table["FWHM"] == pytest.approx([3.0, 3.0, 4.5], rel=0.02)
    assert table["Noise"] * 65535 == pytest.approx(10.0, rel=0.03)
    assert table["Median"] * 65535 == pytest.approx(1002, abs=3)
    assert (table["Eccentricity"] < 0.25).all()
    assert (table["Stars"] >= 36).all()
    # Both fluxes enter the signal weight, so it goes by the square of the transparency.
    assert table["PSFSignalWeight"][1] / table["PSFSignalWeight"][0] == pytest.approx(0.36, rel=0.03)
    assert table["PSFSNR"][1] / table["PSFSNR"][0] == pytest.approx(0.36, rel=0.03)
    assert chosen["approved"] == [True, True, False]
    assert chosen["weights"] == pytest.approx([1.0, 0.36, 0.0], rel=0.05)
    assert chosen["why"] == ["", "", "not approved"]


def test_widths_are_in_arc_seconds_where_the_scale_is_told(tmp_path: Path) -> None:
    (path,) = night(tmp_path, (3.0,), (1.0,))
    g = Graph()
    found = g.add("SubframeMeasures", image=g.add("ReadImage", path=path), subframe_scale=2.4).measures.value()
    assert found["FWHM"] == pytest.approx(7.2, rel=0.02)


def test_a_frame_without_stars_is_measured_and_weighs_nothing(tmp_path: Path) -> None:
    paths = night(tmp_path, (3.0,), (1.0,))
    empty = tmp_path / "empty.fits"
    fits.PrimaryHDU(np.full((300, 400), 1000, np.float32), fits.Header([("LERBLO", 0.0), ("LERBHI", 65535.0)])).writeto(
        empty
    )
    g = Graph()
    lights = g.add("ReadSeries", paths=(*paths, str(empty)))
    found = g.add("SubframeSelector", measures=g.add("SubframeMeasures", image=lights).measures).output().value()
    assert found["approved"] == [True, False]
    assert found["weights"] == [1.0, 0.0]
    assert found["why"][1].startswith("its weight is")


def select(rows: list[dict[str, float]], **params: str) -> dict[str, Any]:
    return SubframeSelector(**params).compute(Known(values={"measures": tuple(rows)}))


ROWS = [{"FWHM": f, "SNR": s} for f, s in ((2.0, 10.0), (3.0, 20.0), (4.0, 30.0), (9.0, 40.0))]


def test_the_statistics_in_a_weighting_are_those_of_approved_frames() -> None:
    found = select(ROWS, approval="FWHM < 8", weighting="1 + (FWHMMax - FWHM)/(FWHMMax - FWHMMin)")
    assert found["weights"] == pytest.approx([1.0, 0.75, 0.5, 0.0])
    assert select(ROWS, approval="FWHM <= FWHMMedian", weighting="")["approved"] == [True, True, False, False]


def test_sigma_counts_average_deviations_from_the_median() -> None:
    x = np.array([2.0, 3.0, 4.0, 9.0])
    sigma = (x - 3.5) / np.abs(x - 3.5).mean()
    found = select(ROWS, weighting="10 + FWHMSigma")
    assert found["weights"] == pytest.approx((10 + sigma) / (10 + sigma).max())


def test_the_formula_in_circulation_is_understood() -> None:
    formula = "15*(1-(FWHM-FWHMMin)/(FWHMMax-FWHMMin)) + 20*(SNRWeight-SNRWeightMin)/(SNRWeightMax-SNRWeightMin) + 50"
    expected = np.array(
        [15 * (1 - (f - 2) / 7) + 20 * (s - 10) / 30 + 50 for f, s in ((2, 10), (3, 20), (4, 30), (9, 40))]
    )
    assert select(ROWS, weighting=formula)["weights"] == pytest.approx(expected / expected.max())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2*3^2", 19.0), ("-2^2", -4.0), ("2^-1", 0.5), ("2^3^2", 512.0), ("7-4-2", 1.0), ("8/4/2", 1.0),
        ("1 < 2 && 3 >= 3", 1.0), ("1 > 2 or not 0", 1.0), ("!(1 == 1)", 0.0), ("1 != 2", 1.0),
        ("min(3, 2) + max(1, abs(-4))", 6.0), ("iif(2 > 1, 5, 6)", 5.0), ("sqrt(16) + ln(exp(2)) + log(100)", 8.0),
        (".5e1", 5.0), ("x*2", 6.0),
    ],
)  # fmt: skip
def test_formulas_mean_what_they_say(text: str, value: float) -> None:
    assert evaluate(parse(text, "test"), {"x": 3.0}) == pytest.approx(value)


@pytest.mark.parametrize("text", ["1/0", "sqrt(-1)", "ln(0)", "10^999", "exp(1000)", "(-8)^0.5"])
def test_what_has_no_value_is_nan(text: str) -> None:
    assert math.isnan(evaluate(parse(text, "test"), {}))


@pytest.mark.parametrize(
    "text",
    ["", "1 +", "(1", "1 2", "a.b", "__import__('os')", "x[0]", "lambda: 1", "f(1)", "min(1)", "1 ** 2", "'a'", "x = 1",
     "((" * 100, "-" * 100 + "1", "1+" * 2000 + "1", "é"],
)  # fmt: skip
def test_what_is_no_formula_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ParameterError, match="test: "):
        parse(text, "test")


def test_unknown_figures_are_named_with_their_neighbours() -> None:
    with pytest.raises(ParameterError, match=r"no figure 'FWMH'.*FWHM"):
        select(ROWS, approval="FWMH < 3")


def test_a_formula_that_cannot_be_read_is_refused_when_the_node_is_made() -> None:
    with pytest.raises(ParameterError, match=r"SubframeSelector: approval.*at the end"):
        SubframeSelector(approval="FWHM <")


def slow_survivors(x: Any) -> Any:
    """Return what robust Chauvenet rejection keeps, all figures made anew for every sample that goes."""
    x = np.sort(x)
    for robust in (True, False):
        while x.size > 2:
            centre = np.median(x) if robust else x.mean()
            width = np.sort(np.abs(x - centre))[min(x.size - 1, int(0.683 * x.size))] if robust else x.std(ddof=1)
            low, high = centre - x[0], x[-1] - centre
            if not width > 0 or x.size * math.erfc(max(low, high) / (width * math.sqrt(2))) >= 0.5:
                break
            x = x[1:] if low > high else x[:-1]
    return x


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 10, 51, 400])
def test_chauvenet_keeps_what_the_slow_version_keeps(size: int) -> None:
    rng = np.random.default_rng(size)
    clean = rng.normal(3, 0.1, size)
    strays = np.concatenate([clean, rng.uniform(-40, 900, size // 5)])
    for x in (clean, strays, np.round(10 * strays), 1e3 + 1e-9 * strays):
        assert np.array_equal(survivors(x), slow_survivors(x))


def test_chauvenet_keeps_normal_samples_and_rejects_strays() -> None:
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(3, 0.1, 300), rng.uniform(4, 20, 60)])
    kept = survivors(x)
    assert kept.max() < 3.6
    assert kept.size >= 290
    mean, deviation = mean_and_deviation(x)
    assert mean == pytest.approx(3.0, abs=0.02)
    assert deviation == pytest.approx(0.08, rel=0.15)
    assert survivors(np.array([5.0, 5.0, 5.0])).size == 3
    assert math.isnan(mean_and_deviation(np.array([]))[0])
