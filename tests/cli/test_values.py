"""Text from the command line becomes parameter values by declaration, not by guess."""

from __future__ import annotations

from typing import Literal

import pytest

from lerarlink.engine.errors import ParameterError
from lerarlink.engine.params import param
from lerarlink.engine.process import Process
from lerarlink.tools.cli._values import split_setting, typed


class Sample(Process, id="test.cli_values"):
    """Has a parameter of each type."""

    count: int = param(default=1, low=0, high=10, doc="a whole number")
    amount: float = param(default=0.5, doc="a number")
    text: str = param(default="", doc="a text")
    flag: bool = param(default=False, doc="a switch")
    mode: Literal["none", "off", "best"] = param(default="none", doc="a choice")
    box: tuple[int, int, int, int] | None = param(default=None, doc="a box")
    table: tuple[tuple[float, float], ...] = param(default=(), doc="a table")
    hdu: int | str | None = param(default=None, doc="an index or a name")


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("count", "3", 3),
        ("amount", "3", 3.0),
        ("amount", "-2.5e-3", -0.0025),
        ("amount", "1e-4", 1e-4),
        ("text", "3", "3"),
        ("text", "yes", "yes"),
        ("text", "", ""),
        ("text", "12:30", "12:30"),
        ("text", "a, b: c", "a, b: c"),
        ("text", "a#b", "a#b"),
        ("text", "[unclosed", "[unclosed"),
        ("text", "$T * 2 > {1}", "$T * 2 > {1}"),
        ("flag", "true", True),
        ("flag", "False", False),
        ("mode", "off", "off"),
        ("mode", "none", "none"),
        ("box", "[0, 1, 20, 30]", (0, 1, 20, 30)),
        ("box", "0,1,20,30", (0, 1, 20, 30)),
        ("box", "null", None),
        ("table", "[[0, 1], [0.5, 2]]", ((0.0, 1.0), (0.5, 2.0))),
        ("table", "[]", ()),
        ("hdu", "2", 2),
        ("hdu", "'2'", "2"),
        ("hdu", "SCI", "SCI"),
        ("hdu", "", None),
    ],
)
def test_text_takes_the_declared_type(name: str, given: str, value: object) -> None:
    found = typed(Sample.params[name], given, "node 'x'")
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("count", "2.5", "node 'x': count must be int, got 2.5"),
        ("count", "11", "node 'x': count must lie in [0, 10], got 11"),
        ("count", "many", "node 'x': count must be int, got 'many'"),
        ("flag", "1", "node 'x': flag must be bool, got 1"),
        ("amount", "nan", "node 'x': amount must be float, got 'nan'"),
        ("box", "0,1,20", "box must be tuple[int, int, int, int] | None"),
        ("mode", "worst", "mode must be"),
        ("amount", "{a: 1}", "amount must be float, got '{a: 1}'"),
    ],
)
def test_text_that_does_not_fit_is_refused_with_both_sides_named(name: str, given: str, told: str) -> None:
    with pytest.raises(ParameterError) as e:
        typed(Sample.params[name], given, "node 'x'")
    assert told in str(e.value)


def test_a_setting_is_split_at_its_first_sign() -> None:
    assert split_setting("node.param=a=b") == ("node.param", "a=b")
    for wrong in ("node.param", "=3", " =3"):
        with pytest.raises(ParameterError, match="wanted name=value"):
            split_setting(wrong)
