"""Values of a fixed form: times, series, tables."""

from __future__ import annotations

import numpy as np
import pytest

from lerarlink.engine.api import (
    check_table,
    check_times,
    column_of,
    exposures_of,
    julian_dates,
    seconds_of,
    seconds_since_epoch,
    series_value,
    table_value,
    times_value,
    used_frames,
)
from lerarlink.engine.errors import ParameterError
from lerarlink.engine.identity import pack, unpack

EPOCH = "2017-12-20T00:00:00"


def test_times_are_used_in_order_and_in_nanoseconds() -> None:
    times = times_value([3_000_000_001, 1, 2_000_000_000], [1.0, 2.0, 3.0], epoch=EPOCH)
    assert used_frames(times).tolist() == [1, 2, 0]
    assert seconds_of(times).tolist() == [1e-9, 2.0, 3.000000001]
    assert exposures_of(times).tolist() == [2.0, 3.0, 1.0]
    assert unpack(pack(times)) == times


def test_a_dropped_frame_is_not_in_the_order() -> None:
    times = times_value([0, 10, 10], [1.0] * 3, epoch=EPOCH, order=[0, 1])
    assert seconds_of(times).tolist() == [0.0, 1e-8]
    with pytest.raises(ParameterError, match="rising"):
        times_value([0, 10, 5], [1.0] * 3, epoch=EPOCH, order=[0, 1, 2])
    with pytest.raises(ParameterError, match="once at most"):
        times_value([0, 10, 5], [1.0] * 3, epoch=EPOCH, order=[0, 3])


def test_julian_dates_meet_the_epoch() -> None:
    times = times_value([0], [0.0], epoch=EPOCH)
    assert julian_dates(times, 0.0) == 2458107.5
    assert seconds_since_epoch(times, 2458107.75) == 21600.0
    assert seconds_since_epoch(times, 2458108.5) == 86400.0


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"scale": "ut1"}, "scale must be one of utc, tai, tdb"),
        ({"reference": "here"}, "reference must be one of"),
        ({"epoch": "yesterday"}, "ISO date"),
        ({"epoch": "2017-12-20T00:00:00+01:00"}, "no zone"),
        ({"exposure_s": []}, "1 times want 1 exposures"),
    ],
)
def test_times_that_are_none_are_refused(changes: dict[str, object], wanted: str) -> None:
    good = times_value([0], [0.0], epoch=EPOCH)
    with pytest.raises(ParameterError, match=wanted):
        check_times({**good, **changes})
    with pytest.raises(ParameterError, match="epoch missing"):
        check_times({k: v for k, v in good.items() if k != "epoch"})
    with pytest.raises(ParameterError, match="a dictionary was wanted, got list"):
        check_times([1, 2])


def test_series_and_tables_are_of_one_length() -> None:
    curve = series_value(np.arange(3.0), [1, 2, 3], unit="e-/s", note="mine")
    assert (curve["note"], curve["error"], curve["time_s"]) == ("mine", [], [0.0, 1.0, 2.0])
    with pytest.raises(ParameterError, match="3 times want 3 values"):
        series_value([0, 1, 2], [1, 2])
    table = table_value({"gain": [1.0, None], "name": ["a", "b"]}, {"gain": "1"}, left_out=[])
    assert np.isnan(column_of(table, "gain")).tolist() == [False, True]
    with pytest.raises(ParameterError, match="it has gain, name"):
        column_of(table, "fwhm")
    with pytest.raises(ParameterError, match="equally long"):
        table_value({"a": [1], "b": []})
    with pytest.raises(ParameterError, match="which are no columns"):
        check_table({"columns": {}, "units": {"a": "s"}})
