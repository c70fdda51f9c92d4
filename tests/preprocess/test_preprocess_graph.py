"""The graph that preprocessing makes: which nodes, how linked. Nothing is opened for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lerarlink.engine.errors import GraphError, ParameterError
from lerarlink.engine.graph import Link
from lerarlink.graphs.check import check
from lerarlink.graphs.document import Graph
from lerarlink.graphs.preprocess.build import build
from lerarlink.graphs.preprocess.combine import Picture
from lerarlink.graphs.preprocess.group import Rules
from lerarlink.graphs.preprocess.match import match
from lerarlink.graphs.preprocess.options import Options
from lerarlink.graphs.preprocess.records import FrameRecord
from lerarlink.graphs.preprocess.stacks import stacks_of

MakeRecord = Callable[..., FrameRecord]
DARK, BIAS = "IMAGETYP='DARK' EXPTIME=300.0", "IMAGETYP='BIAS' EXPTIME=0.0"


def built(records: list[FrameRecord], rules: Rules | None = None, options: Options | None = None) -> Graph:
    options = options or Options()
    matching = match(records, rules)
    return build(matching, stacks_of(matching, register=options.register), options)


def lights(make_record: MakeRecord, filters: str = "R", count: int = 4, **more: object) -> list[FrameRecord]:
    header = "IMAGETYP='LIGHT' EXPTIME=300.0"
    return [make_record(f"{f}{i}.fits", f"{header} FILTER='{f}'", **more) for f in filters for i in range(count)]


def series(make_record: MakeRecord, header: str, count: int = 4) -> list[FrameRecord]:
    name = "".join(c for c in header if c.isalnum())
    return [make_record(f"{name}-{i}.fits", header) for i in range(count)]


def test_a_light_is_calibrated_corrected_registered_integrated_and_written(make_record: MakeRecord) -> None:
    flats = series(make_record, "IMAGETYP='FLAT' EXPTIME=2.0 FILTER='R'")
    dark_flats = series(make_record, "IMAGETYP='DARKFLAT' EXPTIME=2.0")
    graph = built([*lights(make_record), *series(make_record, DARK), *flats, *dark_flats])
    assert not check(graph)
    assert graph.feeds("calibrated-R") == {
        "image": Link("light-R", "image"),
        "dark": Link("master-dark-300s", "image"),
        "flat": Link("master-flat-R", "image"),
    }
    assert graph.feeds("calibrated-flat-R")["dark"] == Link("master-darkflat-2s", "image")
    assert graph.feeds("master-flat-R") == {"images": (Link("calibrated-flat-R", "image"),)}
    for node, source in (
        ("corrected-R", "calibrated-R"), ("registered-R", "corrected-R"), ("integrated-R", "registered-R"),
        ("write-R", "integrated-R"),
    ):  # fmt: skip
        assert source in {link.node for feed in graph.feeds(node).values() for link in _each(feed)}
    assert graph.spec("light-R").params["paths"] == tuple(f"R{i}.fits" for i in range(4))
    assert graph.spec("write-R").params["path"] == "master_R.fits"


def _each(feed: Link | tuple[Link, ...]) -> tuple[Link, ...]:
    return (feed,) if isinstance(feed, Link) else feed


def test_a_dark_that_fits_is_not_scaled_and_takes_the_bias_with_it(make_record: MakeRecord) -> None:
    graph = built([*lights(make_record), *series(make_record, DARK), *series(make_record, BIAS)])
    params, feeds = graph.spec("calibrated-R").params, graph.feeds("calibrated-R")
    assert (params["optimize_darks"], params["calibrate_dark"]) == (False, False)
    assert "bias" not in feeds and "master-bias" not in graph


def test_a_scaled_dark_is_freed_of_its_bias_first(make_record: MakeRecord) -> None:
    records = [*lights(make_record), *series(make_record, DARK.replace("300", "600")), *series(make_record, BIAS)]
    graph = built(records, Rules(optimize_darks=True))
    params, feeds = graph.spec("calibrated-R").params, graph.feeds("calibrated-R")
    assert (params["optimize_darks"], params["calibrate_dark"]) == (True, True)
    assert {"bias", "dark"} <= feeds.keys()


def test_a_master_that_serves_several_filters_is_made_once(make_record: MakeRecord) -> None:
    graph = built([*lights(make_record, "LRGB"), *series(make_record, DARK)])
    assert [n for n in graph if graph.spec(n).process == "integration.master_dark"] == ["master-dark-300s"]


def test_given_masters_are_read_not_made(make_record: MakeRecord) -> None:
    graph = built([*lights(make_record), make_record("master_dark.fits", DARK)])
    assert graph.spec("master-dark-300s").process == "io.read_image"
    assert graph.feeds("calibrated-R")["dark"] == Link("master-dark-300s", "image")


def test_lights_that_nothing_serves_are_taken_as_they_are(make_record: MakeRecord) -> None:
    graph = built(lights(make_record))
    assert "calibrated-R" not in graph and graph.feeds("corrected-R") == {"image": Link("light-R", "image")}


def test_all_filters_are_registered_to_one_frame_of_luminance(make_record: MakeRecord) -> None:
    graph = built(lights(make_record, "RGBL"))
    references = {graph.feeds(f"registered-{f}")["reference"] for f in "RGBL"}
    assert references == {Link("reference-L", "image")}


def test_objects_have_references_and_pictures_of_their_own(make_record: MakeRecord) -> None:
    header = "IMAGETYP='LIGHT' EXPTIME=60.0 OBJECT='{}' FILTER='{}'"
    taken = [(o, f, i) for o in ("M31", "M42") for f in "RGB" for i in range(3)]
    records = [make_record(f"{o}{f}{i}.fits", header.format(o, f)) for o, f, i in taken]
    graph = built(records, None, Options(combine="auto"))
    assert not check(graph)
    assert graph.feeds("registered-M31_R")["reference"] == Link("reference-M31_G", "image")
    assert graph.feeds("registered-M42_R")["reference"] == Link("reference-M42_G", "image")
    assert graph.spec("combine-M42_write-linear").params["path"] == "M42_rgb-linear.fits"


def test_a_mosaic_is_debayered_after_calibration(make_record: MakeRecord) -> None:
    graph = built([*lights(make_record, cfa="RGGB"), *series(make_record, DARK)], None, Options(debayer="bilinear"))
    assert graph.feeds("debayered-R") == {"image": Link("corrected-R", "image")}
    assert graph.spec("debayered-R").params["debayer_method"] == "bilinear"


def test_a_single_light_is_neither_registered_nor_rejected(make_record: MakeRecord) -> None:
    graph = built(lights(make_record, count=1))
    assert "registered-R" not in graph
    assert graph.spec("integrated-R").params["rejection"] == "no_rejection"


def test_lights_are_weighed_by_what_is_asked_for(make_record: MakeRecord) -> None:
    graph = built(lights(make_record), None, Options(weights="psf"))
    assert not check(graph)
    assert graph.feeds("integrated-R")["weights"] == (Link("measures-R", "measures"),)
    assert graph.feeds("measures-R") == {"image": Link("corrected-R", "image")}
    keyword = built(lights(make_record), None, Options(weights="keyword", weight_keyword="SSWEIGHT"))
    assert keyword.spec("integrated-R").params["weight_keyword"] == "SSWEIGHT"
    plain = built(lights(make_record), None, Options(weights="none"))
    assert plain.spec("integrated-R").params["weight_mode"] == "dont_care"


def test_a_formula_weighs_the_lights_of_all_groups_together(make_record: MakeRecord) -> None:
    long = [make_record(f"R{i}-long.fits", "IMAGETYP='LIGHT' EXPTIME=600.0 FILTER='R'") for i in range(3)]
    formula = "1 / FWHM ^ 2"
    graph = built([*lights(make_record), *long], None, Options(weights="formula", weighting=formula))
    assert not check(graph)
    assert graph.spec("select-R").params == {"weighting": formula}
    measures = graph.feeds("select-R")["measures"]
    assert {link.node for link in _each(measures)} == {"measures-R-300s", "measures-R-600s"}
    assert {link.node for link in _each(graph.feeds("integrated-R")["weights"])} == {"weights-R-300s", "weights-R-600s"}


def test_levels_are_made_alike_place_by_place_when_asked_for(make_record: MakeRecord) -> None:
    graph = built(lights(make_record, "RB"), None, Options(normalization="local"))
    assert not check(graph)
    assert graph.feeds("normalized-R")["reference"] == Link("levels-R", "image")
    assert graph.feeds("normalized-R")["stars"] == Link("registered-R", "stars")
    assert graph.feeds("normalized-R")["reference_stars"] == Link("choose-levels-R", "chosen")
    assert graph.feeds("integrated-R")["normalized"] == (Link("normalized-R", "image"),)
    assert graph.spec("integrated-R").params["normalization"] == "local_normalization"


def test_masters_are_cropped_alike_before_they_are_combined(make_record: MakeRecord) -> None:
    graph = built(lights(make_record, "LRGB"), None, Options(combine="lrgb"))
    crops = [n for n in graph if graph.spec(n).process == "integration.auto_crop"]
    finders = [n for n in crops if "coverage" in graph.feeds(n)]
    assert len(crops) == 4 and len(finders) == 1
    assert set(_each(graph.feeds(finders[0])["coverage"])) == {Link(f"integrated-{f}", "weight") for f in "LRGB"}
    assert all(graph.feeds(n)["crop"] == Link(finders[0], "crop") for n in crops if n not in finders)


@pytest.mark.parametrize(("filters", "file"), [("RGB", "rgb.fits"), ("LRGB", "lrgb.fits")])
def test_colour_is_combined_where_it_is_there(make_record: MakeRecord, filters: str, file: str) -> None:
    graph = built(lights(make_record, filters), None, Options(combine="auto"))
    assert not check(graph)
    assert graph.spec("combine-write-stretched").params["path"] == file
    assert ("luminance" in graph.feeds("combine-lrgb")) == ("L" in filters)


@pytest.mark.parametrize("pictures", [("stretched",), ("linear", "picture"), ("picture", "linear", "stretched")])
def test_only_the_files_of_a_combination_that_are_wanted_are_written(
    make_record: MakeRecord, pictures: tuple[Picture, ...]
) -> None:
    graph = built(lights(make_record, "RGB"), None, Options(combine="rgb", pictures=pictures))
    names = {"linear": "rgb-linear.fits", "stretched": "rgb.fits", "picture": "rgb.png"}
    assert not check(graph)
    written = {graph.spec(n).params["path"] for n in graph if graph.spec(n).process == "io.write_image"}
    assert written == {f"master_{f}.fits" for f in "RGB"} | {names[p] for p in pictures}
    # Nothing is made that no file shows.
    used = {link.node for n in graph for feed in graph.feeds(n).values() for link in _each(feed)}
    assert {n for n in graph if n not in used} == {n for n in graph if graph.spec(n).process == "io.write_image"}


@pytest.mark.parametrize("pictures", [(), ("jpeg",)])
def test_files_of_a_combination_that_there_are_not_are_refused(pictures: Any) -> None:
    with pytest.raises(ParameterError, match="preprocess: pictures must be"):
        Options(combine="rgb", pictures=pictures)


def test_colour_is_not_combined_where_it_is_not_there_or_not_wanted(make_record: MakeRecord) -> None:
    auto, unaligned = Options(combine="auto"), Options(register=False, combine="auto")
    for filters, options in (("RG", auto), ("RGB", Options()), ("RGB", unaligned)):
        assert not [n for n in built(lights(make_record, filters), None, options) if n.startswith("combine-")]


def test_a_combination_that_cannot_be_is_refused(make_record: MakeRecord) -> None:
    with pytest.raises(GraphError, match=r"wants masters R, G and B \(and L\), got R, G"):
        built(lights(make_record, "RG"), None, Options(combine="lrgb"))


def narrow(make_record: MakeRecord) -> list[FrameRecord]:
    header = "IMAGETYP='LIGHT' EXPTIME=300.0 FILTER='{}'"
    return [make_record(f"{f}{i}.fits", header.format(f)) for f in ("Ha", "OIII", "SII") for i in range(3)]


def test_narrow_bands_become_the_palette_of_that_name(make_record: MakeRecord) -> None:
    graph = built(narrow(make_record), None, Options(combine="sho"))
    assert not check(graph)
    channels = {port: feed.node for port, feed in graph.feeds("sho-sho").items() if isinstance(feed, Link)}
    assert channels == {"red": "sho-crop-sii", "green": "sho-crop-ha", "blue": "sho-crop-oiii"}
    assert graph.feeds("sho-crop-sii")["image"] == Link("integrated-SII", "image")
    written = {graph.spec(n).params["path"] for n in graph if graph.spec(n).process == "io.write_image"}
    assert {"sho-linear.fits", "sho.fits", "sho.png"} <= written


def test_a_colour_camera_gets_a_picture_with_a_neutral_background(make_record: MakeRecord) -> None:
    graph = built(lights(make_record, cfa="RGGB"), None, Options(combine="osc"))
    assert not check(graph)
    assert graph.feeds("osc-neutral") == {"image": Link("osc-crop-image", "image")}
    assert graph.feeds("osc-crop-image")["image"] == Link("integrated-R", "image")
    assert graph.spec("osc-write-picture").params["path"] == "osc.png"


def test_auto_makes_every_picture_there_are_masters_for(make_record: MakeRecord) -> None:
    graph = built([*lights(make_record, "RGB"), *narrow(make_record)], None, Options(combine="auto"))
    assert not check(graph)
    written = {graph.spec(n).params["path"] for n in graph if graph.spec(n).process == "io.write_image"}
    assert {"rgb.fits", "sho.fits"} <= written
    without = built(lights(make_record, "LRGB"), None, Options(combine="rgb"))
    assert "luminance" not in without.feeds("combine-lrgb") and "combine-crop-luminance" not in without


@pytest.mark.parametrize(("combine", "told"), [
    ("sho", "wants masters SII, Ha and OIII, got R, G"), ("osc", "wants a master of a colour camera, got R, G"),
    ("rgb", "wants masters R, G and B, got R, G"),
])  # fmt: skip
def test_pictures_that_cannot_be_are_refused_by_name(make_record: MakeRecord, combine: Any, told: str) -> None:
    with pytest.raises(GraphError, match=f"combination {combine} {told}"):
        built(lights(make_record, "RG"), None, Options(combine=combine))


def test_frames_are_kept_when_asked_for(make_record: MakeRecord) -> None:
    graph = built(lights(make_record), None, Options(keep=("calibrated", "registered"), previews=True))
    written = {graph.spec(n).params["path"] for n in graph if graph.spec(n).process == "io.write_image"}
    assert written == {"master_R.fits", "master_R.png", "calibrated_R.fits", "registered_R.fits"}


def test_plain_masters_only(make_record: MakeRecord) -> None:
    graph = built(lights(make_record), None, Options(register=False, cosmetic=False))
    assert sorted(graph) == ["integrated-R", "light-R", "write-R"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rejection": "none"}, {"debayer": "magic"}, {"keep": ("all",)}, {"combine": "hoo"},
        {"weights": "formula"}, {"weight_keyword": "SSWEIGHT"},
        {"keep": ("registered",), "register": False}, {"normalization": "local", "register": False},
        {"weights": "size"}, {"normalization": "none"},
    ],
)  # fmt: skip
def test_options_that_are_none_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError, match="preprocess: "):
        Options(**wrong)  # type: ignore[arg-type]


def test_without_lights_there_is_no_graph(make_record: MakeRecord) -> None:
    with pytest.raises(GraphError, match="no lights"):
        built(series(make_record, DARK))


def test_the_graph_is_a_document(make_record: MakeRecord, tmp_path: Path) -> None:
    graph = built([*lights(make_record, "LRGB"), *series(make_record, DARK)])
    graph.save(tmp_path / "a.yaml")
    again = Graph.load(tmp_path / "a.yaml")
    again.save(tmp_path / "b.yaml")
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()
    assert "exposure 300 s: 4 darks" in again.doc and "Lerar Link unresolved: light R: flat of filter R" in again.doc
