"""Values as text, for parameters that keep what was once measured."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

from .errors import ParameterError
from .identity import pack, unpack

# A text from anywhere must not fill the memory: star lists and kernels are far smaller.
_MOST = 64 * 1024 * 1024


def value_text(value: Any) -> str:
    """Return a Value (plain data and numpy arrays) as text without line breaks."""
    return base64.b64encode(zlib.compress(pack(value), 9)).decode("ascii")


def value_of_text(text: str) -> Any:
    """Return the Value that `value_text` wrote down.

    Raises
    ------
    ParameterError
        The text is damaged, or something else.
    """
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), _MOST)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise ParameterError(f"a Value of more than {_MOST} bytes, or one that is cut off")
        return unpack(data)
    except (binascii.Error, zlib.error, ValueError, TypeError) as e:
        raise ParameterError(f"no Value written as text: {e}") from e
