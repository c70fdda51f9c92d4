"""Links of real folders: headers of a professional camera, MaxIm, Seestar and an observatory's masters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lerarlink.graphs.preprocess.group import Rules
from lerarlink.graphs.preprocess.match import Matching, match
from lerarlink.graphs.preprocess.stacks import stacks_of
from lerarlink.tools.scan import scan

RealData = Callable[[str], Path]


def told(matching: Matching) -> dict[tuple[str, str], str]:
    return {(k.target.name, k.role): k.source.name if k.source else k.status for k in matching.links}


def test_a_set_without_words_is_told_by_names(real_data: RealData) -> None:
    matching = match(scan([real_data("tircam2-ic310")]).records, Rules(without=frozenset({"dark"})))
    assert told(matching) == {
        ("light-J", "dark"): "waived", ("light-J", "bias"): "bias", ("light-J", "flat"): "flat-J",
        ("flat-J", "darkflat"): "unneeded", ("flat-J", "bias"): "bias",
    }  # fmt: skip
    assert [(g.name, len(g.records)) for g in matching.groups] == [("light-J", 5), ("flat-J", 5), ("bias", 3)]


def test_masters_of_an_observatory_are_taken_for_such(real_data: RealData) -> None:
    matching = match(scan([real_data("ccdproc-workshop-kelt16")]).records)
    assert told(matching) == {
        ("light-R", "dark"): "master-dark-90s", ("light-R", "bias"): "unneeded", ("light-R", "flat"): "master-flat-R",
    }  # fmt: skip


def test_the_filter_of_a_file_name_serves_where_the_header_has_none(real_data: RealData) -> None:
    matching = match(scan([real_data("m13-dithers")]).records)
    assert [(s.name, s.count) for s in stacks_of(matching, register=True).stacks] == [("B", 5)]


def test_two_nights_of_a_colour_camera_are_one_stack(real_data: RealData) -> None:
    matching = match(scan([real_data("seestar-m94")]).records)
    stacks = stacks_of(matching, register=True).stacks
    assert [(s.name, s.count, s.mosaic) for s in stacks] == [("IRCUT", 10, True)]
    assert [(link.role, link.status) for link in matching.links] == [
        ("dark", "unresolved"), ("bias", "unneeded"), ("flat", "unresolved"),
    ]  # fmt: skip
