"""From text on the command line to parameter values: typed by the parameter's declaration, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from ...engine.errors import ParameterError
from ...engine.params import Spec, checked

_WORDS: dict[str, Any] = {"": None, "null": None, "~": None, "true": True, "false": False}
_WHOLE = re.compile(r"[-+]?\d+")
# YAML 1.1 reads 1e-4 as text and 12:30 as 750; numbers here are what Python reads as numbers.
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def split_setting(text: str) -> tuple[str, str]:
    """Return the two sides of ``name=value``.

    Raises
    ------
    ParameterError
        There is no ``=``, or no name before it.
    """
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise ParameterError(f"wanted name=value, got '{text}'")
    return name.strip(), value


def typed(spec: Spec, text: str, owner: str) -> Any:
    """Return *text* as a value of parameter *spec*: a scalar or list as YAML writes it, or the text itself.

    Lists may leave out their brackets: ``0,0,64,64``.

    Raises
    ------
    ParameterError
        No reading of the text has the declared type and range.
    """
    first: ParameterError | None = None
    for reading in _readings(text):
        try:
            return checked(spec, reading, owner)
        except ParameterError as e:
            first = first or e
    assert first is not None
    raise first


def _readings(text: str) -> Iterator[Any]:
    """Yield what *text* may mean, the most likely first."""
    for source in (text, f"[{text}]") if "," in text else (text,):
        try:
            node = yaml.compose(source, Loader=yaml.SafeLoader)
        except yaml.YAMLError:
            continue
        if node is None or not isinstance(node, yaml.MappingNode):
            yield _plain(node)
    yield text


def _plain(node: yaml.Node | None) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_plain(n) for n in node.value]
    text = str(node.value) if node is not None else ""
    if isinstance(node, yaml.ScalarNode) and node.style is not None:
        return text  # quoted: meant as text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
