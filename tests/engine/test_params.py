"""Parameters are checked where they are said: type, range, choice, finiteness."""

from __future__ import annotations

from typing import Any

import pytest

from lerarlink.engine.api import ParameterError, Process, param


class Knobs(Process, id="params.knobs"):
    """All kinds of parameters."""

    radius: int = param(default=1, low=1, high=64, unit="px", doc="a whole number")
    amount: float = param(default=0.5, low=0.0, high=1.0, doc="a number")
    mode: str = param(default="a", choices=("a", "b"), doc="a choice")
    on: bool = param(default=False, doc="a switch")
    row: tuple[float, ...] = param(default=(), high=10.0, doc="numbers")
    box: tuple[int, int] | None = param(default=None, low=0, doc="two numbers or none")
    path: str = param(file="input", doc="a required file")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"radius": 65}, r"Knobs: radius must lie in \[1, 64\] px, got 65"),
        ({"radius": 1.0}, "Knobs: radius must be int, got 1.0"),
        ({"radius": True}, "Knobs: radius must be int, got True"),
        ({"amount": float("nan")}, "Knobs: amount must be finite, got nan"),
        ({"amount": "0.5"}, "Knobs: amount must be float, got '0.5'"),
        ({"mode": 7}, "Knobs: mode must be one of 'a', 'b', got 7"),
        ({"mode": "c"}, "Knobs: mode must be one of 'a', 'b', got 'c'"),
        ({"on": 1}, "Knobs: on must be bool, got 1"),
        ({"row": (1.0, 11.0)}, r"Knobs: row must lie in \[any, 10\], got 11"),
        ({"box": (1, 2, 3)}, "Knobs: box must be"),
        ({"box": (1, -2)}, r"Knobs: box must lie in \[0, any\], got -2"),
        ({"amout": 1.0}, "Knobs has no parameter 'amout'; it has radius, amount"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Knobs.build({"path": "x", **given})


def test_a_missing_required_parameter_is_named() -> None:
    with pytest.raises(ParameterError, match="Knobs wants parameter 'path', got none"):
        Knobs.build({})


def test_whole_numbers_serve_as_floats_and_lists_as_tuples() -> None:
    made: Any = Knobs.build({"path": "x", "amount": 1, "row": [1, 2.5], "box": [3, 4]})
    assert (made.amount, made.row, made.box) == (1.0, (1.0, 2.5), (3, 4))
    assert isinstance(made.amount, float)


def test_values_are_frozen() -> None:
    made: Any = Knobs.build({"path": "x"})
    with pytest.raises(AttributeError):
        made.radius = 2


def test_the_declaration_is_the_one_place() -> None:
    spec = Knobs.params["radius"]
    assert (spec.low, spec.high, spec.unit, spec.default, spec.doc) == (1, 64, "px", 1, "a whole number")
    assert spec.range_text == "1 .. 64"
    assert not Knobs.params["path"].identity


def test_a_name_for_both_a_port_and_a_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match="name both a parameter and a port"):

        class Clash(Process, id="params.clash"):
            """Bad."""

            image: int = param(default=1, doc="clashes with the port")
