"""The errors of lerarlink: each says where, what was wanted and what came, and is also a built-in error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class EngineError(Exception):
    """Root of all errors that lerarlink raises on purpose."""


class ParameterError(EngineError, ValueError):
    """A parameter has the wrong name, type, range or choice."""


class GraphError(EngineError, ValueError):
    """The graph cannot be run as it stands: links, types, cycles, states."""


UNRESOLVED = "Process Error: Lerar Link unresolved"
"""Begins every message about something that was to be linked and is not there."""


def unresolved(where: str, why: str, *, wants: str = "", near: Iterable[str] = (), cure: str = "") -> str:
    """Return the message of an unresolved link, the same words wherever one turns up.

    Parameters
    ----------
    where
        The node with its input or parameter, or the frames that it is about.
    why
        What is the matter.
    wants
        The type of what is wanted there; empty where that says nothing.
    near
        Candidates that come nearest, each as half a sentence.
    cure
        What would help.
    """
    wanted = f" (wants {wants})" if wants else ""
    parts = [why, *([", ".join(found)] if (found := list(near)) else []), *([cure] if cure else [])]
    return f"{UNRESOLVED}: {where}{wanted}: {'; '.join(parts)}"


class UnresolvedLinkError(GraphError):
    """Something that is to be linked is not there: an input, what a parameter follows, a master that frames want."""


class LinkError(UnresolvedLinkError):
    """A parameter link cannot be followed.

    Attributes
    ----------
    code
        ``LNK-1`` syntax, ``LNK-2`` unknown reference, ``LNK-3`` units, ``LNK-4`` circle, ``LNK-5`` value out of range
        or not finite, ``LNK-6`` type, ``LNK-7`` a measurement failed, ``LNK-8`` too large.
    node, param
        Whose link it is; empty while only its text is looked at.
    why
        What is the matter, without the place.
    cure
        What would help; may be empty.
    """

    def __init__(
        self, code: str, why: str, *, node: str = "", param: str = "", wants: str = "", cure: str = ""
    ) -> None:
        super().__init__(code, why, node, param, wants, cure)
        self.code, self.why, self.node, self.param, self.wants, self.cure = code, why, node, param, wants, cure

    def __str__(self) -> str:
        where = f"node '{self.node}', parameter '{self.param}'" if self.node else "expression"
        return unresolved(where, f"{self.code}: {self.why}", wants=self.wants, cure=self.cure)

    def __reduce__(self) -> Any:
        return _link_error, (self.code, self.why, self.node, self.param, self.wants, self.cure)

    def at(self, node: str, param: str, wants: str = "") -> LinkError:
        """Return the same error at a parameter of a node."""
        return LinkError(self.code, self.why, node=node, param=param, wants=wants or self.wants, cure=self.cure)


def _link_error(code: str, why: str, node: str, param: str, wants: str, cure: str) -> LinkError:
    return LinkError(code, why, node=node, param=param, wants=wants, cure=cure)


class UnknownProcessError(EngineError, LookupError):
    """No installed pack has the process that a node names."""


class SourceError(EngineError, OSError):
    """An input file is missing, unreadable, truncated or not an image."""


class MissingSourceError(UnresolvedLinkError, SourceError):
    """A file, or frames such as darks, that are to be linked were not given."""


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
