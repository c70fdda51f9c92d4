"""The garbage collector, paused where documents are taken apart.

Python looks for circles of objects each time that many new ones were made. Documents are trees: among a hundred
thousand new dicts and lists it finds none, and the search takes longer than reading them.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Look for no circles meanwhile. Objects that nothing refers to are freed all the same.

    Of several that overlap, in threads, the one that found it at work sets it to work again.
    """
    at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if at_work:
            gc.enable()
