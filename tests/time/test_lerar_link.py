"""The links over time as nodes: simulated stars against least squares, and the same bits however they are made."""

from __future__ import annotations

import functools
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lerarlink import Graph
from lerarlink.engine.api import Frame, Known, Port, Process, Tile, param, series_value, table_value, times_value
from lerarlink.engine.errors import EngineError
from lerarlink.engine.store import Store

PERIOD = 14.8
TRV = "[TRV:14.8s+-0.0001s]"
FWHM = 3.0
SIGMA = FWHM / 2.3548
_SERIES: dict[str, dict[str, Any]] = {}


class Moments(Process, id="test.moments"):
    """Times and a frame table that a test put aside."""

    inputs = ()
    outputs = (Port("times", "times", doc="times"), Port("table", "table", doc="a row a frame"))
    held: str = param(doc="what it was put away under")

    def compute(self, known: Known) -> dict[str, Any]:
        return _SERIES[self.held]

    def value(self, port: str, measured: Any) -> Any:
        return measured if measured is None else measured[port]


class Seed(Process, id="test.seed"):
    """A light curve that a test put aside."""

    inputs = ()
    outputs = (Port("series", "series", doc="light curve"),)
    held: str = param(doc="what it was put away under")

    def compute(self, known: Known) -> dict[str, Any]:
        return _SERIES[self.held]["series"]


class Exposure(Process, id="test.exposure"):
    """One frame of a series that a test put aside."""

    inputs = ()
    held: str = param(doc="what it was put away under")
    index: int = param(default=0, doc="of the frame")
    state: str = param(default="linear", doc="linear or display")

    def frame(self, known: Known) -> Frame:
        height, width = _SERIES[self.held]["frames"][self.index].shape
        return Frame(width=width, height=height, bounds=(0.0, 65535.0), state=self.state)  # type: ignore[arg-type]

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        b, held = known.box, _SERIES[self.held]
        held["pulled"] += b.height
        return held["frames"][self.index][None, b.y0 : b.y1, b.x0 : b.x1].copy()


Scene = tuple[np.ndarray, np.ndarray, np.ndarray]


def scene_times(seed: int, count: int) -> np.ndarray:
    """Return mid-exposures 5 s apart, with jitter and two gaps, to the nanosecond."""
    t = np.arange(count) * 5.0 + np.random.default_rng(seed).uniform(-0.4, 0.4, count)
    t[count // 3 :] += 137.3
    t[count * 43 // 60 :] += 61.9
    return np.round(t, 9)


def star(y: float, x: float, shape: tuple[int, int]) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 2 / SIGMA**2)


@functools.cache
def scene(count: int = 120, shape: tuple[int, int] = (24, 22), amplitude: float = 8.0, dirt: float = 3e-3) -> Scene:
    """Return times, frames' noises and frames: a varying star at (10, 12), one at (18, 5) that comes 3 s later."""
    rng = np.random.default_rng(5)
    t, sigma = scene_times(5, count), 10 * np.exp(rng.normal(0, 0.1, count))
    y = rng.normal(0, 1, (count, *shape)) * sigma[:, None, None] + 500
    w = 2 * np.pi * (t - t[0]) / PERIOD
    y += amplitude * np.cos(w - 1.0)[:, None, None] * star(10, 12, shape)
    y += amplitude * np.cos(w - 1.0 - 2 * np.pi * 3 / PERIOD)[:, None, None] * star(18, 5, shape)
    if dirt:
        y[rng.random(y.shape) < dirt] += 3000
        y[rng.random(y.shape) < dirt] = np.nan
        y[: count // 10, 6, 7] = np.nan
        y[:, 3, 4] = np.nan
    return t, sigma, y.astype(np.float32)


def linked(
    process: str, made: Scene, order: Any = None, *, exposure: float = 0.0, row_time: float = 0.0,
    columns: dict[str, Any] | None = None, state: str = "linear", **params: Any,
) -> Any:  # fmt: skip
    """Return a process fed by a series, in a graph of its own."""
    t, sigma, frames = made
    order = np.arange(len(t)) if order is None else order
    held = str(len(_SERIES))
    ns = [round(float(s) * 1e9) for s in t[order]]
    by_time = np.argsort(t[order], kind="stable").tolist()
    _SERIES[held] = {
        "times": times_value(ns, [exposure] * len(ns), epoch="2026-01-01T00:00:00", order=by_time,
                             row_time_s=row_time),
        "table": table_value({"sigma": [float(s) for s in sigma[order]], **(columns or {})}),
        "frames": frames, "pulled": 0,
    }  # fmt: skip
    g = Graph()
    images = [g.add(Exposure, held=held, index=int(i), state=state) for i in order]
    moments = g.add(Moments, held=held)
    return g.add(process, frames=images, times=moments.times, measures=moments.table, **params)


def planes(node: Any, *names: str, store: Store | None = None, **options: Any) -> dict[str, np.ndarray]:
    more = options if store is None else {**options, "store": store}
    return {name: node.output(name).image[0].compute(**more)[0] for name in names}


# -- LerarLink --------------------------------------------------------------------------------------


def fitted(y: np.ndarray, t: np.ndarray, w: np.ndarray, degree: int, keep: np.ndarray) -> dict[str, float]:
    """Fit the frames of one pixel that are kept by LAPACK."""
    x = (t - t.mean()) / np.ptp(t)
    angle = 2 * np.pi * (t - t[0]) / PERIOD
    base = [x**k for k in range(degree + 1)]
    r, chi2 = np.sqrt(w)[keep], []
    for rows in (base, [*base, np.cos(angle), np.sin(angle)]):
        design = np.array(rows)[:, keep]
        found = np.linalg.lstsq((design * r).T, y[keep] * r, rcond=None)[0]
        chi2.append(float((((y[keep] - found @ design) * r) ** 2).sum()))
    return {"power": 1 - chi2[1] / chi2[0], "amplitude_raw": math.hypot(found[-2], found[-1]),
            "phase": math.atan2(found[-1], found[-2])}  # fmt: skip


def test_every_pixel_is_what_least_squares_make_of_it() -> None:
    """Outliers and missing samples become the median, or leave the equations where they are many."""
    made = scene()
    t, sigma, frames = made
    node = linked("LerarLink", made, trv=TRV, matched="off", noise="white", detrend=1, plan="block")
    got = planes(node, "power", "amplitude_raw", "phase", "significance", "used", "clipped", "mean")
    w = 1 / sigma**2
    w = w / w.mean()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one pixel has no sample
        middle = np.nanmedian(frames, axis=0)
        spread = 1.4826022 * np.nanmedian(np.abs(frames - middle), axis=0)
    away = np.abs(frames - middle) > 5 * spread * (sigma / np.median(sigma))[:, None, None]
    bad = away | np.isnan(frames)
    assert 20 < away.sum() < 500
    own = 0
    for at in np.ndindex(middle.shape):
        lost = bad[(slice(None), *at)]
        if lost.mean() > 0.3:
            assert at == (3, 4)
            assert np.isnan([got[k][at] for k in got]).all()
            continue
        y = np.where(lost, middle[at], frames[(slice(None), *at)]).astype(np.float64)
        keep = ~lost if lost.mean() > 0.05 else np.ones(len(t), bool)
        own += not keep.all()
        told = fitted(y, t, w, 1, keep)
        assert [got[k][at] for k in told] == pytest.approx(list(told.values()), rel=2e-5, abs=2e-6)
        evidence = -(len(t) - lost.sum() - 4) / 2 * math.log10(1 - told["power"])
        assert got["significance"][at] == pytest.approx(evidence, rel=1e-4, abs=1e-5)
        assert got["used"][at] == pytest.approx(1 - lost.mean())
        assert got["clipped"][at] == pytest.approx(away[(slice(None), *at)].mean())
    assert own >= 1


def test_a_star_far_below_the_noise_of_a_frame_is_found_and_measured() -> None:
    """Peak 0.4 of one frame's noise, whose written period tolerates 30 trials."""
    node = linked("LerarLink", scene(300, amplitude=4.0, dirt=0.0), trv="[TRV:14.8s+-0.1s]", fwhm=FWHM,
                  calibration=500)  # fmt: skip
    got = planes(node, "significance", "amplitude", "amplitude_err", "phase", "phase_err", "period", "period_err")
    best = np.unravel_index(np.nanargmax(got["significance"]), got["phase"].shape)
    assert max(abs(best[0] - 10), abs(best[1] - 12)) <= 1 or max(abs(best[0] - 18), abs(best[1] - 5)) <= 1
    for at, phase in (((10, 12), 1.0), ((18, 5), 1.0 + 2 * np.pi * 3 / PERIOD)):
        assert got["significance"][at] > 4
        assert abs(got["amplitude"][at] - 4.0) < 3 * got["amplitude_err"][at]
        assert abs(got["phase"][at] - phase) < 3 * got["phase_err"][at]
        assert abs(got["period"][at] - PERIOD) < 3 * got["period_err"][at]
    report = node.output("report").value()
    assert report["z_of_one"] * 0.4 == pytest.approx(4.0 / got["amplitude_err"][10, 12], rel=0.2)


def rolling_target() -> tuple[Scene, np.ndarray]:
    """Return the light of a star that a telescope loses and finds again every six hours, and where on the arc it was:
    500 half hours, pixels that differ by six in a hundred, and a sine of a thousandth in 5 d."""
    rng = np.random.default_rng(12)
    count = 500
    t = np.round(1800.0 * np.arange(count) + rng.uniform(-5, 5, count), 9)
    arc = 2.0 * ((t / 21_600.0) % 1.0) - 1.0
    rows, columns = np.mgrid[:9, :9]
    flat = 1.0 + 0.06 * rng.normal(0, 1, (9, 9))
    light = np.empty(count)
    for k, s in enumerate(arc):
        profile = np.exp(-((rows - 4 - 0.2 * s * s) ** 2 + (columns - 4 - 0.6 * s) ** 2) / 2 / 1.1**2)
        light[k] = (profile * flat).sum() / profile.sum()
    light *= 20_000.0 * (1.0 + 0.001 * np.sin(2 * np.pi * t / 432_000.0))
    light *= 1.0 + 1e-4 * rng.normal(0, 1, count)
    return (t, np.ones(count), light.astype(np.float32)[:, None, None]), arc


def test_a_thousandth_is_measured_through_the_roll_of_a_telescope() -> None:
    made, arc = rolling_target()
    assert np.std(made[2]) > 2.0 * 20.0 / math.sqrt(2.0), "the roll should hide the star's own variation"
    columns = {f"arc{k}": (arc**k).tolist() for k in (1, 2, 3)}
    node = linked("LerarSearch", made, trv="[TRV:0.4d..6.9d]", matched="off", clip=0.0, columns=columns,
                  regressors=tuple(columns), calibration=1000)  # fmt: skip
    got = {k: float(v[0, 0]) for k, v in planes(node, "amplitude", "period", "significance").items()}
    assert got["significance"] > 9.0
    assert got["amplitude"] / 20_000.0 == pytest.approx(0.001, rel=0.03)
    # The resolution of 10.4 d at 5 d.
    assert abs(432_000.0 / got["period"] - 1.0) < 0.5 * 432_000.0 / np.ptp(made[0])


def test_both_plans_tell_the_same() -> None:
    for noise in ("white", "local"):
        got = [
            planes(linked("LerarLink", scene(dirt=0.0), trv=TRV, fwhm=FWHM, noise=noise, clip=0.0, plan=plan),
                   "power", "significance", "amplitude")
            for plan in ("accumulate", "block")
        ]  # fmt: skip
        assert np.abs(got[0]["power"] - got[1]["power"]).max() < 1e-6
        assert got[0]["significance"] == pytest.approx(got[1]["significance"], rel=2e-5, abs=1e-5)
        assert got[0]["amplitude"] == pytest.approx(got[1]["amplitude"], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("process", "params"),
    [
        ("LerarLink", {"trv": TRV, "plan": "accumulate"}),
        ("LerarLink", {"trv": "[TRV:14.8s+-0.05s]", "plan": "block", "harmonics": 2, "noise": "white"}),
        ("LerarSearch", {"trv": "[TRV:12s..20s]"}),
        ("LerarLink", {"trv": "[TRV:400s;shape=box;t0=20s;dur=20s]"}),
    ],
)
def test_strips_threads_and_the_order_of_the_files_change_no_bit(
    process: str, params: dict[str, Any], tmp_path: Path
) -> None:
    names = ("amplitude", "significance", "phase")
    made = scene(80)
    params = {"fwhm": FWHM, "calibration": 100, **params}
    whole = planes(linked(process, made, **params), *names, store=Store(tmp_path / "a"), strip_samples=10**9,
                   scheduler="sync")  # fmt: skip
    ways: list[dict[str, Any]] = [{"strip_samples": 22, "workers": 3}, {"strip_samples": 22 * 7, "scheduler": "sync"}]
    for k, options in enumerate(ways):
        order = np.random.default_rng(k).permutation(80) if k else None
        again = planes(linked(process, made, order, **params), *names, store=Store(tmp_path / f"b{k}"), **options)
        for name in names:
            assert again[name].tobytes() == whole[name].tobytes(), (name, options)


def test_every_row_of_a_frame_is_pulled_once() -> None:
    """In strips of all rows and without a filter; a filter pulls its halo besides."""
    for plan in ("accumulate", "block"):
        node = linked("LerarLink", scene(), trv=TRV, matched="off", noise="white", plan=plan)
        held = str(len(_SERIES) - 1)
        planes(node, "significance")
        assert _SERIES[held]["pulled"] == 120 * 24


@pytest.mark.parametrize("exposure", [2.0, 5.03, 7.4])
def test_exposures_smear_amplitudes_as_foretold(exposure: float) -> None:
    """Frames are means of a cosine over their exposures, taken at 400 moments each."""
    t = scene_times(6, 150)
    inner = (np.arange(400) + 0.5) / 400 * exposure - exposure / 2
    y = 100 * np.cos(2 * np.pi * (t[:, None] + inner) / PERIOD).mean(axis=1)
    frames = (y[:, None, None] + np.random.default_rng(7).normal(0, 0.5, (150, 4, 4)) + 500).astype(np.float32)
    node = linked("LerarLink", (t, np.ones(150), frames), exposure=exposure, trv=TRV, matched="off", clip=0.0)
    got = planes(node, "amplitude_raw", "amplitude")
    print(exposure / PERIOD, got["amplitude_raw"].mean() / 100, got["amplitude"].mean() / 100)
    assert got["amplitude_raw"].mean() / 100 == pytest.approx(np.sinc(exposure / PERIOD), abs=0.005)
    assert got["amplitude"].mean() / 100 == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("process", "trv"), [("LerarLink", TRV), ("LerarSearch", "[TRV:12s..20s]")])
def test_what_is_significant_is_marked_and_how_strictly_does_not_change_the_fit(process: str, trv: str) -> None:
    made = scene(300, dirt=0.0)
    node = linked(process, made, trv=trv, fwhm=FWHM, calibration=200)
    got = planes(node, "detected", "significance")
    for at in ((10, 12), (18, 5)):
        assert got["detected"][at] == 1.0
    assert got["detected"].mean() < 0.3
    told = node.output("discoveries").value()
    assert told["marked"] == got["detected"].sum()
    feeds = dict(node._graph.feeds(node.name))
    strict = node._graph.add(process, trv=trv, fwhm=FWHM, calibration=200, correction="family", level=1e-6, **feeds)
    fewer = planes(strict, "detected")["detected"]
    assert 0 < fewer.sum() < got["detected"].sum()
    wanted = -math.log10(-math.expm1(math.log1p(-1e-6) / fewer.size))
    assert got["significance"][fewer > 0].min() >= wanted > got["significance"][fewer == 0].max() - 1e-3
    for name in ("significance", "amplitude"):
        assert strict.output(name).image[0].key == node.output(name).image[0].key


def test_rows_of_a_rolling_shutter_have_times_of_their_own() -> None:
    t = scene_times(8, 120)
    late = 0.3 * np.arange(12)
    y = 20 * np.cos(2 * np.pi * (t[:, None] - t[0] + late) / PERIOD - 0.5)
    frames = (y[:, :, None] + np.random.default_rng(8).normal(0, 1, (120, 12, 5)) + 100).astype(np.float32)
    node = linked("LerarLink", (t, np.ones(120), frames), row_time=0.3, trv=TRV, matched="off", clip=0.0)
    assert planes(node, "phase")["phase"] == pytest.approx(0.5, abs=0.05)


def test_terms_of_the_frame_table_are_fitted_besides() -> None:
    t, sigma, frames = scene(dirt=0.0)
    place = np.sin(2 * np.pi * t / 40.0) + 0.4 * np.cos(2 * np.pi * t / PERIOD)
    shifted = (frames + 30 * place[:, None, None]).astype(np.float32)
    columns = {"pc1": place.tolist()}
    with_it = planes(linked("LerarLink", (t, sigma, shifted), columns=columns, trv=TRV, matched="off",
                            regressors=("pc1",)), "significance", "amplitude")  # fmt: skip
    without = planes(linked("LerarLink", (t, sigma, shifted), trv=TRV, matched="off"), "significance", "amplitude")
    assert np.median(without["amplitude"]) == pytest.approx(12, rel=0.1)
    assert np.median(with_it["amplitude"]) < 2.5
    assert np.median(with_it["significance"]) < 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"trv": TRV, "columns": {"used": [1.0] * 12 + [0.0] * 108}}, "LRR-1: 12 frames are too few"),
        ({"trv": TRV, "columns": {"pc1": list(range(120))}, "regressors": ("pc1",)}, "LRR-2: .*regressor 'pc1'"),
        ({"trv": "[TRV:400s]", "sidebands": 8}, "LRR-3: only . places"),
        ({"trv": TRV, "columns": {"dx": [0.0, 2.0] * 60, "dy": [0.0] * 120}}, "LRR-5: .* 1.00 px rms"),
        ({"trv": TRV, "state": "display"}, "LRR-6: frame 0 is stretched"),
        ({"trv": "[TRV:1500s]"}, "TRV-2"),
        ({"trv": TRV, "exposure": 14.5}, "TRV-3"),
        ({"trv": TRV, "regressors": ("airmass",)}, "airmass not in the frame table"),
        ({"trv": "[TRV:seed(core)]"}, "Lerar Link unresolved: .* input 'seed' .* --region core="),
    ],
)
def test_what_cannot_be_told_is_refused_in_a_sentence(words: dict[str, Any], error: str) -> None:
    t, sigma, frames = scene(shape=(8, 8), dirt=0.0)
    if "pc1" in words.get("columns", {}):
        words = {**words, "columns": {"pc1": (3 * t + 1).tolist()}}
    with pytest.raises(EngineError, match=error):
        planes(linked("LerarLink", (t, sigma, frames), fwhm=FWHM, **words), "significance")


# -- a period that a region tells -------------------------------------------------------------------


def of_region(made: Scene, process: str, core: tuple[int, int, int, int], **params: Any) -> Any:
    """Return *process* with the light curve of the box *core* as its seed."""
    node = linked("LockInPlan", made, trv=params["trv"], purpose="curve")
    graph, feeds = node._graph, dict(node._graph.feeds(node.name))
    curve = graph.add("RegionLightCurve", frames=feeds["frames"], plan=node.output("fit"), box=core)
    return graph.add(process, seed=curve, **feeds, **params)


@functools.cache
def pair(period: float = 17.31) -> Scene:
    """A bright star that varies by 40 times what a faint one does, the two with one period, and a third with none."""
    rng = np.random.default_rng(31)
    t, sigma = scene_times(31, 300), np.full(300, 10.0)
    y = rng.normal(0, 10, (300, 30, 30)) + 500
    w = 2 * np.pi * (t - t[0]) / period
    y += (400 + 160 * np.cos(w - 1.0))[:, None, None] * star(8, 9, (30, 30))
    y += (4 * np.cos(w + 2.0))[:, None, None] * star(21, 20, (30, 30))
    return t, sigma, y.astype(np.float32)


@pytest.mark.parametrize("noise", ["local", "white"])
def test_a_bright_star_tells_the_period_of_a_faint_one(noise: str) -> None:
    node = of_region(pair(), "LerarLink", (5, 6, 12, 13), trv="[TRV:seed(core)]", fwhm=FWHM, noise=noise)
    got = planes(node, "significance", "amplitude", "amplitude_err", "detected", "period")
    report = node.output("report").value()
    graph = node._graph
    seed = graph.add("SeedPeriod", series=graph.feeds(node.name)["seed"], noise=noise).output("measures").value()
    assert abs(seed["period_s"] - 17.31) < 3 * seed["period_err_s"]
    assert seed["tolerance_s"] == pytest.approx(3 * seed["period_err_s"])
    assert seed["log10_p"] < -20 and seed["trials"] > 500 and seed["warnings"] == []
    assert report["trials"] == 1, "the period is known better than the series can tell"
    assert 1 / report["first_hz"] == pytest.approx(17.31, abs=seed["tolerance_s"])
    assert got["significance"][21, 20] > 6
    assert got["detected"][21, 20] == 1.0 and got["detected"][8, 9] == 1.0
    assert abs(got["amplitude"][21, 20] - 4.0) < 3 * got["amplitude_err"][21, 20]
    assert got["detected"].mean() < 0.25
    told = [w for w in report["warnings"] if "'core'" in w]
    assert len(told) == 1 and "its own pixels is too great" in told[0]


def test_the_tolerance_of_a_period_from_a_region_is_counted() -> None:
    """A light curve that tells little: more trials than one, and a warning where it tells nothing."""
    made = scene(120, dirt=0.0)
    node = of_region(made, "LerarLink", (8, 10, 13, 15), trv="[TRV:seed(core)]", fwhm=FWHM, calibration=200)
    report = node.output("report").value()
    curve = node._graph.feeds(node.name)["seed"]
    seed = node._graph.add("SeedPeriod", series=curve).output("measures").value()
    wide = 2 * seed["tolerance_s"] / seed["period_s"] ** 2
    step = 1 / (5 * np.ptp(made[0]))
    print(wide / step, report["trials"])
    assert wide > step
    assert report["trials"] == 1 + math.floor(wide / step)
    quiet = of_region(made, "LerarLink", (0, 16, 4, 21), trv="[TRV:seed(core)]", fwhm=FWHM, calibration=200)
    assert any("no sure period" in w for w in quiet.output("report").value()["warnings"])


def test_a_fold_takes_the_period_of_a_region_too() -> None:
    node = of_region(pair(), "LerarFold", (5, 6, 12, 13), trv="[TRV:seed(core)]", bins=10, box=(18, 17, 25, 24))
    series = node.output("series").value()
    assert series["period_s"] == pytest.approx(17.31, abs=0.02)
    cube = node.output("image").image[0].compute()
    wave = cube[:, 8, 9] - cube[:, 8, 9].mean()
    told = 160 * np.sinc(0.1) * np.cos(2 * np.pi * (np.arange(10) + 0.5) / 10 - 1.0)
    assert wave == pytest.approx(told, abs=12.0)


def test_a_region_tells_the_period_of_its_dips() -> None:
    t = np.round(np.arange(400) * 30.0, 9)
    rng = np.random.default_rng(32)
    y = rng.normal(0, 3, (400, 8, 8)) + 900
    dip = np.abs((t - 700.0 + 1150.0) % 2300.0 - 1150.0) < 90.0
    y[dip, 2, 2] -= 60
    y[dip, 6, 6] -= 8
    made = t, np.full(400, 3.0), y.astype(np.float32)
    trv = "[TRV:seed(core);shape=box;dur=180s]"
    node = of_region(made, "LerarLink", (2, 2, 3, 3), trv=trv, matched="off", clip=0.0)
    got = planes(node, "amplitude", "amplitude_err", "significance", "detected")
    assert 1 / node.output("report").value()["first_hz"] == pytest.approx(2300.0, rel=0.005)
    assert got["amplitude"][2, 2] == pytest.approx(60, rel=0.1)
    assert abs(got["amplitude"][6, 6] - 8.0) < 3.5 * got["amplitude_err"][6, 6]
    assert got["significance"][6, 6] > 4


def test_the_light_curve_of_a_region_is_the_mean_of_the_pixels_whose_centres_it_holds(tmp_path: Path) -> None:
    made = scene(40, dirt=0.0)
    node = linked("LockInPlan", made, trv="[TRV:seed(core)]", purpose="curve")
    graph, frames = node._graph, node._graph.feeds(node.name)["frames"]
    where = graph.add("Region", image=frames[0], area="circle 12,10,3.3 except rect 12,10,1,1", min_pixels=1)
    given = {"frames": frames, "plan": node.output("fit"), "where": where.output("region")}
    curve = graph.add("RegionLightCurve", **given)
    series = curve.value(store=Store(tmp_path / "a"))
    rows, columns = np.mgrid[:24, :22]
    inside = np.hypot(rows - 10, columns - 12) < 3.3
    inside[10, 12] = False
    assert series["pixels"] == inside.sum()
    assert series["value"] == pytest.approx(made[2][:, inside].astype(float).mean(axis=1), rel=1e-6)
    with pytest.raises(EngineError, match="leave one of them out"):
        graph.add("RegionLightCurve", box=(1, 1, 4, 4), **given).value()
    _SERIES["small"] = {"frames": np.zeros((1, 12, 22), np.float32), "pulled": 0}
    elsewhere = graph.add("Region", image=graph.add(Exposure, held="small"), area="circle 6,6,3", min_pixels=1)
    with pytest.raises(EngineError, match="lies on an image of 22x12, the frames are 22x24"):
        graph.add("RegionLightCurve", **{**given, "where": elsewhere}).value()


def test_a_light_curve_of_its_own_times_is_a_seed_without_regressors() -> None:
    made = pair()
    t = np.arange(0.0, 2000.0, 3.7)
    _SERIES["own"] = {"series": series_value(t, 5 + np.cos(2 * np.pi * t / 17.31))}
    node = linked("LockInPlan", made, trv="[TRV:seed(core)]", purpose="curve")
    graph, feeds = node._graph, dict(node._graph.feeds(node.name))
    own = graph.add(Seed, held="own")
    link = graph.add("LerarLink", seed=own, trv="[TRV:seed(core)]", fwhm=FWHM, **feeds)
    assert planes(link, "significance")["significance"][21, 20] > 6
    assert any("other times" in w for w in link.output("report").value()["warnings"])


# -- the other links --------------------------------------------------------------------------------


def test_a_search_tells_each_pixels_period() -> None:
    made = scene(300, dirt=4e-4)
    node = linked("LerarSearch", made, trv="[TRV:9s..40s]", fwhm=FWHM, calibration=200, box=(8, 10, 13, 15))
    got = planes(node, "period", "period_err", "significance")
    for at in ((10, 12), (18, 5)):
        assert abs(got["period"][at] - PERIOD) < 3 * got["period_err"][at]
        assert got["significance"][at] > 5
    spectrum = node.output("spectrum").value()
    assert 1 / spectrum["best_hz"] == pytest.approx(PERIOD, abs=0.1)
    assert np.argmax(spectrum["value"]) == np.argmin(np.abs(np.array(spectrum["time_s"]) - spectrum["best_hz"]))
    series = node.output("series").value()
    frames = made[2]
    assert series["value"] == pytest.approx(np.nanmean(frames[:, 8:13, 10:15], axis=(1, 2)), rel=1e-6)


def test_a_fold_is_the_weighted_mean_of_each_bin() -> None:
    made = scene()
    t, sigma, frames = made
    node = linked("LerarFold", made, trv=TRV, detrend=0, clip=0.0, matched="off", bins=10, box=(8, 10, 13, 15))
    cube, errors = node.output("image").image[0].compute(), node.output("error").image[0].compute()
    w = 1 / sigma**2
    at = np.floor(10 * (((t - t[0]) / PERIOD) % 1.0)).astype(int)
    y = frames.astype(np.float64)
    there = np.isfinite(y)
    for b in range(10):
        told = np.nansum(np.where(there, y, 0) * (w * (at == b))[:, None, None], axis=0)
        share = (there * (w * (at == b))[:, None, None]).sum(axis=0)
        with np.errstate(invalid="ignore"):
            wanted = np.where(there.mean(axis=0) >= 0.7, told / share, np.nan)
        assert cube[b] == pytest.approx(wanted, rel=1e-5, nan_ok=True)
    quiet = errors[:, 20:, 15:]
    assert np.nanmedian(quiet) == pytest.approx(10 * math.sqrt(10 / 120), rel=0.6)
    series = node.output("series").value()
    curve = np.nanmean(frames[:, 8:13, 10:15].astype(np.float64), axis=(1, 2))
    wanted = [np.average(curve[at == b], weights=w[at == b]) for b in range(10)]
    assert series["value"] == pytest.approx(wanted, rel=1e-5)


def test_a_link_map_tells_who_goes_with_the_seed_and_how_much_later() -> None:
    made = scene(300, dirt=0.0)
    params = {"trv": TRV, "box": (9, 11, 12, 14), "fwhm": FWHM}
    node = linked("LerarLinkMap", made, **params)
    got = planes(node, "correlation", "lag", "lag_err", "significance", "self")
    assert abs(got["lag"][18, 5] - 3.0) < 3 * got["lag_err"][18, 5]
    assert got["significance"][18, 5] > 4
    assert got["self"][10, 12] == 1
    assert np.isnan(got["significance"][10, 12])
    assert got["correlation"][10, 12] > 0.5
    clusters = node.output("clusters").value()["columns"]
    assert math.hypot(clusters["row"][0] - 18, clusters["column"][0] - 5) < 1.5
    assert clusters["lag_s"][0] == pytest.approx(3.0, abs=0.5)
    thin = planes(linked("LerarLinkMap", made, **params), "lag", strip_samples=22, workers=3)
    assert thin["lag"].tobytes() == got["lag"].tobytes()


def test_a_light_curve_of_ones_own_is_a_seed() -> None:
    made = scene(300, dirt=0.0)
    node = linked("LerarLinkMap", made, trv=TRV, fwhm=FWHM, box=(0, 0, 1, 1))
    graph = node._graph
    seed = np.cos(2 * np.pi * (made[0] - made[0][0]) / PERIOD - 1.0)
    feeds = graph.feeds(node.name)
    _SERIES["seed"] = {"series": series_value(made[0], seed)}
    own = graph.add(Seed, held="seed")
    again = graph.add("LerarLinkMap", trv=TRV, fwhm=FWHM, seed=own.output(), **dict(feeds))
    got = planes(again, "lag", "significance", "self")
    assert got["self"].max() == 0
    assert got["lag"][10, 12] == pytest.approx(0.0, abs=0.5)
    assert got["lag"][18, 5] == pytest.approx(3.0, abs=0.5)


@pytest.mark.parametrize(("memory", "wanted"), [(0.0, 32), (0.9, 16)])
def test_a_slope_of_the_noise_narrows_the_comb(memory: float, wanted: int) -> None:
    rng = np.random.default_rng(9)
    y = rng.normal(0, 1, (400, 16, 20))
    for i in range(1, 400):
        y[i] = memory * y[i - 1] + math.sqrt(1 - memory**2) * y[i]
    made = scene_times(9, 400), np.ones(400), y.astype(np.float32)
    plan = linked("LockInPlan", made, trv="[TRV:100s+-0.01s]", matched="off")
    frames = plan._graph.feeds(plan.name)["frames"]
    noise = plan._graph.add("SideNoise", frames=frames, plan=plan.output("fit")).output("noise").value()
    assert noise["sidebands"] == wanted
