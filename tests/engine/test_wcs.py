"""The sky above a physical pixel stays where it was, whatever happens to the grid; astropy.wcs is the judge."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lerarlink.engine import wcs
from lerarlink.engine.frame import Card, Frame

TAN = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 201.37, "CRVAL2": -43.02,
    "CRPIX1": 150.25, "CRPIX2": 97.75,
}  # fmt: skip
CD = {"CD1_1": -3.1e-4, "CD1_2": 1.2e-4, "CD2_1": 1.25e-4, "CD2_2": 3.05e-4}
SIP = {
    "A_ORDER": 3, "A_2_0": 2.2e-6, "A_1_1": -1.3e-6, "A_0_2": 4.1e-7, "A_3_0": 3e-9, "A_1_2": -2e-9, "A_0_1": 1e-5,
    "B_ORDER": 2, "B_2_0": -1.7e-6, "B_1_1": 9e-7, "B_0_2": 3.3e-6,
    "AP_ORDER": 2, "AP_1_0": 3e-6, "AP_2_0": -2.2e-6, "AP_1_1": 1.3e-6, "BP_ORDER": 2, "BP_0_2": -3.3e-6,
    "A_DMAX": 12.0,
}  # fmt: skip
HEADERS: dict[str, dict[str, str | int | float]] = {
    "cd": {**TAN, **CD},
    "pc": {**TAN, "CDELT1": -3e-4, "CDELT2": 3.1e-4, "PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8},
    "pc with gaps": {**TAN, "CDELT1": -3e-4, "CDELT2": 3.1e-4, "PC1_2": -0.1},
    "cdelt": {**TAN, "CDELT1": -3e-4, "CDELT2": 3.1e-4},
    "crota": {**TAN, "CDELT1": -3e-4, "CDELT2": 3.1e-4, "CROTA2": 33.0},
    "declination first": {**TAN, "CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 12.0, "CRVAL2": 80.0, **CD},
    "sip": {**TAN, **CD, **SIP, "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"},
    "tpv": {
        **TAN, **CD, "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV",
        "PV1_0": 1e-5, "PV1_1": 1.0002, "PV1_4": 3e-3, "PV2_1": 0.9997, "PV2_5": -2e-3,
    },
}  # fmt: skip
WIDTH, HEIGHT = 300, 200
QUARTER = wcs.transposing().then(wcs.mirrored_columns(HEIGHT))
MOVES = {
    "shift": wcs.shifting(-17, 4),
    "half the size": wcs.scaling(0.5, 0.5),
    "enlarged": wcs.scaling(3.0, 3.0),
    "squeezed": wcs.scaling(0.5, 0.75),
    "columns mirrored": wcs.mirrored_columns(WIDTH),
    "rows mirrored": wcs.mirrored_rows(HEIGHT),
    "transposed": wcs.transposing(),
    "quarter turn": QUARTER,
    "half turn": wcs.mirrored_columns(WIDTH).then(wcs.mirrored_rows(HEIGHT)),
    "sheared": wcs.Affine(1.1, 0.2, -0.3, 0.9, 5.0, -7.0),
}


def solution(words: Mapping[str, object]) -> WCS:
    header = fits.Header()
    for k, v in words.items():
        header[k] = v
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = WCS(header, naxis=2)
        found.wcs.set()
    return found


def cards_of(words: Mapping[str, object]) -> tuple[Card, ...]:
    return tuple((k, v, "") for k, v in words.items())  # type: ignore[misc]


def assert_same_sky(before: tuple[Card, ...], move: wcs.Affine, within: float = 1e-9) -> dict[str, object]:
    after, reason = wcs.moved(before, move)
    assert reason == "" and after
    words = {k: v for k, v, _ in after}
    x, y = np.meshgrid(np.linspace(1, WIDTH, 7), np.linspace(1, HEIGHT, 5))
    there = move.xx * x + move.xy * y + move.tx, move.yx * x + move.yy * y + move.ty
    old = solution({k: v for k, v, _ in before})
    new = solution(words)
    a, d = old.all_pix2world(x, y, 1)
    a2, d2 = new.all_pix2world(*there, 1)
    assert np.abs((a2 - a) * np.cos(np.radians(d))).max() < within
    assert np.abs(d2 - d).max() < within
    if old.sip is not None and old.sip.ap is not None:  # the inverse polynomial moved as well
        px, py = old.sip_foc2pix(x, y, 1)
        qx, qy = new.sip_foc2pix(*_focal(old, new, move, x, y), 1)
        assert np.abs(move.xx * px + move.xy * py + move.tx - qx).max() < 1e-7
        assert np.abs(move.yx * px + move.yy * py + move.ty - qy).max() < 1e-7
    return words


def _focal(old: WCS, new: WCS, m: wcs.Affine, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sip_foc2pix takes focal coordinates relative to CRPIX; relative ones move by the matrix alone."""
    return m.xx * x + m.xy * y, m.yx * x + m.yy * y


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("header", HEADERS)
def test_a_pixel_keeps_its_place_in_the_sky(header: str, move: str) -> None:
    assert_same_sky(cards_of(HEADERS[header]), MOVES[move])


def test_forms_are_kept_where_they_can_say_the_result() -> None:
    scaled = assert_same_sky(cards_of(HEADERS["pc"]), MOVES["half the size"])
    assert scaled["CDELT1"] == -6e-4 and scaled["PC1_1"] == 0.8
    assert assert_same_sky(cards_of(HEADERS["crota"]), MOVES["enlarged"])["CROTA2"] == 33.0
    assert "CD1_1" not in assert_same_sky(cards_of(HEADERS["cdelt"]), MOVES["squeezed"])
    turned = assert_same_sky(cards_of(HEADERS["crota"]), MOVES["quarter turn"])
    assert "CROTA2" not in turned and "CDELT1" not in turned


def test_the_centre_of_the_first_pixel_is_at_one() -> None:
    words = {k: v for k, v, _ in wcs.scale(cards_of({**TAN, **CD, "CRPIX1": 1.0, "CRPIX2": 0.5}), 0.5, 0.5)}
    assert words["CRPIX1"] == 0.75  # its centre lies a quarter of a new pixel before the new centre
    assert words["CRPIX2"] == 0.5  # the outer edge stays the outer edge


def test_the_identity_changes_no_card() -> None:
    cards = cards_of(HEADERS["sip"])
    assert wcs.moved(cards, wcs.shifting(0, 0)) == (cards, "")
    assert wcs.moved((), QUARTER) == ((), "")


def test_four_quarter_turns_are_the_identity() -> None:
    cards = cards_of(HEADERS["sip"])
    width, height = WIDTH, HEIGHT
    for _ in range(4):
        cards, _reason = wcs.moved(cards, wcs.transposing().then(wcs.mirrored_columns(height)))
        width, height = height, width
    words = {k: v for k, v, _ in cards}
    for k, v in HEADERS["sip"].items():
        if k not in ("A_DMAX", "B_ORDER"):  # both orders become the larger one when the axes are exchanged
            assert words[k] == pytest.approx(v, rel=1e-12) if isinstance(v, float) else words[k] == v


def test_further_axes_and_alternate_solutions_move_along() -> None:
    words = {
        **HEADERS["cd"], "WCSAXES": 3, "CTYPE3": "FREQ", "CD3_3": 2.0, "CRPIX3": 4.0, "CD3_1": 0.5,
        "CRPIX1B": 10.0, "CRPIX2B": 20.0, "CDELT1B": 2.0, "CDELT2B": 4.0,
    }  # fmt: skip
    out = {k: v for k, v, _ in wcs.moved(cards_of(words), wcs.transposing())[0]}
    assert (out["CD3_3"], out["CRPIX3"], out["CD3_1"], out["CD3_2"]) == (2.0, 4.0, 0.0, 0.5)
    assert (out["CRPIX1B"], out["CRPIX2B"]) == (20.0, 10.0)
    assert (out["CD1_2B"], out["CD2_1B"]) == (2.0, 4.0)


@pytest.mark.parametrize(
    "extra",
    [{"CPDIS1": "LOOKUP"}, {"D2IMDIS1": "LOOKUP"}, {"CD001001": 1.0}, {"CRPIX1": "north"}],
)
def test_a_solution_that_cannot_be_carried_is_dropped_and_the_frame_says_why(extra: dict[str, object]) -> None:
    frame = Frame(width=WIDTH, height=HEIGHT, wcs=cards_of({**HEADERS["cd"], **extra}))
    out = wcs.carry(frame, wcs.shifting(1, 0))
    assert out.wcs == ()
    rule = dict(out.words)["wcs"].rule
    assert next(iter(extra)) in rule and rule.startswith("dropped")


REAL = [
    ("m17-2mass-tiles/aK_asky_990502s1420198.fits.gz", 0),
    ("platesolve/panoptes_solved.fits.fz", 1),
    ("ccdproc-workshop-kelt16/kelt-16-b-S001-R001-C084-r.fit.gz", 0),
    ("xdf-f105w-f160w/xdf_hst_wfc3ir_60mas_f105w_sci.fits", 0),
    ("sdss-ngc6976-gri/reprojected_sdss_r.fits.bz2", 0),
]
WORDS = ("CTYPE", "CRPIX", "CRVAL", "CDELT", "CROTA", "CD", "PC", "LONPOLE", "LATPOLE", "RADESYS", "EQUINOX", "PV",
         "A_", "B_", "AP_", "BP_", "CUNIT")  # fmt: skip


@pytest.mark.parametrize(("path", "hdu"), REAL)
def test_real_solutions_keep_their_sky(real_data: Callable[[str], Path], path: str, hdu: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = fits.getheader(real_data(path), hdu)
    # The solution's own words: the rest of a real header is not for astropy to complain about.
    words = {k: header[k] for k in header if k.startswith(WORDS) and k != "PCOUNT" and not k.startswith("PCALIB")}
    for move in MOVES.values():
        assert_same_sky(cards_of(words), move)


def test_seestar_truth_is_carried(real_data: Callable[[str], Path]) -> None:
    truth = json.loads(real_data("seestar-m94/truth-astrometry.json").read_text())
    assert len(truth["frames"]) >= 8
    for frame in truth["frames"]:
        cd = frame["cd_matrix_deg_per_px"]
        words = {
            **TAN, "CRVAL1": frame["center_ra_deg"], "CRVAL2": frame["center_dec_deg"],
            "CRPIX1": 540.5, "CRPIX2": 960.5,
            "CD1_1": cd[0][0], "CD1_2": cd[0][1], "CD2_1": cd[1][0], "CD2_2": cd[1][1],
        }  # fmt: skip
        for move in MOVES.values():
            assert_same_sky(cards_of(words), move)
