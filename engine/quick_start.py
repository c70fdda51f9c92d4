"""What a new process need not do before its first kernel runs.

Before numba loads any compiled function it looks whether scipy's BLAS is there, for products of matrices inside
kernels, by importing all of scipy.linalg: a sixth of the time in which a process of lerarlink begins. No kernel
multiplies matrices; one that does asks for BLAS itself when it is compiled.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def _taken_for_granted(module: Any, name: str) -> Iterator[None]:
    """Let a check of *module* find nothing amiss; where there is no such check, nothing is changed."""
    check = getattr(module, name, None)
    if check is not None:
        setattr(module, name, lambda: None)
    try:
        yield
    finally:
        if check is not None:
            setattr(module, name, check)


def leave_blas_for_later() -> None:
    """Import the part of numba that looks for BLAS, without letting it look."""
    if "numba.np.arraymath" in sys.modules:
        return
    import numba.np.linalg

    with _taken_for_granted(numba.np.linalg, "ensure_blas"):
        import numba.np.arraymath  # for what it does while it is imported
