"""Siril scripts (``.ssf``) as graphs.

Commands and their options are those of Siril's manual, https://siril.readthedocs.io/en/stable/Commands.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...engine.errors import EngineError, GraphError
from . import ssf_files, ssf_frames, ssf_images, ssf_register, ssf_stack
from .outcome import Imported
from .sheet import Sheet
from .ssf_desk import Desk
from .ssf_words import Call, Unclear, calls

Handler = Callable[[Desk, Call], None]

_COMMANDS: Mapping[str, Handler] = {
    **ssf_files.COMMANDS,
    **ssf_frames.COMMANDS,
    **ssf_register.COMMANDS,
    **ssf_stack.COMMANDS,
    **ssf_images.COMMANDS,
}

_IDLE: Mapping[str, str] = {
    "requires": "this is not Siril, and no version of it is needed",
    **dict.fromkeys(("close", "exit", "clear", "clearstar"), "nothing stays open here"),
    **dict.fromkeys(("setcpu", "setmem"), "see --workers of lerar run"),
    **dict.fromkeys(("set16bits", "set32bits"), "everything is computed in 32 bits; see sample_format of WriteImage"),
    **dict.fromkeys(("set", "setcompress", "capabilities", "online", "offline"), "a setting of Siril itself"),
    **dict.fromkeys(("pwd", "ls", "dir", "help", "get", "getref", "dumpheader", "jsonmetadata", "seqheader", "parse"),
                    "only tells something"),
    **dict.fromkeys(("bg", "bgnoise", "entropy", "histo", "seqstat", "seqpsf", "psf", "tilt", "seqtilt", "profile"),
                    "only measures"),
    **dict.fromkeys(("findstar", "seqfindstar"), "stars are detected where they are needed"),
    **dict.fromkeys(("seqclean",), "nothing is left behind that could be cleaned away"),
    **dict.fromkeys(("update_key", "sequpdate_key"), "has no say in pixels"),
}  # fmt: skip

COMMANDS = tuple(sorted([*_COMMANDS, *_IDLE]))
"""Every command that is known, in order of name."""


def import_ssf(text: str, *, skip: bool = False) -> Imported:
    """Return the graph that does what a Siril script does. No file is opened and nothing is run.

    Frames and images that the script takes from its folders become named inputs of the graph, called like the
    folder or the file (``biases``, ``lights``); see `lerarlink.graphs.document.Graph.bind`.

    Parameters
    ----------
    text
        The script.
    skip
        Leave out commands that have no counterpart, instead of putting a placeholder in their place, which keeps
        their arguments and cannot be run.

    Raises
    ------
    GraphError
        The text is no script.
    """
    script = calls(text)
    if not script:
        raise GraphError("the script holds no command")
    sheet = Sheet(skip=skip)
    desk = Desk(sheet, script)
    for call in script:
        _follow(desk, call)
    desk.finish()
    sheet.graph.doc = _doc(sheet)
    return Imported(sheet.graph, tuple(sheet.notes), dict(sheet.places))


def _follow(desk: Desk, call: Call) -> None:
    """Do what a command says; what of it is not understood is noted."""
    desk.sheet.where = f"line {call.line}"
    whole = str(call)
    if call.name in _IDLE:
        desk.sheet.note("idle", whole, _IDLE[call.name])
        return
    handler = _COMMANDS.get(call.name, ssf_images.unknown)
    try:
        handler(desk, call)
    except (Unclear, EngineError) as e:
        desk.sheet.note("unmapped", whole, str(e))
        return
    for name in call.options:
        desk.sheet.note("unmapped", f"{call.name} {call.option_text(name)}", "this option has no counterpart")
    if call.words:
        desk.sheet.note("unmapped", f"{call.name} {' '.join(call.words)}", "more arguments than were understood")


def _doc(sheet: Sheet) -> str:
    missing = [str(n) for n in sheet.notes if n.kind == "unmapped"]
    lines = ["Made of a Siril script."]
    if missing:
        lines += ["What is missing in it:", *missing]
    return "\n".join(lines)
