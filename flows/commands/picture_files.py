"""Pictures that commands draw into files."""

from pathlib import Path
from typing import TYPE_CHECKING

from flows.commands.terminal import print_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURES = (".png", ".svg", ".pdf")


def check_picture(path: str, option: str = "--plot") -> None:
    """Raise InvalidInputError unless a file name ends like a picture's and its folder exists."""
    from data.errors import InvalidInputError
    from flows.output_files import check_output

    if Path(path).suffix.lower() not in PICTURES:
        raise InvalidInputError(f"{option} {path!r} does not end in {', '.join(PICTURES)}; rename it")
    check_output(path)


def save_picture(ax: "Axes", path: str) -> None:
    """Save the figure of some axes and say so.

    Raises
    ------
    InvalidInputError
        If the file cannot be written.
    """
    from data.errors import InvalidInputError

    try:
        ax.get_figure().savefig(path, dpi=150)  # type: ignore[union-attr]
    except OSError as error:
        raise InvalidInputError(f"cannot write {path!r}: {error.strerror or error}; choose another file") from None
    print_note(f"drew {path}")
