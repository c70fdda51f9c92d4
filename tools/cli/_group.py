"""Commands that are imported when they are used, and not before: `lerar --help` stays quick."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import rich_click as click

from . import _errors

# Name -> (module, short help). Help lists these lines, so a command's module is not needed for it.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Run a graph or a recipe."),
    "preprocess": ("preprocess", "Make a graph of folders of raw frames, and masters of it."),
    "links": ("links", "Show what calibrates what, and which links are missing."),
    "learn": ("learn", "Let parameters follow what a region of an image teaches."),
    "replay": ("replay", "Make an output again and compare, or use its graph on others."),
    "batch": ("batch", "Run a graph over many folders or files."),
    "log": ("log", "Tell which versions of a graph ran, or how an image was made."),
    "checkout": ("checkout", "Write an earlier version of a graph as a file."),
    "show": ("show", "Draw a graph as text, Mermaid, dot, SVG or JSON."),
    "inspect": ("inspect", "Tell what image files are, from their headers."),
    "stats": ("stats", "Measure an image: a table of its statistics."),
    "preview": ("preview", "Make a small picture of an image, stretched for the eye."),
    "new": ("new", "Make a graph file from a recipe."),
    "templates": ("templates", "List the recipes."),
    "import": ("import_", "Make a graph of a Siril script or of PixInsight's process icons."),
    "export": ("export", "Write a graph as a Python program or as a page."),
    "diff": ("diff", "Tell what differs between two graphs or images."),
    "merge": ("merge", "Bring two changed versions of a graph together."),
    "lint": ("lint", "Tell what is doubtful about a graph, and what would help."),
    "nodes": ("nodes", "List the processes, show their pages and schemas."),
    "convert": ("convert", "Write an image in another format."),
    "cache": ("cache", "Look after the store of results."),
    "doctor": ("doctor", "Check that this installation works."),
    "bench": ("bench", "Measure speed and memory, beside cp and other programs."),
    "demo": ("demo", "Simulate a sky, make a picture of it, and report."),
}


class Stub(click.RichCommand):
    """Stands for a command in lists; knows its name and one line."""

    def __init__(self, name: str) -> None:
        self.module, line = COMMANDS[name]
        super().__init__(name=name, help=line, short_help=line)

    def load(self) -> click.Command:
        module = importlib.import_module(f".{self.module}", __package__)
        loaded: click.Command = module.command
        return loaded


class Lerar(click.RichGroup):
    """The root command: lists stubs, loads what is called, and turns errors into lines and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return Stub(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Stub) else command, rest

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as e:
            # click would print an empty line and forget where we were.
            raise _errors.Interrupted from e

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        def call() -> Any:
            return super(Lerar, self).main(args, prog_name or "lerar", complete_var, standalone_mode=False, **extra)

        return _errors.guarded(call) if standalone_mode else call()


def _set_cache(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Point this process, and the worker processes it starts, at another store, until the command ends."""
    if value is None:
        return
    before = os.environ.get("LERAR_CACHE_DIR")
    os.environ["LERAR_CACHE_DIR"] = os.path.abspath(value)

    def put_back() -> None:
        if before is None:
            os.environ.pop("LERAR_CACHE_DIR", None)
        else:
            os.environ["LERAR_CACHE_DIR"] = before

    ctx.call_on_close(put_back)


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        _errors.show_traceback = True


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that may stand before a command's name as well as after it."""
    cache = click.option(
        "--cache",
        metavar="DIR",
        expose_value=False,
        is_eager=True,
        callback=_set_cache,
        help="Folder of the store (default: LERAR_CACHE_DIR, else the user's cache folder).",
    )
    debug = click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_debug,
        help="Show where in the code an error comes from.",
    )
    return cache(debug(function))
