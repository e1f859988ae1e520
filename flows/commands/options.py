"""Options that every command shares, and how its help shows examples."""

from typing import Annotated

import typer

WAREHOUSE_VARIABLE = "RUMORMILL_WAREHOUSE"
DEFAULT_WAREHOUSE = "warehouse"

CHOSEN_WAREHOUSE = "rumormill.warehouse"
"""Where a command's context keeps the warehouse that it was given."""


def _noted(context: typer.Context, warehouse: str) -> str:
    context.meta[CHOSEN_WAREHOUSE] = warehouse
    return warehouse


WarehouseOption = Annotated[
    str,
    typer.Option(
        "--warehouse",
        "-w",
        callback=_noted,
        metavar="URL",
        help=f"Warehouse: a local folder, or s3://bucket/folder. Also {WAREHOUSE_VARIABLE}, or before the command.",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON on standard output, and nothing else there."),
]


def examples(*lines: str) -> str:
    """Return the epilog of a command's help: one example a line."""
    return "\n".join(["[bold]Examples[/bold]", *(f"  {line}".replace("[", "\\[") for line in lines)])
