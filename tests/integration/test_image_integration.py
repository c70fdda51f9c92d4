"""ImageIntegration as users meet it: files in, an image, maps and measures out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine.errors import EngineError
from lerarlink.engine.graph import Node
from lerarlink.nodes.integration._csv_weights import read_weights
from lerarlink.nodes.integration._integration import large_structures

WHITE = 65535.0
SSWEIGHT = [{"SSWEIGHT": v} for v in (8, 2, 4)]
Stack = Callable[..., tuple[Graph, list[Node]]]


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """Return a function that writes arrays to FITS files and adds them to a graph."""

    def made(
        images: Sequence[npt.NDArray[Any]], words: Sequence[dict[str, Any]] = (), white: Sequence[float] = ()
    ) -> Any:
        g = Graph()
        nodes = []
        for i, image in enumerate(images):
            top = white[i] if white else WHITE
            header = fits.Header([("LERBLO", 0.0), ("LERBHI", top), *(words[i].items() if words else ())])
            fits.PrimaryHDU(image.astype(np.float32), header).writeto(tmp_path / f"{i}.fits", overwrite=True)
            nodes.append(g.add("ReadImage", name=f"frame{i}", path=str(tmp_path / f"{i}.fits")))
        return g, nodes

    return made


def sky(n: int, seed: int = 0, shape: tuple[int, int] = (80, 120), levels: Any = None, sigmas: Any = None) -> list[Any]:
    rng = np.random.default_rng(seed)
    levels = [1000.0] * n if levels is None else levels
    sigmas = [10.0] * n if sigmas is None else sigmas
    return [rng.normal(level, sigma, shape).astype(np.float32) for level, sigma in zip(levels, sigmas, strict=True)]


def side_scales(x: npt.NDArray[Any]) -> tuple[float, float, float]:
    """Return median and both roots of the biweight midvariance, written from the formula."""
    x = x.astype(np.float64)
    m = float(np.median(x))
    found = []
    for side in (x[x <= m], x[x > m]):
        d = side - m
        y = d / (9 * np.median(abs(d)))
        i = abs(y) < 1
        top = len(d) * (d[i] ** 2 * (1 - y[i] ** 2) ** 4).sum()
        found.append(math.sqrt(top) / abs(((1 - y[i] ** 2) * (1 - 5 * y[i] ** 2)).sum()))
    return m, found[0], found[1]


def test_statistics_follow_the_formulas(stack: Stack) -> None:
    (image,) = sky(1, 3)
    image[:5] = 0.0
    image[5:10] = WHITE
    image[10, :50] = np.nan
    g, (frame,) = stack([image])
    told = g.add("IntegrationStatistics", image=frame).value()["channels"][0]
    x = image[np.isfinite(image) & (image > 1) & (image < WHITE - 1)].astype(np.float64)
    m, low, high = side_scales(x)
    assert told["median"] == m
    assert told["count"] == x.size
    assert told["scale_low"] == pytest.approx(low, rel=1e-9)
    assert told["scale_high"] == pytest.approx(high, rel=1e-9)
    assert told["avg_dev"] == pytest.approx(float(abs(x - m).mean()), rel=1e-9)
    assert told["noise_scale_low"] == pytest.approx(math.sqrt(((x[x < m] - m) ** 2).mean()), rel=1e-3)


@pytest.mark.parametrize(
    ("mode", "formula"),
    [
        ("no_normalization", lambda x, s, r: x),
        ("additive", lambda x, s, r: x + r[0] - s[0]),
        ("multiplicative", lambda x, s, r: x * r[0] / s[0]),
        ("additive_with_scaling", lambda x, s, r: (x - s[0]) * (r[1] / s[1] + r[2] / s[2]) / 2 + r[0]),
        ("multiplicative_with_scaling", lambda x, s, r: x / s[0] * (r[1] / s[1] + r[2] / s[2]) / 2 * r[0]),
    ],
)
def test_images_are_normalised_to_the_first(mode: str, formula: Callable[..., Any], stack: Stack) -> None:
    images = sky(3, 1, levels=[1000, 1500, 800], sigmas=[10, 25, 5])
    g, nodes = stack(images)
    out = g.add("ImageIntegration", images=nodes, normalization=mode, weight_mode="dont_care").compute()[0]
    scales = [side_scales(image) for image in images]
    wanted = np.mean([formula(i.astype(np.float64), s, scales[0]) for i, s in zip(images, scales, strict=True)], axis=0)
    assert np.allclose(out, wanted, rtol=3e-7)


def test_rejection_looks_at_normalised_images(stack: Stack) -> None:
    images = sky(7, 2, levels=[1000, 2000, 3000, 500, 700, 900, 1100])
    images[3][10, 10] += 300
    images[2][20, 20] -= 300
    g, nodes = stack(images)
    node = g.add("ImageIntegration", images=nodes, rejection="winsorized_sigma_clip", sigma_low=5.0, sigma_high=5.0)
    low, high = node.rejection_low.image.compute()[0], node.rejection_high.image.compute()[0]
    assert high[10, 10] == low[20, 20] == np.float32(1 / 7)
    assert (high > 0).mean() < 0.05  # winsorised sigmas of seven samples reject some clean ones
    out = node.compute()[0]
    assert abs(out - 1000).max() < 30


def test_holes_missing_samples_and_the_range_take_part_in_nothing(stack: Stack) -> None:
    images = sky(4, 4)
    images[1][3, 3], images[2][3, 4], images[3][3, 5] = 0.0, np.nan, 64500.0
    images[0][9, 9] = images[1][9, 9] = images[2][9, 9] = images[3][9, 9] = np.nan
    for k, v in enumerate((0.0, 0.0, np.nan, 0.0)):
        images[k][9, 10] = v
    g, nodes = stack(images)
    plain = {"normalization": "no_normalization", "weight_mode": "dont_care", "images": nodes}
    node = g.add("ImageIntegration", range_clip_high=True, **plain)
    out, weight = node.compute()[0], node.weight.image.compute()[0]
    cube = np.stack(images).astype(np.float64)
    assert out[3, 3] == pytest.approx(cube[[0, 2, 3], 3, 3].mean())
    assert out[3, 4] == pytest.approx(cube[[0, 1, 3], 3, 4].mean())
    assert out[3, 5] == pytest.approx(cube[[0, 1, 2], 3, 5].mean())
    assert weight[3, 2:6].tolist() == [1, 0.75, 0.75, 0.75]
    assert np.isnan(out[9, 9])
    assert np.isnan(weight[9, 9])
    assert out[9, 10] == weight[9, 10] == 0.0  # the median of its raw samples
    # A hole is at the lower limit and so in the map; a missing sample is not.
    assert node.rejection_low.image.compute()[0, 3, 3:6].tolist() == [0.25, 0, 0]
    assert node.rejection_high.image.compute()[0, 3, 3:6].tolist() == [0, 0, 0.25]
    silent = g.add("ImageIntegration", map_range_rejection=False, range_clip_high=True, **plain)
    assert not np.nan_to_num(silent.rejection_high.image.compute()).any()
    (report,) = [f for f in silent.value("measures")["frames"] if f["image"] == 3]
    assert report["beyond_range"] == [2 / cube[0].size]


def test_images_of_other_bounds_count_as_their_light(stack: Stack) -> None:
    images = sky(3, 5)
    g, nodes = stack([images[0], images[1] / WHITE, images[2]], white=[WHITE, 1.0, WHITE])
    node = g.add("ImageIntegration", images=nodes, weight_mode="dont_care", normalization="no_normalization")
    assert np.allclose(node.compute()[0], np.mean(images, axis=0), rtol=1e-6)
    assert node.image.frame.bounds == (0.0, WHITE)


@pytest.mark.parametrize(
    ("params", "words", "wanted"),
    [
        ({"weight_mode": "exposure_time"}, [{"EXPTIME": 60.0}, {"EXPTIME": 120.0}, {"EXPTIME": 30.0}], [0.5, 1, 0.25]),
        ({"weight_mode": "keyword_weight", "weight_keyword": "SSWEIGHT"}, SSWEIGHT, [1, 0.25, 0.5]),
        ({"weight_mode": "dont_care"}, [], [1, 1, 1]),
    ],
)  # fmt: skip
def test_weights_of_the_header(
    params: dict[str, Any], words: list[dict[str, Any]], wanted: list[float], stack: Stack
) -> None:
    images = sky(3, 6)
    g, nodes = stack(images, words)
    node = g.add("ImageIntegration", images=nodes, normalization="no_normalization", **params)
    assert [f["weight"] for f in node.value("measures")["frames"]] == [[w] for w in wanted]
    assert np.allclose(node.compute()[0], np.average(images, axis=0, weights=wanted), rtol=1e-6)


def test_noisier_images_count_less(stack: Stack) -> None:
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:256, :300]
    stars = sum(3000 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 8) for a, b in rng.uniform(10, 240, (20, 2)))
    images = [1000 + stars + rng.normal(0, s, y.shape) for s in (10, 20, 10)]
    g, nodes = stack(images)
    noise = [g.add("Noise", image=n).value()["channels"][0] for n in nodes]
    assert [n["noise"] for n in noise] == pytest.approx([10, 20, 10], rel=0.03)
    told = [f["weight"][0] for f in g.add("ImageIntegration", images=nodes).value("measures")["frames"]]
    stats = [g.add("IntegrationStatistics", image=n).value()["channels"][0] for n in nodes]
    ratio = [(s["noise_scale_low"] + s["noise_scale_high"]) / 2 / n["noise"] for s, n in zip(stats, noise, strict=True)]
    assert told == pytest.approx([(r / max(ratio)) ** 2 for r in ratio])


def test_linked_weights(stack: Stack) -> None:
    from lerarlink.nodes.integration._factors import from_measures

    assert from_measures("psf_signal_weight", {"PSFSignalWeight": 2.5}, 0, 3) == [2.5] * 3
    assert from_measures("psf_snr", {"channels": [{"PSFSNR": 1}, {"PSFSNR": 2}]}, 0, 2) == [1.0, 2.0]
    with pytest.raises(EngineError, match=r"'PSFSNR' in the linked weights .* image 4 has fwhm"):
        from_measures("psf_snr", {"fwhm": 2.0}, 4, 1)
    g, nodes = stack(sky(3))
    with pytest.raises(EngineError, match="wants the input 'weights', nothing is linked"):
        g.add("ImageIntegration", images=nodes, weight_mode="psf_snr").compute()


def test_images_that_cannot_count_are_left_out_and_told(stack: Stack) -> None:
    images = sky(5, 9)
    images[1][:] = np.nan
    images[3][:] = 500.0
    g, nodes = stack(images, [{"EXPTIME": t} for t in (60.0, 60.0, 60.0, 60.0, 0.1)])
    node = g.add("ImageIntegration", images=nodes, weight_mode="exposure_time")
    told = node.value("measures")["frames"]
    assert "no sample between black and white" in told[1]["excluded"]
    assert "no dispersion" in told[3]["excluded"]
    assert "0.00167 of the greatest, at least 0.005" in told[4]["excluded"]
    scales = [side_scales(images[i]) for i in (0, 2)]
    s = (scales[0][1] / scales[1][1] + scales[0][2] / scales[1][2]) / 2
    second = (images[2].astype(np.float64) - scales[1][0]) * s + scales[0][0]
    assert np.allclose(node.compute()[0], (images[0] + second) / 2, rtol=1e-6)


def test_the_reference_is_the_first_that_can_be_or_the_best(stack: Stack) -> None:
    images = sky(4, 16, levels=[500, 900, 1000, 1100])
    images[0][:] = np.nan
    g, nodes = stack(images, [{"SSWEIGHT": v} for v in (9, 1, 3, 2)])
    plain: dict[str, Any] = {"images": nodes, "weight_mode": "keyword_weight", "weight_keyword": "SSWEIGHT"}
    for reference, at, level in (("first", 1, 900), ("best", 2, 1000)):
        node = g.add("ImageIntegration", name=reference, normalization_reference=reference, **plain)
        assert float(np.median(node.compute())) == pytest.approx(level, abs=2)
        told = node.value("measures")
        assert told["reference"] == at
        assert (told["normalization"], told["weight_mode"]) == ("additive_with_scaling", "keyword_weight")
        assert told["frames"][at]["output"] == [[1.0, 0.0]]
        assert [f["image"] for f in told["frames"]] == [0, 1, 2, 3]
        assert "no sample between black and white" in told["frames"][0]["excluded"]
        assert [f["weight"][0] for f in told["frames"][1:]] == pytest.approx([1 / 3, 1, 2 / 3])
    g, nodes = stack([np.full((8, 9), np.nan)] * 2)
    with pytest.raises(EngineError, match="no image is left to be integrated: image 0: it has no sample"):
        g.add("ImageIntegration", images=nodes, weight_mode="dont_care").compute()


def test_weights_come_from_a_table(stack: Stack, tmp_path: Path) -> None:
    g, nodes = stack(sky(3, 17))
    table = tmp_path / "weights.csv"
    node = g.add("ImageIntegration", images=nodes, weight_mode="csv_weights_file", csv_weights_file=str(table))
    table.write_text("# name, weight\n/a/1.fits, 1\n\n/a/2.fits,4\n/a/3.fits,2\n")
    assert [f["weight"][0] for f in node.value("measures")["frames"]] == [0.25, 1.0, 0.5]
    for text, told in (
        ("a,1\nb,2\n", "weights of 2 images, 3 are to be integrated"),
        ("a,1\nb,two\nc,1\n", "line 2: a name and 1 weight are wanted, got 'b,two'"),
    ):
        table.write_text(text)
        with pytest.raises(EngineError, match=told):
            node.value("measures")
    with pytest.raises(EngineError, match=r"go together, got 'auto' and 'w\.csv'"):
        g.add("ImageIntegration", images=nodes, csv_weights_file="w.csv")
    assert read_weights(str(_written(table, "a,1\nb,1,2,3\n")), 2, 3) == [[1.0] * 3, [1.0, 2.0, 3.0]]


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_too_few_images_and_other_sizes_are_told(stack: Stack) -> None:
    g, nodes = stack([*sky(2), sky(1, shape=(80, 121))[0]])
    with pytest.raises(EngineError, match="'sigma_clip' wants at least 3 images, got 2"):
        g.add("ImageIntegration", images=nodes[:2], rejection="sigma_clip").compute()
    with pytest.raises(EngineError, match="'linear_fit' wants at least 5 images, got 3"):
        g.add("ImageIntegration", images=nodes, rejection="linear_fit").compute()
    with pytest.raises(EngineError, match=r"image 0 is 120x80 .* image 2 is 121x80"):
        g.add("ImageIntegration", images=nodes).compute()
    with pytest.raises(EngineError, match="wants the input 'normalized', nothing is linked"):
        g.add("ImageIntegration", images=nodes[:2], normalization="local_normalization").compute()
    one = g.add("ImageIntegration", images=nodes[:1], weight_mode="dont_care")
    assert np.array_equal(one.compute(), nodes[0].compute())


def test_locally_normalised_images_are_combined_but_holes_are_those_of_the_raw_ones(stack: Stack) -> None:
    images = sky(4, 10)
    images[2][5, 5] = 0.0
    g, nodes = stack(images)
    shifted = [g.add("PixelMath", image=n, expression="$T + 0.001") for n in nodes]
    node = g.add(
        "ImageIntegration", images=nodes, normalized=shifted, weight_mode="dont_care", rejection="min_max",
        normalization="local_normalization", rejection_normalization="local_rejection_normalization",
    )  # fmt: skip
    cube = np.sort(np.stack(images), axis=0)[1:3].astype(np.float64).mean(axis=0) + 0.001 * WHITE
    out = node.compute()[0]
    cube[5, 5] = out[5, 5]
    assert np.allclose(out, cube, rtol=1e-6)
    assert node.weight.image.compute()[0, 5, 5] == 0.25


def test_large_structures_are_grown_and_specks_are_not() -> None:
    plane = np.zeros((80, 90), bool)
    plane[30:41] = True
    plane[60, 40:42] = True
    grown = large_structures(plane, 2, 3)
    rows = np.flatnonzero(grown[:, 45])
    assert (rows.min(), rows.max()) == (27, 43)
    assert not grown[55:70].any()


def test_a_trail_is_rejected_with_its_wings(stack: Stack) -> None:
    rng = np.random.default_rng(11)
    images = [rng.normal(1000, 10, (150, 160)) for _ in range(9)]
    across = np.arange(150)[:, None] - 75
    images[4] += 3000 * np.exp(-(across**2) / (2 * 3.0**2)) * np.ones((1, 160))
    g, nodes = stack(images)
    plain = {
        "images": nodes,
        "weight_mode": "dont_care",
        "normalization": "no_normalization",
        "rejection": "winsorized_sigma_clip",
    }
    only = g.add("ImageIntegration", name="only", **plain)
    large = g.add("ImageIntegration", name="large", large_scale_clip_high=True, large_scale_clip_high_growth=5, **plain)
    wings = [r for r in range(150) if 9 <= abs(r - 75) <= 11]
    residue = [abs(float(n.compute()[0][wings].mean() - 1000)) for n in (only, large)]
    assert residue[0] > 1.0
    assert residue[1] < 0.4
    assert large.rejection_high.image.compute()[0, 68:83].min() >= np.float32(1 / 9)
    thin = large.compute(strip_samples=160 * 11)
    assert np.array_equal(thin, large.compute())


@pytest.mark.parametrize(("name", "n", "chosen"), [
    ("MasterBias", 2, "no_rejection"), ("MasterBias", 4, "percentile_clip"),
    ("MasterDark", 16, "winsorized_sigma_clip"),
    ("MasterFlat", 15, "winsorized_sigma_clip"), ("MasterFlat", 16, "linear_fit"),
])  # fmt: skip
def test_masters_choose_their_rejection_by_how_many_frames_there_are(
    name: str, n: int, chosen: str, stack: Stack
) -> None:
    images = sky(n, 12, shape=(20, 60), levels=[20000 - 300 * k for k in range(n)])
    images[0][4, 4] = 60000
    g, nodes = stack(images)
    master = g.add(name, images=nodes)
    flat = name == "MasterFlat"
    same = g.add(
        "ImageIntegration", images=nodes, weight_mode="dont_care", rejection=chosen, linear_fit_high=3.5,
        normalization="multiplicative" if flat else "no_normalization", range_clip_low=flat,
        rejection_normalization="equalize_fluxes" if flat else "no_rejection_normalization",
    )  # fmt: skip
    assert np.array_equal(master.compute(), same.compute())
    wanted = 20000 if flat else np.mean([20000 - 300 * k for k in range(n)])
    assert float(np.median(master.compute())) == pytest.approx(wanted, rel=2e-3)
    assert (master.compute()[0, 4, 4] < 20100) == (chosen != "no_rejection")


def test_colour_channels_are_integrated_each_on_its_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(13)
    g = Graph()
    cubes, nodes = [], []
    for i in range(4):
        cubes.append(rng.normal([[[900]], [[1000]], [[1200 + 50 * i]]], 8, (3, 30, 40)).astype(np.float32))
        header = fits.Header([("LERBLO", 0.0), ("LERBHI", WHITE)])
        fits.PrimaryHDU(cubes[-1], header).writeto(tmp_path / f"{i}.fits", overwrite=True)
        nodes.append(g.add("ReadImage", path=str(tmp_path / f"{i}.fits")))
    node = g.add("ImageIntegration", images=nodes, normalization="additive", weight_mode="dont_care")
    shifted = np.stack(
        [
            c + (np.median(cubes[0].astype(float), (1, 2)) - np.median(c.astype(float), (1, 2)))[:, None, None]
            for c in cubes
        ]
    )
    assert np.allclose(node.compute(), shifted.mean(axis=0), rtol=1e-6)
    assert (node.image.frame.color, node.image.frame.channels) == ("rgb", 3)
    assert len(node.value("measures")["frames"][0]["rejected_low"]) == 3


def test_fates_add_up_and_maps_agree_with_the_report(stack: Stack) -> None:
    images = sky(12, 14, shape=(100, 90))
    for i, image in enumerate(images):
        image[i, :] += 500
        image[50, i] = np.nan
    g, nodes = stack(images)
    node = g.add("ImageIntegration", images=nodes, rejection="esd", weight_mode="dont_care")
    told = node.value("measures")["frames"]
    for side in ("low", "high"):
        total = sum(f[f"rejected_{side}"][0] * (1 - f["missing"][0]) for f in told) / 12
        assert total == pytest.approx(float(node.output(f"rejection_{side}").image.compute().mean()), rel=1e-4)
    assert all(f["rejected_high"][0] > 0.009 for f in told)
    assert all(f["missing"] == [1 / 9000] for f in told)


def test_real_frames(real_data: Callable[[str], Path]) -> None:
    folder = real_data("hatp32-microobservatory")
    paths = sorted(p for p in folder.rglob("*") if p.name.endswith((".fits", ".fits.fz")))[:8]
    if len(paths) < 5:
        pytest.skip("fewer than five frames here")
    g = Graph()
    nodes = [g.add("ReadImage", name=f"r{i}", path=str(p)) for i, p in enumerate(paths)]
    node = g.add("ImageIntegration", images=nodes, rejection="winsorized_sigma_clip")
    out, first = node.compute(), nodes[0].compute()
    assert out.shape == first.shape
    assert float(np.median(out)) == pytest.approx(float(np.median(first)), rel=0.02)
    # Unregistered stars smear out, the noise of the sky falls all the same.
    assert np.std(np.diff(out[0, 5::7], axis=1)) < np.std(np.diff(first[0, 5::7], axis=1))
    told = node.value("measures")["frames"]
    assert [f["excluded"] for f in told] == [""] * 8  # although half of one frame's lower side equals its median
    assert all(0.7 < f["scale"][0] < 1.3 for f in told)
    assert all(0 <= f["rejected_high"][0] < 0.2 for f in told)


def test_star_measures_weigh_and_local_normalization_levels(stack: Stack) -> None:
    rng = np.random.default_rng(15)
    y, x = np.mgrid[:200, :240]
    places = zip(rng.uniform(15, 185, 25), rng.uniform(15, 225, 25), rng.uniform(2000, 20000, 25), strict=True)
    stars = sum(f * (1 + ((y - a) ** 2 + (x - b) ** 2) / 6) ** -2.5 for a, b, f in places)
    images = [1000 + k * 0.3 * x + (1 - 0.2 * k) * stars + rng.normal(0, 8, y.shape) for k in range(3)]
    g, nodes = stack(images)
    measures = [g.add("SubframeMeasures", image=n).measures for n in nodes]
    node = g.add("ImageIntegration", images=nodes, weights=measures, min_weight=0.0)
    told = [f["weight"][0] for f in node.value("measures")["frames"]]
    signal = [m.value()["PSFSignalWeight"] for m in measures]
    assert told == pytest.approx([s / max(signal) for s in signal])
    assert told[0] == 1.0 > told[1] > told[2]
    level = g.add(
        "ImageIntegration",
        images=nodes,
        normalized=[g.add("LocalNormalization", image=n, reference=nodes[0], scale=128) for n in nodes],
        normalization="local_normalization",
        weight_mode="dont_care",
    ).compute()[0]
    assert abs(np.median(level[:, 200:]) - np.median(level[:, :40])) < 6  # 48 on average without
