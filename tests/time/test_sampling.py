"""What the times of a series allow, against published figures and the definitions written out."""

from __future__ import annotations

import numpy as np
import pytest

from lerarlink import Graph
from lerarlink.engine.api import parse_trv, times_value
from lerarlink.engine.errors import EngineError, ParameterError
from lerarlink.nodes.time._sampling import (
    aliases,
    judge,
    phase_gap,
    smearing,
    span_of,
    t0_seconds,
    trial_frequencies,
    window,
    window_peaks,
)

EPOCH = "2017-12-20T00:00:00"


def axis(seconds: np.ndarray, exposure: float = 2.0, quantum: float = 0.0) -> dict[str, object]:
    ns = [round(float(s) * 1e9) for s in seconds]
    return times_value(ns, [exposure] * len(ns), epoch=EPOCH, quantum_s=quantum)


def jittered(half: float, n: int = 600) -> np.ndarray:
    return np.arange(n) * 5.0 + np.random.default_rng(7).uniform(-half, half, n)


def test_the_window_is_its_definition() -> None:
    t, w = jittered(0.4, 50), np.random.default_rng(1).uniform(0.5, 2.0, 50)
    f = np.array([0.0, 0.013, 0.2, 1.7])
    told = np.abs(np.exp(2j * np.pi * np.outer(f, t)) @ w) ** 2 / w.sum() ** 2
    assert window(t, f, w) == pytest.approx(told, abs=1e-12)


@pytest.mark.parametrize(("half", "expected"), [(0.4, 0.92), (1.0, 0.57)])
def test_jitter_lowers_the_alias_of_the_cadence(half: float, expected: float) -> None:
    """Uniform jitter ±j of a cadence leaves sinc²(2j/cadence) of the window."""
    found = aliases(jittered(half), 1 / 14.8)
    assert found[0]["window"] == pytest.approx(expected, abs=0.02)
    assert expected == pytest.approx(np.sinc(2 * half / 5.0) ** 2, abs=0.01)
    assert [a["period_s"] for a in found[:2]] == pytest.approx([1 / (0.2 - 1 / 14.8), 1 / (0.2 + 1 / 14.8)], rel=1e-3)


def test_nights_give_the_aliases_of_a_day() -> None:
    t = np.concatenate([86400.0 * k + np.arange(0.0, 28800.0, 60.0) for k in range(6)])
    found = [round(a["frequency_hz"] * 86400.0, 1) for a in aliases(t, 12 / 86400.0)]
    assert found[:2] == [11.0, 13.0]
    assert 1428.0 in found  # one a minute, less twelve a day


def test_no_alias_is_a_sidelobe_and_the_frequency_itself_is_none() -> None:
    t = np.arange(500) * 10.0
    found = aliases(t, 1 / 37.0)
    told = [a["frequency_hz"] for a in found]
    assert len(found) == 16
    assert min(abs(f - 1 / 37.0) for f in told) > 1 / span_of(t)
    expected = sorted(abs(k / 10.0 + s / 37.0) for k in range(1, 9) for s in (1, -1))
    assert sorted(told) == pytest.approx(expected, rel=1e-4)


def test_times_without_structure_have_no_alias() -> None:
    t = np.sort(np.random.default_rng(3).uniform(0.0, 3000.0, 600))
    assert window_peaks(t) == []
    assert window_peaks(np.array([0.0, 1.0])) == []


def test_trials_are_as_many_as_the_resolution_asks_for() -> None:
    # 0.1 s about 14.8 s are 4.57e-4 Hz; the step is 1/(5 · 3200 s).
    tried = trial_frequencies(parse_trv("[TRV:14.8s]"), 3200.0)
    assert len(tried) == 8
    assert np.diff(tried) == pytest.approx(1 / 16000.0)
    low, high = parse_trv("[TRV:14.8s]").hertz
    assert low <= tried[0] < tried[-1] <= high
    assert trial_frequencies(parse_trv("[TRV:14.800s]"), 3200.0).tolist() == [1 / 14.8]
    assert len(trial_frequencies(parse_trv("[TRV:5s..60s]"), 3200.0)) == int(5 * 3200 * (1 / 5 - 1 / 60)) + 1
    assert len(trial_frequencies(parse_trv("[TRV:5s..60s;os=10]"), 3200.0)) == int(32000 * (1 / 5 - 1 / 60)) + 1
    with pytest.raises(ParameterError, match="span 0 s"):
        trial_frequencies(parse_trv("[TRV:14.8s]"), 0.0)


@pytest.mark.parametrize(("ratio", "left"), [(0.135, 0.970), (0.34, 0.820), (0.5, 0.637), (1.0, 0.0)])
def test_smearing_is_the_mean_of_a_wave_over_the_exposure(ratio: float, left: float) -> None:
    x = np.linspace(-ratio / 2, ratio / 2, 20001)
    assert smearing([ratio], 1.0) == pytest.approx(np.trapezoid(np.cos(2 * np.pi * x), x) / ratio, abs=1e-6)
    assert smearing([ratio], 1.0) == pytest.approx(left, abs=2e-3)


def test_the_largest_gap_in_phase_goes_round_the_cycle() -> None:
    assert phase_gap(np.array([0.1, 0.2, 0.3, 5.9]), 1.0) == pytest.approx(0.6)
    assert phase_gap(np.array([3.0]), 1.0) == 1.0


@pytest.mark.parametrize(
    ("trv", "exposure", "quantum", "told"),
    [
        ("[TRV:40min]", 2.0, 0.0, "TRV-2.*1.5 periods"),
        ("[TRV:14.8s]", 2.0, 8.0, "TRV-2.*two steps"),
        ("[TRV:14.8s]", 14.0, 0.0, "TRV-3.*13.32 s"),
    ],
)
def test_periods_that_cannot_be_are_refused(trv: str, exposure: float, quantum: float, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        judge(parse_trv(trv), axis(jittered(0.4), exposure, quantum))


def test_doubts_are_told() -> None:
    vector = parse_trv("[TRV:14.8s]")
    assert judge(vector, axis(jittered(0.4))) == []
    assert "smearing" in judge(vector, axis(jittered(0.4), 12.0))[0]
    assert "smearing" in judge(vector, axis(jittered(0.4), 14.0), force=True)[0]
    assert "coarse" in judge(vector, axis(jittered(0.4), 2.0, 1.0))[0]
    assert "unknown" in judge(vector, axis(jittered(0.4), 0.0))[0]
    gappy = np.concatenate([14.8 * k + np.arange(0.0, 7.0) for k in range(100)])
    assert "phase coverage: 0.59" in judge(vector, axis(gappy))[0]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("2458107.75", 21600.0), ("2017-12-20T05:02:00", 18120.0), ("12.5s", 12.5), ("1.5min", 90.0), ("2d", 172800.0)],
)
def test_t0_is_read_in_the_scale_of_the_times(said: str, seconds: float) -> None:
    assert t0_seconds(parse_trv(f"[TRV:3h;t0={said}]"), axis(jittered(0.4))) == pytest.approx(seconds, abs=1e-4)
    assert t0_seconds(parse_trv("[TRV:3h]"), axis(jittered(0.4))) is None


def test_the_report_says_it_all_before_a_pixel_is_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from astropy.io import fits

    header = fits.Header([("CTYPE3", "TIME"), ("CRVAL3", 0.0), ("CDELT3", 5.0), ("CUNIT3", "s"), ("CRPIX3", 1.0)])
    header["DATE-OBS"], header["EXPTIME"] = "2025-01-15T20:00:00.000001", 2.0
    fits.PrimaryHDU(np.zeros((200, 3, 4), np.int16), header).writeto(tmp_path / "cube.fits")
    g = Graph()
    frames = g.add("ReadFrames", paths=(str(tmp_path / "cube.fits"),))
    times = g.add("TimeAxis", frames=frames)
    report = g.add("Sampling", times=times, trv="[TRV:14.8s]").value()
    assert (report["frames"], report["span_s"], report["cadence_s"]) == (200, 995.0, 5.0)
    assert report["smearing"] == pytest.approx(0.970, abs=1e-3)
    assert any("cannot tell 14.8 s from 7.5" in w for w in report["warnings"])
    table = g.add("Sampling", times=times, trv="[TRV:14.8s]", name="again").value("aliases")
    assert len(table["columns"]["window"]) == 16
    with pytest.raises(EngineError, match="TRV-2"):
        g.add("Sampling", times=times, trv="[TRV:20min]", name="long").value()
