"""`lerar`, the command line. Importing this package imports click and nothing heavier."""

from __future__ import annotations

import os

import rich_click as click

from . import _errors
from ._group import Lerar, common

__all__ = ["lerar", "main"]

_HELP = """Lazy node graphs for astronomical images.

Results go to stdout, progress and messages to stderr.

Exit codes: 0 done, 1 a node failed, 2 wrong use, 3 input missing or unreadable, 4 invalid graph,
5 differences found, 6 missing process, 75 stopped by a limit of memory or disk, 130 interrupted.
"""


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from ... import __version__

        click.echo(f"lerar {__version__}")
        ctx.exit()


@click.group(cls=Lerar, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit."
)
@common
def lerar() -> None:
    """The root of all commands."""


def main() -> None:
    """Run `lerar` with the arguments of this process, and exit."""
    # Tasks are what is shared out here. Threads of BLAS, which numpy and scipy would start when they are imported,
    # wait busily, and sums of products may round otherwise where there are more of them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        lerar.main()
    except SystemExit as e:
        if e.code == _errors.INTERRUPTED:
            _errors.leave_soon()
        raise
