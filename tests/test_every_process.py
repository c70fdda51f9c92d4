"""Every process, by being registered, is tested here. A new one needs at most a line in CASES.

Inputs are real FITS files written for the test, so that worker processes can read them too.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine import registry
from lerarlink.engine.errors import EngineError, ParameterError
from lerarlink.engine.graph import Node
from lerarlink.engine.image import ImageHandle
from lerarlink.engine.params import Spec
from lerarlink.engine.process import Process
from lerarlink.engine.schedule import Lane
from lerarlink.engine.store import Store
from lerarlink.engine.value_text import value_text

GOLDEN = Path(__file__).parent / "golden.yaml"
ALL = [c for c in registry.everything() if c.__module__.startswith("lerarlink.nodes.")]
Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """How a process is tried: its parameters, what its inputs are fed, and which output is looked at."""

    params: dict[str, Any] = field(default_factory=dict)
    feeds: dict[str, str] = field(default_factory=dict)


# What goes into a port that CASES does not speak of, by type of port.
FEEDS = {
    "image": "gray", "display": "stf", "line": "line", "measures": "statistics",
    "stars": "stars", "transform": "transform", "psf": "psf", "times": "times", "series": "curve",
    "table": "rows", "region": "region",
}  # fmt: skip
SOURCE_MAPS = ("significance", "amplitude", "amplitude_err", "phase", "phase_err", "period", "period_err", "mean")
# An optional port stays unlinked unless CASES links it.
CASES: dict[str, Case] = {
    "calibration.calibrate_frame": Case(feeds={"dark": "gray2", "flat": "gray3"}),
    "calibration.cosmetic_correction": Case(
        {"hot_auto_check": True, "hot_dark_check": True, "hot_dark_level": 0.5}, {"dark": "gray2"}
    ),
    "calibration.dark_scale": Case(feeds={"dark": "gray2", "threshold": "threshold"}),
    "calibration.image_calibration": Case(feeds={"bias": "gray", "dark": "gray2", "flat": "gray3"}),
    "calibration.overscan_correction": Case({"regions": ((0, 0, 20, 91, 0, 0, 67, 91),)}),
    "calibration.replace_defects": Case({"defect_list": ((True, True, 30, False, 0, 0),)}, {"defects": "defects"}),
    "calibration.replace_outliers": Case({"cold_auto_value": 1.0}, {"deviation": "deviation"}),
    "cfa.debayer": Case({"cfa_pattern": "GRBG"}),
    "cfa.merge_cfa": Case(feeds={"cfa_01": "gray2", "cfa_11": "gray3"}),
    "color.background_neutralization": Case(feeds={"image": "rgb"}),
    "color.channel_extraction": Case(feeds={"image": "rgb"}),
    "color.channel_combination": Case(feeds={"green": "gray2", "blue": "gray3"}),
    "color.linear_fit": Case(feeds={"reference": "gray2"}),
    "color.lrgb_combination": Case(feeds={"image": "rgb", "luminance": "gray"}),
    "geometry.crop": Case({"left": 3, "top": 5, "right": 2, "bottom": 1}),
    "geometry.resample": Case({"x_size": 0.7, "y_size": 1.3}),
    "geometry.rotate": Case({"angle": 90}),
    "integration.drizzle_integration": Case(
        {"scale": 1.0}, {"images": "gray gray2", "transforms": "transform transform"}
    ),
    "integration.image_integration": Case({"rejection": "percentile_clip"}, {"images": "gray gray2 gray3"}),
    "integration.integrate": Case({"rejection": "min_max"}, {"images": "gray gray2 gray3", "plan": "plan"}),
    "integration.integration_output": Case(feeds={"image": "stack"}),
    "integration.integration_plan": Case(
        {"weight_mode": "dont_care"}, {"images": "gray gray2 gray3", "statistics": "location location2 location3"}
    ),
    "integration.local_normalization": Case({"no_scale": True}, {"reference": "gray2"}),
    "integration.master_bias": Case(feeds={"images": "gray gray2 gray3"}),
    "integration.master_dark": Case(feeds={"images": "gray gray2 gray3"}),
    "integration.master_flat": Case(feeds={"images": "gray gray2 gray3"}),
    "integration.rejected_samples": Case({"rejection": "min_max"}, {"images": "gray gray2 gray3", "plan": "plan"}),
    "integration.rejection_report": Case({"rejection": "min_max"}, {"images": "gray gray2 gray3", "plan": "plan"}),
    "io.frame_range": Case({"path": "{cube}"}),
    "io.frame_table": Case({"paths": ("{cube}", "{gray}")}),
    "io.read_frame": Case({"path": "{cube}", "index": 2}),
    "io.read_frames": Case({"paths": ("{cube}", "{gray}")}),
    "io.read_image": Case({"path": "{gray}"}),
    "io.read_series": Case({"paths": ("{gray}", "{gray2}")}),
    "math.pixel_math": Case({"expression": "mtf(0.3, $T) + 0.1*median($T)"}),
    "measure.image_difference": Case(feeds={"reference": "gray2"}),
    "measure.subframe_selector": Case({"approval": "NoiseSigma < 9", "weighting": "1/Noise"}, {"measures": "figures"}),
    "measure.subframe_summary": Case(feeds={"noise": "noise", "scale": "scale", "background": "background"}),
    "measure.subframe_weight": Case(feeds={"measures": "figures", "selection": "selection"}),
    "measure.reference_image": Case({"choose": "brightest"}, {"images": "gray gray2"}),
    "registration.choose_reference": Case(feeds={"stars": "stars stars2"}),
    "registration.comet_alignment": Case(
        {"rate_x": 12.0, "rate_y": -30.0}, {"images": "gray gray2", "transforms": "transform transform"}
    ),
    "registration.comet_motion": Case(
        {"positions": ((0, 20.0, 30.0), (1, 22.0, 25.0))},
        {"images": "gray gray2", "transforms": "transform transform"},
    ),
    "registration.comet_transform": Case(feeds={"image": "gray2", "motion": "motion"}),
    "measure.learn_link": Case({"area": "rect 5,5,70,50", "psf_fallback": "frame"}),
    "measure.learnt": Case({"learnt": value_text({p: {"n": 1.0} for p in ("measures", "psf", "stars", "region")})}),
    "measure.line_in_region": Case(
        feeds={"reference": "gray2", "measures": "region_figures", "reference_measures": "region_figures"}
    ),
    "measure.region_line": Case({"area": "rect 5,5,70,50"}, {"reference": "gray2"}),
    "measure.masked_samples": Case(feeds={"mask": "mask"}),
    "measure.masked_region": Case({"halo": 64}, {"kept": "mask"}),
    "measure.measure_region": Case({"area": "rect 5,5,70,50", "psf_fallback": "frame"}),
    "measure.region": Case({"area": "circle 40,30,20 except rect 35,25,10,10"}),
    "measure.region_measures": Case(feeds={"psf": "region_psf"}),
    "restoration.starlet_shrinkage": Case({"noise": (0.02,)}),
    "registration.reference_frame": Case(feeds={"images": "gray gray2", "choice": "choice"}),
    "registration.star_alignment": Case({"reference_index": 0}, {"images": "gray flipped"}),
    "registration.warp": Case(feeds={"reference": "gray2"}),
    "time.frame_photometry": Case(feeds={"frames": "gray gray2 gray3"}),
    "time.frame_series_measures": Case(feeds={"frames": "gray gray2 gray3"}),
    "time.region_mean": Case({"box": (20, 30, 25, 40)}),
    "time.region_levels": Case({"box": (20, 30, 25, 40)}, {"frames": "gray gray2 gray3"}),
    "time.series_sample": Case(feeds={"frames": "gray gray2 gray3"}),
    "time.fold": Case({"period": 300.0, "bins": 8}, {"frames": "{many}", "plan": "fit"}),
    "time.box_period": Case({"trv": "[TRV:8min..15min;shape=box;dur=2min]"}, {"series": "curve"}),
    "time.fold_curve": Case({"period": 300.0}, {"series": "curve", "plan": "fit"}),
    "time.fold_output": Case({"bins": 8}, {"image": "fold"}),
    "time.lerar_fold": Case(
        {"trv": "[TRV:5min]", "clip": 0.0, "bins": 8, "box": (20, 30, 25, 40)}, {"frames": "{many}", "times": "moments"}
    ),
    "time.lerar_link": Case(
        {"trv": "[TRV:5min]", "clip": 0.0, "fwhm": 2.0, "calibration": 100}, {"frames": "{many}", "times": "moments"}
    ),
    "time.lerar_link_map": Case(
        {"trv": "[TRV:3min]", "clip": 0.0, "box": (20, 30, 25, 40), "segments": 4},
        {"frames": "{many}", "times": "moments"},
    ),
    "time.lerar_search": Case(
        {"trv": "[TRV:3min..10min]", "clip": 0.0, "calibration": 100}, {"frames": "{many}", "times": "moments"}
    ),
    "time.lerar_sources": Case(
        {"max_sources": 5},
        {n: f"map:{n}" for n in SOURCE_MAPS} | {"report": "map:report", "times": "moments"}
    ),
    "time.link_clusters": Case(feeds={"image": "link"}),
    "time.link_output": Case(feeds={"image": "link"}),
    "time.link_to_seed": Case(
        {"frequency": 1 / 180, "segments": 4}, {"frames": "{many}", "plan": "fit", "seed": "curve"}
    ),
    "time.lock_in": Case(feeds={"frames": "{many}", "plan": "fit"}),
    "time.lock_in_output": Case(feeds={"image": "lock_in"}),
    "time.lock_in_plan": Case(
        {"trv": "[TRV:5min]", "clip": 0.0, "calibration": 100}, {"frames": "{many}", "times": "moments"}
    ),
    "time.region_light_curve": Case({"box": (20, 30, 25, 40)}, {"frames": "{many}", "plan": "fit"}),
    "time.sampling": Case({"trv": "[TRV:10min]"}),
    "time.series_table": Case({"gain": "ensemble"}, {"frames": "gray gray2 gray3", "photometry": "photometry"}),
    "time.seed_period": Case({"noise": "white", "clip": 0.0}, {"series": "curve"}),
    "time.side_noise": Case(feeds={"frames": "{many}", "plan": "fit"}),
    "time.significance_mask": Case({"correction": "none", "level": 0.3}, {"image": "map:significance"}),
    "time.source_light_curve": Case(
        {"row": 20.3, "column": 30.0, "aperture": 2.5}, {"frames": "{many}", "plan": "fit"}
    ),
    "time.spectrum": Case(feeds={"series": "curve", "plan": "fit"}),
    "time.time_axis": Case(feeds={"frames": "gray gray2 gray3"}),
    "stretch.histogram_transformation": Case({"shadows": 0.01, "midtones": 0.2}),
}


# For ports that want a series of many frames: three images again and again, a minute apart.
MANY = " ".join(["gray gray2 gray3"] * 16)


def picture(height: int, width: int, channels: int, seed: int, missing: bool = True) -> Pixels:
    """Return sky, noise, stars and a few missing samples, in 0..1."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    sky = 0.05 + 0.03 * x / max(1, width - 1) + rng.normal(0, 0.005, (channels, height, width))
    for _ in range(12):
        cy, cx, peak = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0.1, 0.8)
        sky += peak * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 4.5) * rng.uniform(0.5, 1, (channels, 1, 1))
    made = np.clip(sky, 0, 1).astype(np.float32)
    if missing and height > 20:
        made[:, 7, 11:14] = np.nan
    return made


def write(path: Path, pixels: Pixels) -> Path:
    data = pixels[0] if len(pixels) == 1 else pixels
    header = fits.Header([("LERBLO", 0.0), ("LERBHI", 1.0), ("ROWORDER", "TOP-DOWN")])
    # Ten minutes between gray, gray2 and gray3.
    minute = 10 * int(path.stem.removeprefix("gray")) if path.stem[-1].isdigit() else 10
    header["DATE-OBS"] = f"2025-01-15T20:{minute}:00"
    fits.PrimaryHDU(data, header).writeto(path)
    return path


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sky")
    made = {
        "gray": picture(67, 91, 1, 1), "gray2": picture(67, 91, 1, 2), "gray3": picture(67, 91, 1, 3),
        "rgb": picture(67, 91, 3, 4), "cube": picture(67, 91, 4, 5),
    }  # fmt: skip
    stamps = folder / "stamps.csv"
    minutes = [f"2025-01-15T{20 + i // 60}:{i % 60:02}:{37 * i * i % 58:02}" for i in range(len(MANY.split()))]
    stamps.write_text("filename,time,exposure\n" + "".join(f"{i}.fits,{t},1\n" for i, t in enumerate(minutes)))
    files = {name: write(folder / f"{name}.fits", pixels) for name, pixels in made.items()}
    return files | {"stamps": stamps}


def build(cls: type[Process], sky: dict[str, Path], g: Graph | None = None, suffix: str = "") -> Node:
    """Add *cls* and what feeds it to a graph."""
    g = Graph() if g is None else g
    case = CASES.get(cls.id, Case())
    feeds: dict[str, Any] = {}
    for port in cls.inputs:
        wanted = case.feeds.get(port.name, "" if port.optional else FEEDS[port.type])
        made = [feed(g, name, sky) for name in wanted.replace("{many}", MANY).split()]
        if made:
            feeds[port.name] = made if port.many else made[0]
    params = {k: located(v, sky) for k, v in case.params.items()}
    if not cls.outputs:
        params["path"] = str(next(iter(sky.values())).with_name(f"{cls.__name__}{suffix}.fits"))
    return g.add(cls.id, name=f"{cls.__name__}{suffix}", **feeds, **params)


def located(value: Any, sky: dict[str, Path]) -> Any:
    if isinstance(value, tuple):
        return tuple(located(v, sky) for v in value)
    return value.format(**sky) if isinstance(value, str) and value.startswith("{") else value


def feed(g: Graph, name: str, sky: dict[str, Path]) -> Any:
    if name in sky:
        return g[name] if name in g else g.add("ReadImage", name=name, path=str(sky[name]))
    if name in g:
        return g[name]
    gray = feed(g, "gray", sky)
    if name == "stf":
        return g.add("ScreenTransferFunction", name=name, image=gray).output()
    if name == "line":
        return g.add("LinearFit", name=name, image=gray, reference=feed(g, "gray2", sky)).line
    if name == "times":
        return g.add("TimeAxis", name=name, frames=[feed(g, n, sky) for n in ("gray", "gray2", "gray3")]).output()
    if name in ("moments", "fit", "curve", "lock_in", "fold", "link", "rows", "photometry") or name.startswith("map:"):
        return series_feed(g, name, sky)
    if name == "region":
        # Its window is the whole image.
        return g.add("Region", name=name, image=gray, area="rect 5,5,70,50", min_coverage=0.0).output()
    if name == "mask":
        return g.add("Invert", name=name, image=feed(g, "gray2", sky))
    if name == "region_figures":
        return g.add("RegionMeasures", name=name, image=gray, where=feed(g, "region", sky)).output("measures")
    if name == "region_psf":
        return g.add("RegionPsf", name=name, image=gray, where=feed(g, "region", sky), stars=feed(g, "stars", sky),
                     fits=feed(g, "psf", sky)).output("psf")  # fmt: skip
    if name == "threshold":
        return g.add("DarkThreshold", name=name, dark=feed(g, "gray2", sky)).output()
    if name == "defects":
        return g.add("DefectMap", name=name, dark=feed(g, "gray2", sky), hot_dark_level=0.3).output()
    if name == "deviation":
        return g.add("AverageDeviation", name=name, image=gray).output()
    if name in ("stars", "stars2", "choice", "transform", "flipped", "motion"):
        return registration_feed(g, name, sky)
    if name in ("plan", "stack", "location", "location2", "location3"):
        return integration_feed(g, name, sky)
    if name == "selection":
        return g.add("SubframeSelector", name=name, measures=feed(g, "figures", sky), weighting="1/Noise").output()
    if name in FRAME_MEASURES:
        more = {"stars": feed(g, "stars", sky)} if name == "psf" else {}
        return g.add(FRAME_MEASURES[name], name=name, image=gray, **more).output()
    return g.add("Statistics", name=name, image=gray).output()


FRAME_MEASURES = {
    "psf": "FitPsf", "noise": "Noise", "scale": "NoiseScale", "background": "LargeScaleBackground",
    "figures": "SubframeMeasures",
}  # fmt: skip


def registration_feed(g: Graph, name: str, sky: dict[str, Path]) -> Any:
    if name.startswith("stars"):
        return g.add("DetectStars", name=name, image=feed(g, name.replace("stars", "gray"), sky)).output()
    if name == "flipped":
        return g.add("Flip", name=name, image=feed(g, "gray", sky))
    if name == "motion":
        transform = feed(g, "transform", sky)
        images = [feed(g, n, sky) for n in ("gray", "gray2")]
        return g.add("CometMotion", name=name, images=images, transforms=[transform] * 2, reference=images[0],
                     rate_x=12.0, rate_y=-30.0).output()  # fmt: skip
    stars = feed(g, "stars", sky)
    if name == "choice":
        return g.add("ChooseReference", name=name, stars=[stars]).output("choice")
    return g.add("MatchStars", name=name, stars=stars, reference=stars).output()


def integration_feed(g: Graph, name: str, sky: dict[str, Path]) -> Any:
    if name.startswith("location"):
        image = feed(g, name.replace("location", "gray"), sky)
        return g.add("IntegrationStatistics", name=name, image=image).output()
    frames = {"images": [feed(g, n, sky) for n in ("gray", "gray2", "gray3")]}
    if name == "stack":
        return g.add("Integrate", name=name, plan=feed(g, "plan", sky), **frames).output()
    return g.add("IntegrationPlan", name=name, weight_mode="dont_care", normalization="no_normalization",
                 rejection_normalization="no_rejection_normalization", **frames).output()  # fmt: skip


def series_feed(g: Graph, name: str, sky: dict[str, Path]) -> Any:
    frames = [feed(g, n, sky) for n in MANY.split()]
    if name == "moments":
        return g.add("TimeAxis", name=name, frames=frames, table=str(sky["stamps"])).output()
    if name == "fit":
        moments = feed(g, "moments", sky)
        return g.add("LockInPlan", name=name, frames=frames, times=moments, trv="[TRV:5min]", clip=0.0,
                     calibration=100).output("fit")  # fmt: skip
    if name in ("rows", "photometry"):
        made = "FrameSeriesMeasures" if name == "rows" else "FramePhotometry"
        more: dict[str, Any] = {"gain": "none"} if name == "rows" else {"stars": feed(g, "stars", sky)}
        return g.add(made, name=name, frames=frames[:3], **more).output()
    if name.startswith("map:"):
        if "maps" not in g:
            # Three images again and again: they vary with three frames.
            g.add("LerarLink", name="maps", frames=frames, times=feed(g, "moments", sky), trv="[TRV:3min]", clip=0.0,
                  noise="white", fwhm=2.0, calibration=100)  # fmt: skip
        return g["maps"].output(name.removeprefix("map:"))
    plan = {"frames": frames, "plan": feed(g, "fit", sky)}
    if name == "link":
        seed = feed(g, "curve", sky)
        return g.add("LinkToSeed", name=name, seed=seed, frequency=1 / 180, segments=4, **plan).output()
    made = {"curve": "RegionLightCurve", "lock_in": "LockIn", "fold": "Fold"}[name]
    more = {"period": 300.0, "bins": 8} if name == "fold" else {}
    return g.add(made, name=name, **more, **plan).output()


def results(node: Node, **options: Any) -> dict[str, Any]:
    """Return all pixels and Values of a node's outputs."""
    cls = node._graph.spec(node.name).find()
    found: dict[str, Any] = {}
    for port in cls.outputs:
        output = node.output(port.name)
        if not port.is_image:
            plain = {k: v for k, v in options.items() if k != "strip_samples"}
            found[port.name] = output.value(**plain)
        else:
            image = output.image
            found |= {f"{port.name}[{i}]": image[i].compute(**options) for i in range(len(image))}
    return found


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) or (isinstance(a, float) and math.isnan(a) and math.isnan(b))


every = pytest.mark.parametrize("cls", ALL, ids=lambda c: c.__name__)
every_maker = pytest.mark.parametrize("cls", [c for c in ALL if c.outputs], ids=lambda c: c.__name__)


@every
def test_names_agree(cls: type[Process]) -> None:
    family, _, name = cls.id.partition(".")
    assert cls.__module__ == f"lerarlink.nodes.{family}.{name}"
    assert cls.__name__.lower() == name.replace("_", "")
    assert registry.find(cls.__name__) is cls is registry.find(cls.id)


@every
def test_everything_is_documented(cls: type[Process]) -> None:
    assert cls.__doc__
    assert cls.__doc__.strip().splitlines()[0].endswith(".")
    assert not cls.__doc__.startswith(f"{cls.__name__}(")  # that would be the dataclass speaking
    assert [s.name for s in cls.params.values() if not s.doc] == []
    several = [*cls.inputs, *cls.outputs] if len(cls.inputs) + len(cls.outputs) > 2 else []
    assert [p.name for p in several if not p.doc and p.name != "image"] == []


@every_maker
@pytest.mark.parametrize("strip_samples", [1, 91 * 5])
def test_strips_do_not_matter(cls: type[Process], strip_samples: int, sky: dict[str, Path], tmp_path: Path) -> None:
    whole = results(build(cls, sky), strip_samples=10**9, store=Store(tmp_path / "a"), scheduler="sync")
    thin = results(build(cls, sky), strip_samples=strip_samples, store=Store(tmp_path / "b"), workers=3)
    assert same(thin, whole)


def test_worker_processes_give_the_same_bits(sky: dict[str, Path], tmp_path: Path) -> None:
    """All processes in one graph, made by two worker processes and kept, against what threads make."""
    g = Graph()
    nodes = [build(c, sky, g) for c in ALL if c.outputs]
    for node in nodes:
        output = node.output()
        if g.spec(node.name).find().outputs[0].is_image:
            path = str(tmp_path / f"{node.name}-{{index}}.fits")
            g.add("WriteImage", name=f"out-{node.name}", image=output, path=path)
    first = g.run(scheduler="processes", workers=2, store=Store(tmp_path / "a"))
    made = {p: Path(p).read_bytes() for p in first.written}
    second = g.run(scheduler="threads", workers=3, store=Store(tmp_path / "b"), strip_samples=91 * 2)
    assert same(first.values, second.values)
    assert len(made) >= 20
    assert [p for p in second.written if Path(p).read_bytes() != made[p]] == []


@every
def test_building_computes_nothing(cls: type[Process], sky: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("computed while building")

    monkeypatch.setattr(Lane, "get", refuse)
    monkeypatch.setattr(cls, "pixels", refuse)
    monkeypatch.setattr(cls, "measure", refuse)
    node = build(cls, sky)
    for port in cls.outputs:
        if port.is_image:
            assert len(node.output(port.name).image) >= 1


@every_maker
def test_twice_gives_the_same_and_keys_tell_parameters_apart(cls: type[Process], sky: dict[str, Path]) -> None:
    assert same(results(build(cls, sky)), results(build(cls, sky)))


@every
def test_a_graph_with_it_comes_back_from_a_file(cls: type[Process], sky: dict[str, Path], tmp_path: Path) -> None:
    g = Graph()
    node = build(cls, sky, g)
    for suffix in (".lerar", ".yaml"):
        g.save(tmp_path / f"g{suffix}")
        back = Graph.load(tmp_path / f"g{suffix}")
        assert [back.spec(n) for n in sorted(back)] == [g.spec(n) for n in sorted(g)]
        assert {n: back.feeds(n) for n in back} == {n: g.feeds(n) for n in g}
        for port in (p for p in cls.outputs if p.is_image):
            images = back[node.name].output(port.name).image, node.output(port.name).image
            frames = range(len(images[0])) if len(images[0]) > 1 else [None]
            assert len({ImageHandle(i.graph, i.link, n).key for i in images for n in frames}) == len(frames)


def limits(cls: type[Process]) -> Iterator[tuple[Spec, Any]]:
    for spec in cls.params.values():
        for limit, step in ((spec.low, -1), (spec.high, 1)):
            if limit is not None and spec.type in (int, float):
                yield spec, spec.type(limit + step)


@every
def test_parameters_out_of_range_are_refused(cls: type[Process], sky: dict[str, Path]) -> None:
    params = {k: located(v, sky) for k, v in CASES.get(cls.id, Case()).params.items()}
    required = {s.name: ("x",) if "tuple" in str(s.type) else "x" for s in cls.params.values() if s.required}
    for spec, beyond in limits(cls):
        with pytest.raises(ParameterError, match=spec.name):
            cls.build({**required, **params, spec.name: beyond})
    with pytest.raises(ParameterError, match="has no parameter 'no_such_thing'"):
        cls.build({**required, **params, "no_such_thing": 1})


@every_maker
@pytest.mark.parametrize("kind", ["missing", "1x1", "1x40", "40x1", "constant", "zeros"])
def test_odd_images_are_done_or_refused_in_a_sentence(
    cls: type[Process], kind: str, sky: dict[str, Path], tmp_path: Path
) -> None:
    sizes = {"1x1": (1, 1), "1x40": (1, 40), "40x1": (40, 1)}
    odd: dict[str, Path] = {}
    for n, name in enumerate(sky):
        pixels = picture(*sizes.get(kind, (33, 21)), 3 if name == "rgb" else 1, n, missing=False)
        if kind in ("missing", "constant", "zeros"):
            pixels[:] = {"missing": np.nan, "constant": 0.25, "zeros": 0.0}[kind]
        odd[name] = write(tmp_path / f"{name}.fits", pixels)
    try:
        found = results(build(cls, odd))
    except EngineError as e:
        told = str(e)
        assert len(told) > 20
        assert "Traceback" not in told
        bugs = ("IndexError", "TypeError", "KeyError", "AttributeError", "ValueError")
        assert not any(f"{bug}:" in told for bug in bugs)
    else:
        assert found


@every_maker
def test_missing_samples_do_not_spread_and_are_not_invented(cls: type[Process], sky: dict[str, Path]) -> None:
    if cls.id in ("cfa.split_cfa", "cfa.merge_cfa"):
        pytest.skip("they have more or fewer samples than one input, and are tested in tests/cfa")
    if cls.id.startswith("geometry.res") or cls.id == "geometry.integer_resample":
        pytest.skip("resampling has its own rule for missing samples, tested in tests/geometry")
    if cls.id == "measure.masked_samples":
        pytest.skip("it is there to leave samples out, tested in tests/learn")
    if cls.id == "time.region_mean":
        pytest.skip("one pixel stands for a region, of which missing samples do not count")
    if cls.id in ("time.lerar_link_map", "time.link_to_seed"):
        pytest.skip("the seed's pixels and what does not vary have no value, tested in tests/time")
    if cls.id == "time.significance_mask":
        pytest.skip("what is missing is not marked, tested in tests/time")
    for port in (p for p in cls.outputs if p.is_image and p.name != "detected"):
        image = build(cls, sky).output(port.name).image
        tile = (image[0] if len(image) > 1 else image).compute()
        assert 1 <= np.isnan(tile).any(axis=0).sum() <= 9, "three samples of each input are missing"


def figures(value: Any) -> Any:
    """Return a few numbers that stand for an array or Value, to seven digits."""
    if isinstance(value, np.ndarray):
        a = value.astype(np.float64).ravel()
        if not np.isfinite(a).any():
            return {"shape": list(value.shape), "figures": []}
        picks = a[:: max(1, a.size // 7)][:7]
        told = [np.nanmean(a), np.nanstd(a), np.nanmin(a), np.nanmax(a), *picks]
        return {"shape": list(value.shape), "figures": [None if math.isnan(t) else float(f"{t:.7g}") for t in told]}
    if isinstance(value, dict):
        return {k: figures(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [figures(v) for v in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.7g}")
    return value


def close(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, float) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=2e-6, abs_tol=2e-6)
    return bool(a == b)


@every_maker
def test_golden_figures(cls: type[Process], sky: dict[str, Path]) -> None:
    """Pixels changed? Raise the process's version, then LERAR_GOLDEN=write."""
    told = {"version": cls.version, "results": figures(results(build(cls, sky)))}
    kept = yaml.safe_load(GOLDEN.read_text("utf-8")) if GOLDEN.exists() else {}
    if os.environ.get("LERAR_GOLDEN") == "write":
        GOLDEN.write_text(yaml.safe_dump({**kept, cls.id: told}, default_flow_style=None, width=120), "utf-8")
        return
    assert cls.id in kept, "no golden figures yet: LERAR_GOLDEN=write"
    assert kept[cls.id]["version"] == cls.version, "the version changed: LERAR_GOLDEN=write"
    assert close(told["results"], kept[cls.id]["results"]), "pixels changed: raise the version"


def test_the_reference_page_is_what_the_declarations_say() -> None:
    from lerarlink.tools.process_pages import page

    kept = Path(__file__).parents[1] / "docs" / "processes.md"
    assert kept.read_text("utf-8") == page(), "run python -m lerarlink.tools.process_pages"


def test_cases_speak_of_processes_that_exist() -> None:
    assert set(CASES) <= {c.id for c in ALL}
    assert all(dataclasses.is_dataclass(c) for c in ALL)
    assert len(ALL) >= 25


