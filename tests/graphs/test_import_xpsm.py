"""PixInsight's process icons become graphs, parameter by parameter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from lerarlink.engine.errors import GraphError
from lerarlink.engine.graph import Link
from lerarlink.graphs.check import check
from lerarlink.graphs.document import Graph
from lerarlink.graphs.importing.outcome import Imported
from lerarlink.graphs.importing.xpsm import PROCESSES, import_xpsm
from lerarlink.graphs.importing.xpsm_pixel_math import images_of
from lerarlink.graphs.importing.xpsm_values import snake

HEAD = '<?xml version="1.0" encoding="UTF-8"?><xpsm version="1.0" xmlns="http://www.pixinsight.com/xpsm">'


def instance(kind: str, inside: str = "", name: str = "p") -> str:
    return f'<instance class="{kind}" version="256" id="{name}">{inside}</instance>'


def parameters(**values: object) -> str:
    return "".join(f'<parameter id="{k}" value="{v}"/>' for k, v in values.items())


def imported(*instances: str, **options: Any) -> Imported:
    return import_xpsm(f"{HEAD}{''.join(instances)}</xpsm>".encode(), **options)


def of(graph: Graph, node: str) -> tuple[str, dict[str, Any]]:
    spec = graph.spec(node)
    return spec.process, dict(spec.params)


def test_every_instance_of_the_samples_is_mapped_kept_or_told(real_data: Callable[[str], Path]) -> None:
    for file in sorted(real_data("recipes").glob("*.xpsm")):
        found = import_xpsm(file.read_bytes())
        assert Graph.from_document(found.graph.to_document()).to_document() == found.graph.to_document()
        kept = {n for n in found.graph if found.graph.spec(n).process.startswith("pixinsight.")}
        assert {p.node for p in check(found.graph, template=True)} == kept, file.name
        text = file.read_text("utf-8")
        icons = {part.partition('"')[0] for part in text.split('<icon id="')[1:]}
        spoken = {n.where.removeprefix("icon ").partition("-")[0] for n in found.notes}
        assert {i for i in icons if i not in spoken and i.strip("_") not in found.graph} == set(), file.name


def test_unknown_processes_keep_all_their_parameters(real_data: Callable[[str], Path]) -> None:
    found = import_xpsm(real_data("recipes/astroshed_RGB-Workflow.xpsm").read_bytes())
    process, params = of(found.graph, "GHS_for_starless")
    assert process == "pixinsight.GeneralizedHyperbolicStretch"
    assert params["highlightProtection"] == 1.0
    assert params["stretchType"] == "ST_GeneralisedHyperbolic"
    assert params["inverse"] is False
    assert of(found.graph, "Opt_CurvesForStars")[1]["K"] == ((0.0, 0.0), (0.34517, 0.16512), (1.0, 1.0))


def test_the_members_of_a_container_follow_one_another(real_data: Callable[[str], Path]) -> None:
    graph = import_xpsm(real_data("recipes/astroshed_RGB-Workflow.xpsm").read_bytes()).graph
    names = [n for n in graph if n.startswith("for_each_in_RGB")]
    assert [graph.spec(n).process.partition(".")[2] for n in names] == [
        "GradientCorrection",
        "BlurXTerminator",
        "Script",
    ]
    assert [graph.feeds(n)["image"] for n in names[1:]] == [Link(n, "image") for n in names[:-1]]


def test_the_palettes_compute_what_their_expressions_say(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    found = import_xpsm(real_data("recipes/astroshed_Foraxx.xpsm").read_bytes(), icons=["ForaxX_SHO"])
    values = {"Sii": 0.3, "Ha": 0.6, "Oiii": 0.2}
    for name, value in values.items():
        fits.writeto(tmp_path / f"{name}.fits", np.full((2, 3), value, np.float32))
        found.graph.bind(name, tmp_path / f"{name}.fits")
    made = found.graph["ForaxX_SHO"].compute()[:, 0, 0]
    s, h, o = values.values()
    q, p = o ** (1 - o), (o * h) ** (1 - o * h)
    assert made.tolist() == pytest.approx([q * s + (1 - q) * h, p * h + (1 - p) * o, o], abs=1e-6)


def test_pixel_math_links_the_images_it_names() -> None:
    found = imported(
        instance("PixelMath", '<parameter id="expression">a = $T*k; combine(a, RGB_stars, op_screen())</parameter>'
                 + parameters(useSingleExpression="true", symbols="a, k = 0.5", truncate="false"))
    )  # fmt: skip
    process, params = of(found.graph, "p")
    assert process == "math.pixel_math"
    assert params["names"] == ("RGB_stars",)
    assert params["truncate"] is False
    assert found.graph.feeds("p") == {"image": Link("image", "image"), "images": (Link("RGB_stars", "image"),)}
    assert found.of("unmapped") == ()


def test_images_are_told_from_functions_symbols_and_variables() -> None:
    text = "x = med(Ha); // Red\niif(Ha > x, max(Oiii, k), Sii[0]) + pi() + gconv(Lum, 2)"
    assert images_of(text, "k = init(0.5, 1), x") == ["Ha", "Oiii", "Sii", "Lum"]


def test_histogram_rows_become_the_table() -> None:
    rows = "".join(
        "<tr>"
        + "".join(f'<td id="{c}" value="{v}"/>' for c, v in zip(("c0", "m", "c1", "r0", "r1"), row, strict=True))
        + "</tr>"
        for row in ((0, 0.5, 1, 0, 1), (0, 0.5, 1, 0, 1), (0, 0.5, 1, 0, 1), (0.01, 0.1, 0.9, 0, 1), (0, 0.5, 1, 0, 1))
    )
    found = imported(instance("HistogramTransformation", f'<table id="H" rows="5">{rows}</table>'))
    assert of(found.graph, "p")[1]["table"][3] == (0.01, 0.1, 0.9, 0.0, 1.0)


@pytest.mark.parametrize(
    ("kind", "given_", "process", "expected"),
    [
        ("LinearFit", {"referenceViewId": "G", "rejectHigh": 0.8}, "color.linear_fit", {"reject_high": 0.8}),
        ("BackgroundNeutralization", {"backgroundHigh": 0.05, "mode": "Truncate"}, "color.background_neutralization",
         {"background_high": 0.05, "mode": "truncate"}),
        ("SCNR", {"protectionMethod": "MaximumMask", "preserveLightness": "false"}, "math.pixel_math", {}),
        ("Rescale", {"mode": "RGBK_Individual"}, "math.rescale", {"per_channel": True}),
        ("Binarize", {"thresholdRK": 0.3, "isGlobal": "true"}, "math.binarize", {"threshold_rk": 0.3}),
        ("FastRotation", {"mode": "Rotate90CW"}, "geometry.rotate", {"angle": 270}),
        ("FastRotation", {"mode": "HorizontalMirror"}, "geometry.flip", {"axis": "horizontal"}),
        ("Resample", {"xSize": "0.3133", "ySize": 0.5, "interpolation": "Lanczos4"}, "geometry.resample",
         {"x_size": 0.3133, "interpolation": "lanczos4"}),
        ("IntegerResample", {"zoomFactor": -3, "subsampleMode": "Median"}, "geometry.integer_resample",
         {"zoom_factor": -3, "downsampling_mode": "median"}),
        ("Crop", {"mode": "AbsolutePixels", "leftMargin": -5, "topMargin": -2.0}, "geometry.crop",
         {"left": 5, "top": 2}),
        ("Debayer", {"cfaPattern": "GRBG", "debayerMethod": "SuperPixel"}, "cfa.debayer",
         {"cfa_pattern": "GRBG", "debayer_method": "superpixel"}),
        ("ImageIntegration", {"combination": "Median", "weightMode": "DontCare", "rejection": "WinsorizedSigmaClip",
         "sigmaLow": 2.5, "normalization": "Multiplicative"}, "integration.image_integration",
         {"combination": "median", "weight_mode": "dont_care", "rejection": "winsorized_sigma_clip", "sigma_low": 2.5,
          "normalization": "multiplicative"}),
        ("ImageCalibration", {"masterBiasEnabled": "false", "masterDarkPath": "/m/dark.xisf", "optimizeDarks": "false",
         "pedestalMode": "CustomKeyword"}, "calibration.image_calibration",
         {"optimize_darks": False, "pedestal_mode": "custom"}),
        ("CosmeticCorrection", {"useAutoDetect": "true", "hotAutoCheck": "true", "hotAutoValue": 2.5},
         "calibration.cosmetic_correction", {"hot_auto_check": True, "hot_auto_value": 2.5}),
        ("StarAlignment", {"referenceImage": "ref", "pixelInterpolation": "BicubicSpline",
         "distortionCorrection": "true"},
         "registration.star_alignment", {"interpolation": "bicubic", "model": "auto", "clamping": "lobes"}),
        ("LocalNormalization", {"referencePathOrViewId": "ref", "scale": 512}, "integration.local_normalization",
         {"scale": 512}),
        ("SubframeSelector", {"approvalExpression": "FWHM &lt; 3"}, "measure.subframe_selector",
         {"approval": "FWHM < 3"}),
        ("LRGBCombination", {}, "pixinsight.LRGBCombination", {}),
        ("NewImage", {"width": 256}, "pixinsight.NewImage", {"width": 256}),
    ],
)  # fmt: skip
def test_a_process_keeps_its_parameters(
    kind: str, given_: dict[str, object], process: str, expected: dict[str, Any]
) -> None:
    graph = imported(instance(kind, parameters(**given_))).graph
    found, params = of(graph, "p")
    assert found == process
    assert {k: params[k] for k in expected} == expected
    if not process.startswith("pixinsight"):
        assert check(graph, template=True) == []


def test_channels_are_combined_by_name() -> None:
    rows = "".join(
        f'<tr><td id="enabled" value="true"/><td id="id" value="{n}"/><td id="k" value="1.0"/></tr>' for n in "RGBL"
    )
    graph = imported(instance("LRGBCombination", f'<table id="channels" rows="4">{rows}</table>')).graph
    assert graph.feeds("p")["luminance"] == Link("L", "image")
    assert graph.feeds("rgb-p")["blue"] == Link("B", "image")


def test_parameters_without_counterpart_are_told_unless_they_are_neutral() -> None:
    found = imported(
        instance("Debayer", parameters(fbddNoiseReduction=1, flux=3, showImages="true", debayerMethod="X"))
    )
    assert [n.what for n in found.of("unmapped")] == [
        "Debayer.fbddNoiseReduction = 1", "Debayer.debayerMethod = X", "Debayer.flux = 3",
    ]  # fmt: skip
    assert imported(instance("Debayer", parameters(fbddNoiseReduction=0))).of("unmapped") == ()


def test_icons_can_be_chosen_and_chained() -> None:
    one, two = instance("Invert", name="a"), instance("Resample", parameters(xSize=0.5, ySize=0.5), name="b")
    assert imported(one, two).graph.feeds("b")["image"] == Link("image", "image")
    chained = imported(one, two, icons=["b", "a"], chain=True).graph
    assert chained.feeds("a")["image"] == Link("b", "image")
    assert chained.feeds("write-result")["image"] == Link("a", "image")
    with pytest.raises(GraphError, match="no icon 'c'; there are 'a', 'b'"):
        imported(one, two, icons=["c"])


def test_a_processing_history_is_a_chain() -> None:
    text = f"<ProcessingHistory>{instance('Invert', name='a')}{instance('Rescale', name='b')}</ProcessingHistory>"
    graph = import_xpsm(text.encode()).graph
    assert graph.feeds("b")["image"] == Link("a", "image")


def test_unmapped_processes_are_left_out_on_demand() -> None:
    found = imported(instance("BlurXTerminator", name="blur"), instance("Invert", name="i"), chain=True, skip=True)
    assert found.graph.feeds("i")["image"] == Link("image", "image")
    assert [n.why for n in found.of("unmapped")] == ["there is no such process here: left out"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><xpsm>&a;</xpsm>', "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><xpsm/>', "document type"),
        ("<xpsm>" + "<instance>" * 40 + "</instance>" * 40 + "</xpsm>", "levels"),
        ("<xpsm>" + "<instance/>" * 5001 + "</xpsm>", "at most 5,000 instances"),
        ("<xpsm><instance>", "no XML"),
        ("", "no XML"),
        ("\x00\x01", "no XML"),
        ('<?xml version="1.0" encoding="nonsense"?><xpsm/>', "no XML"),
        ("<html/>", "wanted xpsm or ProcessingHistory, got 'html'"),
        ('<xpsm><icon id="a" instance="b"/></xpsm>', "which is not there"),
        ("<xpsm>&undefined;</xpsm>", "no XML"),
    ],
)
def test_hostile_files_end_in_one_sentence(text: str, why: str) -> None:
    with pytest.raises(GraphError, match=why):
        import_xpsm(text.encode())


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    with pytest.raises(GraphError, match="at most 16,777,216 bytes"):
        import_xpsm(b" " * (16 * 2**20 + 1))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("rangeClipLow", "range_clip_low"), ("esdAlpha", "esd_alpha"), ("useROI", "use_roi"),
     ("separateCFAFlatScalingFactors", "separate_cfa_flat_scaling_factors"), ("xSize", "x_size")],
)  # fmt: skip
def test_names_become_snake_case(name: str, expected: str) -> None:
    assert snake(name) == expected


XML_TEXT = st.text(st.characters(codec="utf-8", min_codepoint=32, exclude_characters='<>&"'), max_size=12)
NAMES = st.sampled_from(["expression", "mode", "channels", "scale", "H", "images", "rejection", "angle", "defects"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PROCESSES), st.dictionaries(NAMES, XML_TEXT, max_size=4)), max_size=5))
def test_any_icons_give_a_graph_that_can_be_saved(icons: list[tuple[str, dict[str, str]]]) -> None:
    found = imported(*(instance(kind, parameters(**values), f"i{n}") for n, (kind, values) in enumerate(icons)))
    document = found.graph.to_document()
    assert Graph.from_document(document).to_document() == document
