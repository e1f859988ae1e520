"""The option ``--plot`` of commands: a picture of what they answer, in a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.terminal import print_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENDINGS = (".png", ".svg", ".pdf")
PlotOption = Annotated[
    str | None, typer.Option("--plot", metavar="FILE", help="Also draw it, into a PNG, SVG or PDF file.")
]


def check_plot(path: str | None) -> None:
    """Refuse a file that cannot hold a picture, before any work.

    Raises
    ------
    InvalidInputError
        If its name has another ending, or its folder does not exist.
    """
    from data.errors import InvalidInputError

    if path is None:
        return
    if Path(path).suffix.lower() not in ENDINGS:
        raise InvalidInputError(f"--plot {path!r} does not end in {', '.join(ENDINGS)}; rename it")
    if not Path(path).expanduser().parent.is_dir():
        raise InvalidInputError(f"cannot write {path!r}: No such file or directory; choose another file")


def save_plot(axes: "Axes", path: str) -> None:
    """Save the figure of some axes.

    Raises
    ------
    InvalidInputError
        If the file cannot be written.
    """
    from data.errors import InvalidInputError

    figure = axes.get_figure(root=True)
    try:
        figure.savefig(Path(path).expanduser(), dpi=150)  # type: ignore[union-attr]
    except OSError as error:
        raise InvalidInputError(f"cannot write {path!r}: {error.strerror or error}; choose another file") from None
    print_note(f"drew {path}")
