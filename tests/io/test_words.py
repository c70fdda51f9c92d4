"""Normalised header words: the variants that real programs write, each with the rule that fired."""

from __future__ import annotations

import pytest

from lerarlink.engine.frame import Card, Scalar, Word
from lerarlink.nodes.io._mosaic import flipped, shifted
from lerarlink.nodes.io._spellings import angle, frame_type, instant
from lerarlink.nodes.io._words import normalise


def words(*cards: tuple[str, Scalar] | Card, name: str = "") -> dict[str, Word]:
    return dict(normalise([(c[0], c[1], c[2] if len(c) > 2 else "") for c in cards], name))


def value(word: str, *cards: tuple[str, Scalar] | Card, name: str = "") -> Scalar:
    found = words(*cards, name=name).get(word)
    return found.value if found else None


@pytest.mark.parametrize(
    ("spelled", "kind"),
    [
        ("LIGHT", "light"), ("Light", "light"), ("Light Frame", "light"), ("Dark Frame", "dark"),
        ("DARKFLAT", "darkflat"), ("FLAT DARK", "darkflat"), ("DARK FLAT", "darkflat"), ("Flat Field", "flat"),
        ("Bias Frame", "bias"), ("Master Light", "master-light"), ("MasterLight", "master-light"),
        ("Master Light Frame", "master-light"), ("Master Dark", "master-dark"), ("masterFlat", "master-flat"),
        ("Master Bias", "master-bias"), ("Tricolor Image", "light"), ("object", "light"), ("zero", "bias"),
        ("SKY FLAT", "flat"), ("", None), ("spectrum", None),
    ],
)  # fmt: skip
def test_frame_types_have_one_name_each(spelled: str, kind: str | None) -> None:
    assert frame_type(spelled) == kind


@pytest.mark.parametrize("keyword", ["IMAGETYP", "FRAMETYP", "FRAME", "OBSTYPE"])
def test_the_frame_type_stands_in_any_of_its_words(keyword: str) -> None:
    assert words((keyword, "Dark Frame"))["type"] == Word("dark", f"from {keyword}")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Light_M51_300.0s_Bin1_0001.fit", "light"), ("MasterFlat_Stack20_60.0ms.fit", "master-flat"),
        ("Dark_300s.fits", "dark"), ("2024-flats/0001.fits", "flat"), ("night/DarkFlats/a.fits", "darkflat"),
        ("M31_moonlight.fits", None), ("flatiron/starlight/x.fits", None), ("C:\\astro\\bias\\1.fits", "bias"),
        ("flat-dark-001.fits", "darkflat"), ("masterDark_BIN-1.xisf", "master-dark"),
    ],
)  # fmt: skip
def test_without_a_header_word_the_name_tells_the_type(name: str, kind: str | None) -> None:
    assert value("type", name=name) == kind


def test_a_flat_tagged_as_light_keeps_its_tag_and_says_so() -> None:
    word = words(("IMAGETYP", "Light"), name="flat_001.fits")["type"]
    assert word == Word("light", "from IMAGETYP; the file name says flat")


def test_an_app_integration_is_a_master() -> None:
    assert value("type", ("CALFRAME", "light"), ("INTEGRAT", "Integration")) == "master-light"


@pytest.mark.parametrize(
    ("card", "seconds", "rule"),
    [
        (("EXPTIME", 120.0), 120.0, "from EXPTIME"),
        (("EXPTIME", "120.00"), 120.0, "from EXPTIME"),
        (("EXPOSURE", 3), 3.0, "from EXPOSURE"),
        (("EXP", 10.0), 10.0, "from EXP"),
        (("EXPOSURE", 500.0, "exposure in ms"), 0.5, "from EXPOSURE, milliseconds by its comment"),
        (("EXPTIME", -60.0), 60.0, "from EXPTIME, negative: a dark"),
    ],
)
def test_exposures_are_seconds(card: Card, seconds: float, rule: str) -> None:
    assert words(card)["exposure"] == Word(seconds, rule)


def test_a_negative_exposure_makes_a_dark_only_where_no_word_says_otherwise() -> None:
    assert value("type", ("EXPTIME", -60.0)) == "dark"
    assert value("type", ("EXPTIME", -60.0), ("IMAGETYP", "Bias")) == "bias"


def test_start_and_end_in_days_give_an_exposure() -> None:
    assert value("exposure", ("EXPSTART", 2459000.5), ("EXPEND", 2459000.5 + 300 / 86400)) == 300.0


@pytest.mark.parametrize(
    ("word", "card", "expected"),
    [
        ("filter", ("FILTER", " Ha 7nm "), "Ha 7nm"),
        ("filter", ("FILT-1", "L"), "L"),
        ("filter", ("FILTNAME", "H-alpha"), "H-alpha"),
        ("filter", ("FWHEEL", "ZWO EFW"), None),
        ("filter", ("FILTER", "  "), None),
        ("temperature", ("CCD-TEMP", "-48"), -48.0),
        ("temperature", ("TEMPERAT", -10), -10.0),
        ("temperature", ("CCD-TEMP", 0.0), 0.0),
        ("temperature", ("CCD-TEMP", -999.0), None),
        ("set_temperature", ("SET-TEMP", -35.0), -35.0),
        ("offset", ("OFFSET", 30), 30.0),
        ("offset", ("BLKLEVEL", 0), 0.0),
        ("iso", ("ISOSPEED", "800"), 800),
        ("focal_length", ("FOCALLEN", 626.855), 626.855),
        ("focal_length", ("FOCALLEN", 0), None),
        ("focal_length", ("FLENGTH", 0.5), 500.0),
        ("focal_length", ("FLENGTH", 500.0), 500.0),
        ("camera", ("INSTRUME", "QHY268M"), "QHY268M"),
        ("telescope", ("TELESCOP", "EQMOD ASCOM HEQ5/6"), "EQMOD ASCOM HEQ5/6"),
        ("read_mode", ("READOUTM", "High Gain"), "High Gain"),
        ("focuser", ("FOCUSPOS", 1555), 1555.0),
        ("focuser_temperature", ("FOCTEMP", 16.1), 16.1),
        ("program", ("SWCREATE", "N.I.N.A. 3.0"), "N.I.N.A. 3.0"),
        ("program", ("PROGRAM", "4.27"), None),
        ("combined", ("STACKCNT", 12), 12),
        ("object", ("OBJECT", "M 94"), "M 94"),
        ("object", ("OBJECT", "None"), None),
        ("site_latitude", ("SITELAT", "51 3 0.000"), 51.05),
        ("site_longitude", ("SITELONG", "-110:52:48"), -110.88),
        ("site_longitude", ("SITELONG", "110 52 48 W"), -110.88),
    ],
)
def test_words_that_are_only_called_differently(word: str, card: tuple[str, Scalar], expected: Scalar) -> None:
    got = value(word, card)
    assert got == (pytest.approx(expected) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(
    ("cards", "gain", "egain"),
    [
        ([("GAIN", 100)], 100.0, None),
        ([("GAIN", "120.0")], 120.0, None),
        ([("GAIN", 1.4)], None, 1.4),
        ([("GAIN", 0)], 0.0, None),
        ([("GAIN", 1.4), ("SWCREATE", "N.I.N.A. 2.1")], 1.4, None),
        ([("GAIN", 5.0), ("EGAIN", 0.8)], 5.0, 0.8),
        ([("CVF", 0.25)], None, 0.25),
        ([("EGAIN", 0.0)], None, None),
        ([("GAIN", -1)], None, None),
    ],
)
def test_the_cameras_setting_and_electrons_per_adu_are_told_apart(
    cards: list[tuple[str, Scalar]], gain: float | None, egain: float | None
) -> None:
    assert (value("gain", *cards), value("egain", *cards)) == (gain, egain)


def test_a_guessed_gain_says_what_was_assumed() -> None:
    assert "taken as e-/ADU" in words(("GAIN", 2.3))["egain"].rule


@pytest.mark.parametrize(
    ("card", "factor"),
    [
        (("XBINNING", 2), 2), (("CCDXBIN", "2"), 2), (("BINX", 3), 3), (("HBIN", 4), 4), (("XBINNING", 0), 1),
        (("BINNING", "2x2"), 2), (("NOTHING", 1), 1),
    ],
)  # fmt: skip
def test_binning_is_at_least_one(card: tuple[str, Scalar], factor: int) -> None:
    assert value("binning_x", card) == factor


def test_pixel_sizes_include_binning() -> None:
    assert value("pixel_size", ("XPIXSZ", 7.52), ("XBINNING", 2)) == 7.52
    own = words(("PIXSIZE1", 3.76), ("XBINNING", 2))["pixel_size"]
    assert own == Word(7.52, "from PIXSIZE1, times binning 2")
    assert value("pixel_size", ("XPIXSZ", 0)) is None


@pytest.mark.parametrize(
    ("spelled", "clock", "expected"),
    [
        ("2019-04-29T20:25:29.8219583", None, "2019-04-29T20:25:29.821958"),
        ("2019-04-29T20:25:29", None, "2019-04-29T20:25:29"),
        ("2019-04-29T20:25:29Z", None, "2019-04-29T20:25:29"),
        ("2017-12-19T18:33:43.317-0700", None, "2017-12-20T01:33:43.317000"),
        ("03/12/96", None, "1996-12-03"),
        ("03/12/96", "05:06:07.5", "1996-12-03T05:06:07.500000"),
        ("2020-02-30", None, None),
        ("2020-01-01T25:00:00", None, None),
        ("2016-12-31T23:59:60", None, "2017-01-01T00:00:00"),
        ("soon", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_times_are_iso_in_utc(spelled: str | None, clock: str | None, expected: str | None) -> None:
    assert instant(spelled, clock) == expected


def test_the_start_is_taken_from_julian_dates_where_no_date_is_given() -> None:
    assert value("start_time", ("MJD-OBS", 58849.5)) == "2020-01-01T12:00:00.000"
    assert value("start_time", ("EXPSTART", 2458850.0)) == "2020-01-01T12:00:00.000"
    assert value("start_time", ("DATE-OBS", "2019-01-01T00:00:00"), ("MJD-OBS", 58849.5)) == "2019-01-01T00:00:00"


def test_seestars_date_is_marked_as_the_files_making() -> None:
    rule = words(("DATE-OBS", "2025-03-27T01:20:32.955368", "Image created time"))["start_time"].rule
    assert "time the image was made" in rule


@pytest.mark.parametrize(
    ("spelled", "degrees"),
    [("12 30 00", 12.5), ("-00:30:00", -0.5), ("+39 08 40.901", 39.144694722), ("12h30m00s", 12.5), ("5 30", 5.5)],
)
def test_sexagesimal_text_is_read(spelled: str, degrees: float) -> None:
    found = angle(spelled)
    assert found is not None
    assert found == (pytest.approx(degrees), True)


@pytest.mark.parametrize(
    ("cards", "ra", "dec"),
    [
        ([("RA", 193.04), ("DEC", 40.97)], 193.04, 40.97),
        ([("RA", 12.0), ("DEC", 41.0), ("INSTRUME", "DWARFII")], 180.0, 41.0),
        ([("RA", "12 00 00"), ("DEC", "-41 30 00")], 180.0, -41.5),
        ([("OBJCTRA", "02 38 48"), ("OBJCTDEC", "+39 00 00")], 39.7, 39.0),
        ([("RA", 0.0), ("DEC", 0.0), ("OBJCTRA", "06 00 00"), ("OBJCTDEC", "10 00 00")], 90.0, 10.0),
        ([("OBJCTRA", "00 00 00"), ("OBJCTDEC", "00 00 00")], None, None),
        ([("RA", 400.0), ("DEC", 10.0)], None, None),
        ([("RA", "hh:mm:ss"), ("DEC", 10.0)], None, None),
    ],
)
def test_positions_are_degrees(cards: list[tuple[str, Scalar]], ra: float | None, dec: float | None) -> None:
    got = value("ra", *cards), value("dec", *cards)
    assert got == ((None, None) if ra is None else (pytest.approx(ra), pytest.approx(dec)))


@pytest.mark.parametrize(
    ("cards", "order", "rule"),
    [
        ([("ROWORDER", "TOP-DOWN")], "top-down", "from ROWORDER"),
        ([("ROWORDER", "BOTTOM-UP")], "bottom-up", "from ROWORDER"),
        ([("SWCREATE", "SharpCap v3.2")], "top-down", "no ROWORDER: as SharpCap v3.2 stores rows"),
        ([("INSTRUME", "ZWO ASI294MC Pro")], "top-down", "no ROWORDER: as ZWO ASI294MC Pro stores rows"),
        ([("BAYERPAT", "RGGB")], "top-down", "no ROWORDER: colour cameras deliver the top row first"),
        (
            [("INSTRUME", "Aperture 7"), ("CREATOR", "Indiana")],
            "bottom-up",
            "no ROWORDER: as the FITS standard recommends",
        ),
    ],
)
def test_the_row_order_is_said_or_known_from_the_program(
    cards: list[tuple[str, Scalar]], order: str, rule: str
) -> None:
    assert words(*cards)["row_order"] == Word(order, rule)


@pytest.mark.parametrize("spelled", ["NONE", "INVALID", "", "   ", "MONO", None])
def test_no_mosaic_is_no_word(spelled: str | None) -> None:
    assert "cfa" not in words(("BAYERPAT", spelled))


def test_the_mosaics_rule_tells_what_was_turned() -> None:
    word = words(("BAYERPAT", "GRBG    "), ("ROWORDER", "BOTTOM-UP"), ("NAXIS2", 1080), ("XBAYROFF", 1))["cfa"]
    assert word.value == "GBRG"  # GRBG moved by one column is RGGB; upside down, GBRG
    assert word.rule == "from BAYERPAT 'GRBG', moved by 1, 0, picture rows counted from the last of 1080 stored rows"


def test_an_x_trans_cell_turns_over_as_a_whole() -> None:
    cell = "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG"
    assert flipped(flipped(cell, 4), 4) == cell
    assert flipped(cell, 6)[:6] == cell[-6:]
    assert shifted(shifted(cell, 1, 2), 5, 4) == cell


def test_words_are_sorted_and_an_empty_header_tells_only_its_defaults() -> None:
    found = normalise([])
    assert [n for n, _ in found] == sorted(n for n, _ in found) == ["binning_x", "binning_y", "row_order"]


def test_the_first_of_two_equal_keywords_counts() -> None:
    assert value("object", ("OBJECT", "M 31"), ("OBJECT", "M 33")) == "M 31"
