"""Records of raw files: headers first, then names; and the names themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lerarlink.graphs.preprocess import names
from lerarlink.graphs.preprocess.records import FrameRecord

MakeRecord = Callable[..., FrameRecord]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("Light_M51_300.0s_Bin1_0001.fit", "light"), ("DARK/0001.fits", "dark"), ("flats/R/0001.fits", "flat"),
        ("night/dark_flats/1.fits", "darkflat"), ("FlatDark_1.fits", "darkflat"), ("bias/a.fits", "bias"),
        ("M31/0001.fits", "light"), ("darks/light_0001.fits", "light"), ("lights/flat/1.fits", "flat"),
        ("starlight/M31_moonlight.fits", "light"), ("C:\\astro\\bias\\1.fits", "bias"),
    ],
)  # fmt: skip
def test_without_a_header_the_nearest_word_of_the_path_tells_the_type(
    make_record: MakeRecord, path: str, kind: str
) -> None:
    assert make_record(path).kind == kind


def test_the_header_goes_before_the_path_and_the_contradiction_is_told(make_record: MakeRecord) -> None:
    record = make_record("flats/flat_R_001.fits", "IMAGETYP='Light'")
    assert record.kind == "light" and record.rules["type"].startswith("from IMAGETYP")
    assert record.doubts == ("its header says light, its path says flat ('flat_R_001.fits')",)


def test_dark_flats_tagged_as_darks_are_no_contradiction(make_record: MakeRecord) -> None:
    assert make_record("darkflats/1.fits", "IMAGETYP='Dark Frame'").doubts == ()


@pytest.mark.parametrize(
    ("path", "master"),
    [
        ("MasterFlat_Stack20_60.0ms.fit", True), ("combined_bias.fit.gz", True), ("superbias.xisf", True),
        ("Stacked_20_M94_10.0s.fit", True), ("dark_0001.fits", False), ("webmaster_0001.fits", False),
    ],
)  # fmt: skip
def test_masters_are_told_by_their_names(make_record: MakeRecord, path: str, master: bool) -> None:
    assert make_record(path).master is master


def test_masters_are_told_by_how_many_frames_are_in_them(make_record: MakeRecord) -> None:
    assert make_record("dark.fits", "IMAGETYP='DARK' NCOMBINE=20").master
    assert not make_record("dark.fits", "IMAGETYP='DARK' NCOMBINE=1").master


def test_words_of_the_name_stand_in_for_those_the_header_lacks(make_record: MakeRecord) -> None:
    record = make_record("Light_M51_300.0s_Bin2_gain101_offset20_-10.5C_Ha_0001.fit", "EXPTIME=120.0")
    assert (record.exposure, record.gain, record.offset, record.temperature) == (120.0, 101.0, 20.0, -10.5)
    assert (record.binning, record.filter) == ((2, 2), "Ha")
    assert record.rules["exposure"] == "from EXPTIME"
    assert record.rules["gain"] == "from 'gain101' in the path"


def test_the_words_of_the_file_go_before_those_of_its_folders(make_record: MakeRecord) -> None:
    record = make_record("R/300s/light_G_60s.fits")
    assert (record.filter, record.exposure) == ("G", 60.0)


def test_milliseconds_are_seconds(make_record: MakeRecord) -> None:
    assert make_record("Flat_60.0ms_Bin1.fit").exposure == 0.06


@pytest.mark.parametrize("name", ["light_0001.fits", "M13_0001.fits.fz", "target_1x1_0003.fits"])
def test_names_that_tell_nothing_tell_nothing(name: str) -> None:
    assert names.words_in(name) == {}


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("Lum", "L"), ("luminance", "L"), ("L", "L"), ("Red", "R"), ("b", "B"), ("H-alpha", "Ha"), ("H_Alpha", "Ha"),
        ("Ha 7nm", "Ha 7nm"), ("OIII_3nm", "OIII 3nm"), ("O3", "OIII"), ("S-II", "SII"), ("IRCUT", "IRCUT"),
        ("UV/IR Cut", "UV/IR Cut"), ("NoFilter", None), ("Sloan r'", "Sloan r'"), (None, None),
    ],
)  # fmt: skip
def test_filters_have_one_name_for_their_usual_spellings(spelled: str | None, name: str | None) -> None:
    assert names.filter_name(spelled, {}) == name


def test_the_users_names_of_filters_count_first(make_record: MakeRecord) -> None:
    assert make_record("a.fits", "FILTER='ha 7NM'", filters={"Ha 7nm": "Ha"}).filter == "Ha"


def test_the_set_temperature_counts_and_a_cooler_that_failed_is_told(make_record: MakeRecord) -> None:
    record = make_record("a.fits", "SET-TEMP=-10.0 CCD-TEMP=3.5")
    assert record.temperature == -10.0
    assert record.doubts == ("the sensor was at 3.5 C, set to -10.0 C",)


@pytest.mark.parametrize(
    ("header", "night"),
    [
        ("DATE-OBS='2024-01-02T21:00:00'", "2024-01-02"),
        ("DATE-OBS='2024-01-03T05:00:00'", "2024-01-02"),
        ("DATE-OBS='2024-01-03T11:00:00' SITELONG=150.0", "2024-01-03"),
        ("DATE-OBS='2024-01-03T18:00:00' SITELONG=150.0", "2024-01-03"),
        ("DATE-OBS='2024-01-03T13:00:00' SITELONG=-120.0", "2024-01-02"),
        ("DATE-OBS='2024-01-03T13:00:00' DATE-LOC='2024-01-04T00:30:00'", "2024-01-03"),
        ("DATE-OBS='2024-01-03'", None),
    ],
)
def test_a_night_has_the_date_of_its_evening(make_record: MakeRecord, header: str, night: str | None) -> None:
    assert make_record("a.fits", header).night == night


def test_keywords_of_the_user_are_read_from_header_and_path(make_record: MakeRecord) -> None:
    in_path = make_record("PANEL_2/SESSION_a/x.fits", keywords=["PANEL", "SESSION"])
    assert in_path.keywords == {"PANEL": "2", "SESSION": "a"}
    assert make_record("PANEL_2/x.fits", "PANEL='3'", keywords=["PANEL"]).keywords == {"PANEL": "3"}
    assert make_record("x.fits", keywords=["PANEL"]).keywords == {}
