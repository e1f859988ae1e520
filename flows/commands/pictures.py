"""The option ``--plot`` of commands: a picture of what they answer, in a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.terminal import print_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")
PlotOption = Annotated[
    str | None, typer.Option("--plot", metavar="FILE", help="Also draw it, into a PNG, SVG or PDF file.")
]


def check_plot(path: str | None, option: str = "--plot") -> None:
    """Refuse a file that cannot hold a picture, before any work.

    Raises
    ------
    InvalidInputError
        If its name has another ending, it is a folder, or its folder does not exist.
    """
    from data.errors import InvalidInputError
    from flows.output_files import check_output

    if path is None:
        return
    if Path(path).suffix.lower() not in ENDINGS:
        raise InvalidInputError(f"{option} {path!r} does not end in {', '.join(ENDINGS)}; rename it")
    check_output(path, option)


def save_plot(picture: "Axes | Figure", path: str, option: str = "--plot") -> None:
    """Save a figure, or that of some axes, and say so.

    Raises
    ------
    InvalidInputError
        If the file cannot be written.
    """
    from flows.output_files import write_output

    figure = picture.get_figure(root=True)
    kind = Path(path).suffix.lower().removeprefix(".")
    written = write_output(
        path,
        lambda file: figure.savefig(file, format=kind, dpi=150),  # type: ignore[union-attr]
        binary=True,
        option=option,
    )
    print_note(f"drew {written}")
