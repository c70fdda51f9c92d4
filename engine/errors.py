"""The errors of lerarlink: each says where, what was wanted and what came, and is also a built-in error."""

from __future__ import annotations


class EngineError(Exception):
    """Root of all errors that lerarlink raises on purpose."""


class ParameterError(EngineError, ValueError):
    """A parameter has the wrong name, type, range or choice."""


class GraphError(EngineError, ValueError):
    """The graph cannot be run as it stands: links, types, cycles, states."""


class UnresolvedLinkError(GraphError):
    """A required input has nothing linked to it."""


class UnknownProcessError(EngineError, LookupError):
    """No installed pack has the process that a node names."""


class SourceError(EngineError, OSError):
    """An input file is missing, unreadable, truncated or not an image."""


class StoreError(EngineError, OSError):
    """The store cannot be read or written."""


class NodeFailed(EngineError, RuntimeError):
    """A node raised while making pixels or values; the cause is chained.

    Attributes are plain text so that the error survives the way back from a worker process.
    """

    def __init__(self, node: str, process: str, where: str, cause: str) -> None:
        super().__init__(node, process, where, cause)
        self.node, self.process, self.where, self.cause = node, process, where, cause

    def __str__(self) -> str:
        place = f", {self.where}" if self.where else ""
        return f"node '{self.node}' ({self.process}){place}: {self.cause}"


class Cancelled(EngineError):
    """The run was stopped before its end; what was finished is kept."""
