"""FitPsf against functions whose parameters are known, and against scipy's least squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import least_squares

from lerarlink.engine.api import Frame, Known
from lerarlink.engine.region import measure_tile_rows, strips
from lerarlink.nodes.registration._moments import COLUMNS as STAR_COLUMNS
from lerarlink.nodes.registration.fit_psf import FitPsf

Floats = npt.NDArray[np.float64]


def star(shape: tuple[int, int], p: dict[str, float]) -> Floats:
    """Return a function sampled at the middle of pixels: Gaussian where beta is infinite, Moffat otherwise."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    t = np.radians(p["theta"])
    u = (x - p["x"]) * np.cos(t) + (y - p["y"]) * np.sin(t)
    v = -(x - p["x"]) * np.sin(t) + (y - p["y"]) * np.cos(t)
    q = (u / p["fwhm_x"]) ** 2 + (v / p["fwhm_y"]) ** 2
    if np.isinf(p["beta"]):
        return np.asarray(p["amplitude"] * np.exp(-4 * np.log(2) * q))
    return np.asarray(p["amplitude"] * (1 + 4 * (2 ** (1 / p["beta"]) - 1) * q) ** -p["beta"])


def listed(stars: list[dict[str, float]], **changes: float) -> dict[str, Any]:
    """Return the star list that a detection might have given: places and widths somewhat off."""
    table = np.zeros((len(stars), len(STAR_COLUMNS)))
    for row, p in zip(table, stars, strict=True):
        told = {"x": p["x"] + 0.2, "y": p["y"] - 0.2, "fwhm": 1.15 * p["fwhm_x"], "snr": 200.0, **changes}
        for name, value in told.items():
            row[STAR_COLUMNS.index(name)] = value
    return {"columns": list(STAR_COLUMNS), "table": table}


def fit(image: Floats, stars: dict[str, Any], **params: Any) -> dict[str, Any]:
    tile = np.asarray(image, np.float32)[None]
    process = FitPsf(**params)
    frame = Frame(width=tile.shape[2], height=tile.shape[1], bounds=(0.0, 65535.0))
    partial: Any = None
    for box in strips(frame.box, measure_tile_rows(frame.width)):
        known = Known(frames={"image": frame}, values={"stars": stars}, box=box, port="")
        b = process.needs(box, "image", known)
        part = process.measure(known, tile[:, b.y0 : b.y1])
        partial = part if partial is None else process.merge(partial, part)
    found = process.finish(partial, known)
    return found


ONE = {"x": 30.3, "y": 25.7, "amplitude": 5000.0, "fwhm_x": 4.2, "fwhm_y": 3.1, "theta": 25.0, "beta": 4.0}


@pytest.mark.parametrize(
    ("function", "beta"),
    [
        ("gaussian", np.inf),
        ("moffat4", 4.0),
        ("moffat25", 2.5),
        ("moffat10", 10.0),
        ("lorentzian", 1.0),
        ("moffat", 3.3),
    ],
)
def test_the_parameters_of_a_clean_star_come_back(function: str, beta: float) -> None:
    p = {**ONE, "beta": beta}
    found = fit(500 + star((56, 60), p), listed([p]), function=function)
    row = dict(zip(found["columns"], found["table"][0], strict=True))
    assert row["status"] == 0
    for name in ("x", "y"):
        assert row[name] == pytest.approx(p[name], abs=1e-3)
    for name in ("fwhm_x", "fwhm_y", "amplitude", "beta"):
        assert row[name] == pytest.approx(p[name], rel=2e-3)
    assert row["theta"] == pytest.approx(25.0, abs=0.1)
    assert row["background"] == pytest.approx(500.0, abs=2.0)
    assert row["eccentricity"] == pytest.approx(np.sqrt(1 - (3.1 / 4.2) ** 2), abs=2e-3)
    assert row["residual"] < 1.0


def test_full_widths_at_a_tenth_are_the_published_multiples() -> None:
    for function, beta, factor in (("gaussian", np.inf, 4.29193 / 2.35482), ("moffat4", 4.0, 1.76440 / 0.86996)):
        p = {**ONE, "beta": beta}
        found = fit(500 + star((56, 60), p), listed([p]), function=function)
        row = dict(zip(found["columns"], found["table"][0], strict=True))
        assert row["fwtm_x"] / row["fwhm_x"] == pytest.approx(factor, rel=1e-4)


def test_flux_is_what_lies_in_the_ellipse_at_a_tenth() -> None:
    p = {**ONE, "beta": np.inf, "fwhm_x": 6.0, "fwhm_y": 5.0}
    found = fit(500 + star((70, 70), p), listed([p]), function="gaussian")
    row = dict(zip(found["columns"], found["table"][0], strict=True))
    # Of a Gaussian nine tenths lie within the ellipse on which it has fallen to one tenth.
    total = 5000 * np.pi * 6.0 * 5.0 / (4 * np.log(2))
    assert row["flux"] == pytest.approx(0.9 * total, rel=0.02)
    assert row["mean_flux"] == pytest.approx(row["flux"] / (np.pi / 4 * row["fwtm_x"] * row["fwtm_y"]), rel=1e-4)


def test_a_noisy_fit_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    image = (500 + star((41, 41), {**ONE, "x": 20.3, "y": 20.4}) + rng.normal(0, 20, (41, 41))).astype(np.float32)
    p = {**ONE, "x": 20.3, "y": 20.4}
    found = fit(image, listed([p], fwhm=4.4), function="moffat4")
    row = dict(zip(found["columns"], found["table"][0], strict=True))
    # The same square: 3.5 times the width told, about the pixel nearest to the place told.
    cut = slice(20 - 16, 20 + 17)

    def residuals(v: Floats) -> Floats:
        names = ("amplitude", "x", "y", "fwhm_x", "fwhm_y", "theta")
        model = v[0] + star((41, 41), {**dict(zip(names, v[1:], strict=True)), "beta": 4.0})
        return np.asarray((image - model)[cut, cut].ravel())

    best = least_squares(residuals, [500, 5000, 20.3, 20.4, 4.2, 3.1, 25.0], x_scale="jac").x
    names = ("background", "amplitude", "x", "y", "fwhm_x", "fwhm_y", "theta")
    assert [row[n] for n in names] == pytest.approx(list(best), rel=1e-4)


def test_auto_takes_the_function_that_fits_best() -> None:
    for beta in (2.5, 4.0, 6.0, 10.0):
        p = {**ONE, "beta": beta}
        assert fit(500 + star((56, 60), p), listed([p]), function="auto")["beta"] == beta


def test_round_stars_have_no_eccentricity_and_round_functions_none_at_all() -> None:
    p = {**ONE, "fwhm_y": 4.2}
    assert fit(500 + star((56, 60), p), listed([p]))["eccentricity"] < 0.02
    q = fit(500 + star((56, 60), ONE), listed([ONE]), circular=True)
    assert q["eccentricity"] == 0.0
    assert 3.1 < q["fwhm"] < 4.2


def test_a_neighbours_light_is_kept_out() -> None:
    p, q = {**ONE, "theta": 0.0, "fwhm_x": 3.0, "fwhm_y": 3.0}, {**ONE, "x": 42.0, "amplitude": 8000.0}
    image = 500 + star((56, 80), p) + star((56, 80), q)
    both, alone = fit(image, listed([p, q])), fit(image, listed([p]))
    wrong = [abs(f["table"][0][f["columns"].index("background")] - 500) for f in (both, alone)]
    assert wrong[0] < 0.5 * wrong[1]
    assert both["table"][0][both["columns"].index("fwhm")] == pytest.approx(3.0, rel=0.03)


@pytest.mark.parametrize("flag", [1, 2, 8, 16])
def test_saturated_cut_off_and_shapeless_stars_are_not_fitted(flag: int) -> None:
    image = 500 + star((56, 60), ONE)
    assert len(fit(image, listed([ONE], flags=flag))["table"]) == 0
    assert len(fit(image, listed([ONE], flags=4))["table"]) == 1


def test_faint_stars_and_those_beyond_the_count_are_left_out() -> None:
    stars = [{**ONE, "x": 30.0 + 40 * i} for i in range(3)]
    image = 500 + sum(star((56, 150), p) for p in stars)
    assert list(fit(image, listed(stars), max_psf_fits=2)["table"][:, 0]) == [0, 1]
    assert fit(image, listed(stars, snr=5.0))["count"] == 0


def test_where_there_is_no_star_there_is_no_fit() -> None:
    found = fit(np.full((56, 60), 500.0), listed([ONE]))
    assert found["count"] == 0
    assert np.isnan(found["fwhm"])


def test_stars_on_the_border_of_tiles_are_fitted_once_and_alike() -> None:
    border = measure_tile_rows(2600)
    stars = [{**ONE, "x": 30.0 + 30 * i, "y": border + 0.25 * i - 2} for i in range(17)]
    # Rows far above the border hold nothing but sky.
    near = border - 60
    image = np.full((border + 60, 2600), 500.0)
    image[near:] += sum(star((120, 2600), {**p, "y": p["y"] - near}) for p in stars)
    found = fit(image, listed(stars))
    assert list(found["table"][:, 0]) == list(range(17))
    y = found["table"][:, found["columns"].index("y")]
    assert y == pytest.approx([p["y"] for p in stars], abs=2e-3)
