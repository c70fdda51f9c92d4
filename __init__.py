"""lerarlink: a lazy node graph for astronomical images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .engine.errors import EngineError as EngineError
    from .engine.image import ImageHandle as ImageHandle
    from .graphs.document import Graph as Graph

_HOMES = {
    "Graph": "graphs.document",
    "ImageHandle": "engine.image",
    "EngineError": "engine.errors",
}
__all__ = ["EngineError", "Graph", "ImageHandle", "__version__"]


def __getattr__(name: str) -> Any:
    """Load public names on first use, so that `lerar --help` starts without numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lerarlink' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
