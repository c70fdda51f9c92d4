"""What goes to stdout: text, tables, JSON. Nothing else does."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ._errors import Unheard

# A table that is not read in a terminal is not cut to its width either.
_WIDE = 200


def tell(text: str) -> None:
    """Print a result.

    Raises
    ------
    Unheard
        Nobody reads our output any more, as in ``lerar nodes list | head -1``.
    """
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise Unheard from None


def tell_json(value: Any) -> None:
    """Print *value* as JSON; numbers that JSON lacks (NaN, infinities) become null."""
    tell(json.dumps(plain(value), indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """Print a message beside the result."""
    print(text, file=sys.stderr)


def plain(value: Any) -> Any:
    """Return *value* as JSON can hold it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy
        return plain(value.tolist())
    return str(value)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> str:
    """Return a table as text; *right* are the columns set flush right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for n, name in enumerate(columns):
        made.add_column(name, justify="right" if n in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row))
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else _WIDE
    text = io.StringIO()
    Console(file=text, width=width, force_terminal=terminal, highlight=False).print(made)
    lines = [line.rstrip() for line in text.getvalue().split("\n")]
    return "\n".join(lines).strip("\n")


def number(value: Any) -> str:
    """Return a number with as many digits as an eye wants."""
    if isinstance(value, float):
        return f"{value:.7g}"
    return str(value)


def size(count: float) -> str:
    """Return a count of bytes in units of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000 or unit == "GB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name and rename it: it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)  # noqa: SIM115
    try:
        with made:
            made.write(data)
        os.chmod(made.name, 0o666 & ~_umask())
        os.replace(made.name, path)
    except BaseException:
        Path(made.name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
