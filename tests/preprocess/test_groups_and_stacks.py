"""Which frames are taken together: groups for calibration, stacks for integration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from lerarlink.graphs.preprocess.group import Rules, groups_of
from lerarlink.graphs.preprocess.match import match
from lerarlink.graphs.preprocess.records import FrameRecord
from lerarlink.graphs.preprocess.stacks import Stacks, stacks_of

MakeRecord = Callable[..., FrameRecord]


def names(records: Sequence[FrameRecord], rules: Rules | None = None) -> list[str]:
    return [g.name for g in groups_of(records, rules or Rules())]


def stacked(records: Sequence[FrameRecord], rules: Rules | None = None, *, register: bool = True) -> Stacks:
    return stacks_of(match(records, rules), register=register)


def test_names_tell_groups_apart_by_what_differs_only(make_record: MakeRecord) -> None:
    one = make_record("a.fits", "IMAGETYP='DARK' EXPTIME=300.0 GAIN=100 SET-TEMP=-10.0")
    assert names([one]) == ["dark-300s"]
    other = make_record("b.fits", "IMAGETYP='DARK' EXPTIME=300.0 GAIN=0 SET-TEMP=-10.0")
    assert names([one, other]) == ["dark-300s-gain0", "dark-300s-gain100"]


def test_names_are_unique_and_fit_for_nodes(make_record: MakeRecord) -> None:
    records = [make_record(f"master_dark_{i}.fits", "IMAGETYP='Master Dark' EXPTIME=60.0") for i in range(3)]
    assert names(records) == ["master-dark-60s", "master-dark-60s-2", "master-dark-60s-3"]
    assert names([make_record("l.fits", "FILTER='Sloan r / 2+'")]) == ["light-Sloanr-2"]


def test_darks_of_several_temperatures_are_several_groups(make_record: MakeRecord) -> None:
    temperatures = (-10.2, -9.9, -10.0, -20.1, -19.8, 15.0)
    records = [make_record(f"{t}.fits", f"IMAGETYP='DARK' EXPTIME=60.0 CCD-TEMP={t}") for t in temperatures]
    groups = groups_of(records, Rules())
    assert [sorted(r.temperature or 0.0 for r in g.records) for g in groups] == [
        [-20.1, -19.8], [-10.2, -10.0, -9.9], [15.0],
    ]  # fmt: skip


def test_darks_of_like_exposures_are_not_mixed(make_record: MakeRecord) -> None:
    records = [make_record(f"{t}.fits", f"IMAGETYP='DARK' EXPTIME={t}") for t in (60.0, 60.01, 70.0, 0.2, 0.3)]
    assert sorted(len(g.records) for g in groups_of(records, Rules())) == [1, 1, 1, 2]


def test_flats_of_one_filter_and_night_are_one_group_where_a_bias_serves_them(make_record: MakeRecord) -> None:
    flats = [make_record(f"f{t}.fits", f"IMAGETYP='FLAT' FILTER='R' EXPTIME={t}") for t in (1.0, 1.4, 6.0)]
    bias = make_record("b.fits", "IMAGETYP='BIAS'")
    assert names([*flats, bias]) == ["flat-R", "bias"]
    assert len(names(flats)) == 2  # dark flats must have their exposures


def test_lights_are_told_apart_by_temperature_only_where_there_are_darks(make_record: MakeRecord) -> None:
    lights = [make_record(f"l{t}.fits", f"IMAGETYP='LIGHT' EXPTIME=10.0 CCD-TEMP={t}.0") for t in (15, 20, 25)]
    assert len(names(lights)) == 1
    dark = make_record("d.fits", "IMAGETYP='DARK' EXPTIME=10.0 CCD-TEMP=20.0")
    matching = match([*lights, dark])
    assert len(matching.lights()) == 3
    assert [link.status for link in matching.links if link.role == "dark"].count("linked") == 1


def test_a_stack_holds_all_lights_of_a_filter_in_the_usual_order(make_record: MakeRecord) -> None:
    taken = [(f, t) for f in "BLRG" for t in (60.0, 300.0)]
    records = [make_record(f"{f}{t}.fits", f"IMAGETYP='LIGHT' FILTER='{f}' EXPTIME={t}") for f, t in taken]
    assert [(s.name, s.count, len(s.groups)) for s in stacked(records).stacks] == [
        ("L", 2, 2), ("R", 2, 2), ("G", 2, 2), ("B", 2, 2),
    ]  # fmt: skip


def test_stacks_split_by_words_of_the_user(make_record: MakeRecord) -> None:
    records = [make_record(f"{t}.fits", f"IMAGETYP='LIGHT' FILTER='R' EXPTIME={t}.0") for t in (10, 300)]
    assert [s.name for s in stacked(records, Rules(split_by=("exposure",))).stacks] == ["R_10s", "R_300s"]


def test_nights_are_split_when_asked_for(make_record: MakeRecord) -> None:
    records = [make_record(f"{d}.fits", f"FILTER='R' DATE-OBS='2024-01-{d}T22:00:00'") for d in (10, 11)]
    assert [s.name for s in stacked(records).stacks] == ["R"]
    assert [s.name for s in stacked(records, Rules(split_by=("night",))).stacks] == ["R_2024-01-10", "R_2024-01-11"]


def test_objects_are_stacked_apart_and_their_spellings_are_one(make_record: MakeRecord) -> None:
    records = [make_record(f"{n}.fits", f"IMAGETYP='LIGHT' FILTER='R' OBJECT='{n}'") for n in ("M 31", "m31", "M42")]
    assert [(s.name, s.count) for s in stacked(records).stacks] == [("M42_R", 1), ("m31_R", 2)]


def test_lights_without_an_object_belong_to_the_only_one(make_record: MakeRecord) -> None:
    records = [make_record("a.fits", "FILTER='R' OBJECT='M31'"), make_record("b.fits", "FILTER='R'")]
    assert [(s.name, s.count) for s in stacked(records).stacks] == [("R", 2)]


def test_a_frame_of_another_size_is_left_out_and_told(make_record: MakeRecord) -> None:
    records = [make_record(f"{i}.fits", "FILTER='R'") for i in range(3)]
    found = stacked([*records, make_record("odd.fits", "FILTER='R'", size=(40, 30))])
    assert [s.count for s in found.stacks] == [3]
    assert [(o.path, o.why) for o in found.left_out] == [("odd.fits", "40x30 pixels; most lights are 80x60 unbinned")]


def test_binned_frames_of_one_sensor_are_registered_together(make_record: MakeRecord) -> None:
    lum = [make_record(f"l{i}.fits", "FILTER='L' XBINNING=1 YBINNING=1") for i in range(3)]
    red = [make_record(f"r{i}.fits", "FILTER='R' XBINNING=2 YBINNING=2", size=(40, 30)) for i in range(3)]
    assert [s.name for s in stacked([*lum, *red]).stacks] == ["L", "R"]


def test_without_registration_each_size_has_its_own_master(make_record: MakeRecord) -> None:
    records = [make_record("a.fits", "FILTER='R'"), make_record("odd.fits", "FILTER='R'", size=(40, 30))]
    found = stacked(records, register=False)
    assert [s.name for s in found.stacks] == ["R_40x30", "R_80x60"] and not found.left_out


@pytest.mark.parametrize(("count", "said"), [(1, "1 light only"), (2, "2 lights only")])
def test_few_lights_are_told(make_record: MakeRecord, count: int, said: str) -> None:
    found = stacked([make_record(f"{i}.fits", "FILTER='R'") for i in range(count)])
    assert len(found.notes) == 1 and said in found.notes[0]


@pytest.mark.parametrize(("flat", "hinted"), [("Pos 3", True), ("SII", False)])
def test_another_name_is_suggested_only_for_filters_that_might_be_the_same(
    make_record: MakeRecord, flat: str, hinted: bool
) -> None:
    records = [make_record("l.fits", "FILTER='Ha'"), make_record("f.fits", f"IMAGETYP='FLAT' FILTER='{flat}'")]
    cure = next(link.cure for link in match(records).links if link.role == "flat" and link.target.kind == "light")
    assert (f"--filter-name '{flat}=Ha'" in cure) is hinted


def test_finished_stacks_of_lights_are_left_out(make_record: MakeRecord) -> None:
    matching = match([make_record("Stacked_20_M94_10.0s.fit", "IMAGETYP='Light' STACKCNT=20")])
    assert not matching.groups
    assert [o.why for o in matching.left_out] == ["a finished stack of lights, not a raw frame"]
