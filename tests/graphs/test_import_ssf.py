"""Siril scripts become graphs that do what the script does, and say what they cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lerarlink.engine.errors import GraphError
from lerarlink.engine.graph import Link
from lerarlink.graphs.check import check
from lerarlink.graphs.document import Graph
from lerarlink.graphs.importing.outcome import Imported
from lerarlink.graphs.importing.ssf import COMMANDS, import_ssf
from lerarlink.graphs.importing.ssf_words import calls

NIGHT = """
# masters
cd biases
convert bias -out=../process
cd ../process
stack bias rej 3 3 -nonorm -out=../masters/bias
cd ../lights
convert light -out=../process
cd ../process
calibrate light -bias=../masters/bias -cc=dark
"""


def of(graph: Graph, node: str) -> tuple[str, dict[str, Any]]:
    spec = graph.spec(node)
    return spec.process, dict(spec.params)


def unmapped(found: Imported) -> list[str]:
    return [str(n) for n in found.of("unmapped")]


def test_every_stock_script_becomes_a_graph_without_gaps(real_data: Callable[[str], Path]) -> None:
    for file in sorted(real_data("recipes").glob("siril_*.ssf")):
        found = import_ssf(file.read_text("utf-8"))
        assert check(found.graph, template=True) == [], file.name
        if "Drizzle" not in file.name:
            assert unmapped(found) == [], file.name
        assert Graph.from_document(found.graph.to_document()).to_document() == found.graph.to_document()


def test_the_mono_script_calibrates_registers_and_stacks_in_this_order(real_data: Callable[[str], Path]) -> None:
    graph = import_ssf(real_data("recipes/siril_Mono_Preprocessing.ssf").read_text("utf-8")).graph
    assert list(graph.inputs) == ["biases", "flats", "darks", "lights"]
    order = graph.order(["write-result"])
    steps = ("calibrated-pp_light", "pp_light", "r_pp_light", "stacked-result", "result", "write-result")
    assert [n for n in order if n in steps] == list(steps)
    assert graph.feeds("calibrated-pp_light") == {
        "dark": Link("dark_stacked", "image"),
        "flat": Link("pp_flat_stacked", "image"),
        "image": Link("lights", "image"),
    }
    process, params = of(graph, "stacked-result")
    assert process == "integration.image_integration"
    assert params["rejection"] == "winsorized_sigma_clip"
    assert (params["sigma_low"], params["sigma_high"]) == (3.0, 3.0)
    assert params["normalization"] == "additive_with_scaling"
    assert of(graph, "pp_flat_stacked")[1]["normalization"] == "multiplicative"
    assert of(graph, "bias_stacked")[1]["normalization"] == "no_normalization"
    assert of(graph, "write-bias_stacked")[1]["path"] == "masters/bias_stacked.fit"


def test_the_colour_script_debayers_after_calibration(real_data: Callable[[str], Path]) -> None:
    graph = import_ssf(real_data("recipes/siril_OSC_Preprocessing.ssf").read_text("utf-8")).graph
    assert of(graph, "pp_light")[0] == "cfa.debayer"
    assert of(graph, "calibrated-pp_light")[1]["separate_cfa_flat_scaling_factors"] is True
    assert of(graph, "corrected-pp_light")[1]["cfa"] is True


def test_frames_that_are_named_by_number_are_inputs_of_their_own(real_data: Callable[[str], Path]) -> None:
    graph = import_ssf(real_data("recipes/siril_RGB_Composition.ssf").read_text("utf-8")).graph
    assert list(graph.inputs) == ["colors-1", "colors-2", "colors-3"]
    red = graph.feeds("rgb")["red"]
    assert isinstance(red, Link)
    assert graph.feeds(red.node)["image"] == Link("r_colors_00003", "image")


def test_drizzle_waits_for_the_stack(real_data: Callable[[str], Path]) -> None:
    found = import_ssf(real_data("recipes/siril_OSC_Preprocessing_BayerDrizzle.ssf").read_text("utf-8"))
    drizzled = next(n for n in found.graph if found.graph.spec(n).process == "integration.drizzle_integration")
    assert found.graph.feeds(drizzled)["images"] == (Link("pp_light", "image"),)
    assert of(found.graph, drizzled)[1]["drop_shrink"] == 1.0
    assert any("not rejected" in text for text in unmapped(found))


def test_a_calibration_that_lacks_its_dark_is_told_with_its_line() -> None:
    found = import_ssf(NIGHT)
    assert unmapped(found) == [
        "line 10: calibrate light -bias=../masters/bias -cc=dark: -cc=dark wants a master dark, given by -dark="
    ]


def test_masters_are_written_and_intermediate_stacks_are_not() -> None:
    found = import_ssf(NIGHT + "stack light sum -out=all\nload all\nsave ../picture\n")
    written = {p["path"] for n in found.graph if "path" in (p := of(found.graph, n)[1])}
    assert written == {"masters/bias.fit", "picture.fit"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rej 3 4", {"rejection": "winsorized_sigma_clip", "sigma_low": 3.0, "sigma_high": 4.0}),
        ("rej s 2 2", {"rejection": "sigma_clip", "sigma_low": 2.0, "sigma_high": 2.0}),
        ("rej l 5 4", {"rejection": "linear_fit", "linear_fit_low": 5.0, "linear_fit_high": 4.0}),
        ("rej p 0.2 0.1", {"rejection": "percentile_clip", "pc_clip_low": 0.2, "pc_clip_high": 0.1}),
        ("rej g 0.3 0.05", {"rejection": "esd", "esd_outliers_fraction": 0.3, "esd_alpha": 0.05}),
        ("rej 0 3", {"clip_low": False, "sigma_high": 3.0}),
        ("mean none -norm=mul", {"normalization": "multiplicative", "combination": "average"}),
        ("med", {"combination": "median", "normalization": "no_normalization"}),
        ("max", {"combination": "maximum"}),
        ("rej 3 3 -weight=noise", {"weight_mode": "snr_estimate"}),
    ],
)
def test_stack_knows_methods_rejections_and_normalisations(words: str, expected: dict[str, Any]) -> None:
    graph = import_ssf(f"stack r_light {words}").graph
    params = of(graph, "r_light_stacked")[1]
    assert {k: params[k] for k in expected} == expected


@pytest.mark.parametrize(
    ("command", "process", "expected"),
    [
        ("crop 10 20 30 40", "geometry.crop", {"box": (20, 10, 60, 40)}),
        ("resample 0.5", "geometry.resample", {"x_size": 0.5, "interpolation": "lanczos4"}),
        ("resample -width=800 -interp=cubic", "geometry.resample", {"x_size": 800.0, "absolute_mode": "force_width"}),
        ("binxy 2", "geometry.integer_resample", {"zoom_factor": -2}),
        ("mirrorx", "geometry.flip", {"axis": "vertical"}),
        ("mirrory", "geometry.flip", {"axis": "horizontal"}),
        ("rotatePi", "geometry.rotate", {"angle": 180}),
        ("neg", "math.invert", {}),
        ("mtf 0.01 0.2 0.9", "stretch.histogram_transformation", {"midtones": 0.2}),
        ("autostretch -linked -2 0.3", "stretch.histogram_transformation", {}),
        ("linear_match ref 0 0.9", "color.linear_fit", {"reject_high": 0.9}),
        ("fmul 2", "math.pixel_math", {"expression": "$T*2.0"}),
        ("isub other", "math.pixel_math", {"expression": "$T - other"}),
        ('pm "$image$ * 0.5 + mad($dark$)"', "math.pixel_math", {"expression": "$T * 0.5 + mdev(dark)"}),
        ("gauss 1.5", "math.pixel_math", {"expression": "gconv($T, 1.5)"}),
        ("rmgreen -nopreserve 1", "math.pixel_math", {}),
        ("rmgreen", "color.channel_combination", {"color_space": "Lab"}),
        ("find_cosme 0 3", "calibration.cosmetic_correction", {"hot_auto_value": 3.0}),
        ("asinh 100", "siril.asinh", {"arguments": "100"}),
        ("ght -D=2.5 -B=1", "siril.ght", {"arguments": "-D=2.5 -B=1"}),
    ],
)
def test_an_image_command_becomes_its_process(command: str, process: str, expected: dict[str, Any]) -> None:
    graph = import_ssf(f"load image\n{command}\nsave result").graph
    source = graph.feeds("write-result")["image"]
    assert isinstance(source, Link)
    found, params = of(graph, source.node)
    assert found == process
    assert {k: params[k] for k in expected} == expected


def test_what_has_no_counterpart_is_a_placeholder_or_on_demand_left_out() -> None:
    script = "register pp_light\nseqsubsky r_pp_light 1 -samples=10\nstack bkg_r_pp_light rej 3 3 -out=result"
    kept, skipped = import_ssf(script), import_ssf(script, skip=True)
    assert of(kept.graph, "bkg_r_pp_light") == ("siril.seqsubsky", {"arguments": "r_pp_light 1 -samples=10"})
    assert [p.node for p in check(kept.graph, template=True)] == ["bkg_r_pp_light"]
    assert skipped.graph.feeds("result")["images"] == (Link("r_pp_light", "image"),)
    assert check(skipped.graph, template=True) == []
    for found in (kept, skipped):
        assert [n.where for n in found.of("unmapped")] == ["line 2"]


def test_every_command_option_and_word_is_mapped_or_told() -> None:
    found = import_ssf("load image\nmirrorx -fancy extra\nsave result\nfrobnicate all")
    assert unmapped(found) == [
        "line 2: mirrorx -fancy: this option has no counterpart",
        "line 2: mirrorx extra: more arguments than were understood",
        "line 4: frobnicate all: there is no process for it here: a placeholder stands in its place",
    ]


def test_outputs_stay_in_the_folder_where_the_script_begins() -> None:
    found = import_ssf("load image\nsave /etc/passwd\nsave ../../up")
    paths = [of(found.graph, n)[1]["path"] for n in found.graph if n.startswith("write")]
    assert paths == ["passwd.fit", "up.fit"]
    assert all("outside" in n.why for n in found.of("differs"))


def test_words_hold_together_in_quotes_and_negative_numbers_are_no_options() -> None:
    (call,) = calls('pm "$a$ - 1" -rescale -0.5 2')
    assert call.words == ["$a$ - 1", "-0.5", "2"]
    assert call.options == {"rescale": None}


def test_a_quotation_without_end_is_told_with_its_line() -> None:
    with pytest.raises(GraphError, match="line 2: a quotation"):
        import_ssf('cd lights\nload "my image')


def test_no_script_is_refused_in_words() -> None:
    with pytest.raises(GraphError, match="holds no command"):
        import_ssf("# nothing\n")
    with pytest.raises(GraphError, match="at most 2,000 commands"):
        import_ssf("neg\n" * 2001)


WORDS = st.lists(
    st.one_of(
        st.sampled_from(["light", "r_light", "light_00002", "3", "-0.5", "rej", "-out=x", "-dark=d", "-cc=dark", ".."]),
        st.text(st.characters(codec="utf-8", exclude_characters="\n\r\"'"), max_size=8),
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(COMMANDS), WORDS), min_size=1, max_size=8))
def test_any_script_gives_a_graph_that_can_be_saved(lines: list[tuple[str, list[str]]]) -> None:
    found = import_ssf("\n".join(" ".join([name, *words]) for name, words in lines))
    document = found.graph.to_document()
    assert Graph.from_document(document).to_document() == document
    found.graph.order()
