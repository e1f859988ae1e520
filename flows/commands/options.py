"""Options shared by all commands, and the examples in their help."""

from typing import Annotated

import typer

WAREHOUSE_VARIABLE = "RUMORMILL_WAREHOUSE"
DEFAULT_WAREHOUSE = "warehouse"

CHOSEN_WAREHOUSE = "rumormill.warehouse"
"""Key in a command's context for the warehouse that the command uses."""


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
        help=f"Warehouse: a local folder or s3://bucket/folder; also settable by {WAREHOUSE_VARIABLE}.",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print only the result, as JSON, on standard output."),
]

ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="PROFILE",
        help="Cluster profile to run on, by name or path, such as processes. [dim]default: threads here[/dim]",
    ),
]

SessionArgument = Annotated[
    str,
    typer.Argument(metavar="SESSION", help="A session: CAMPAIGN:SESSION, or its id or the beginning of it."),
]
GROUPS = (
    "an attribute of the agents, or a column of agent_metrics, such as community (Leiden) or label (label propagation)"
)
"""By what commands group agents."""
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="SHARE",
        help="Run as many replicates as it takes until the 95 % interval of each mean reach is within this share of "
        "it, such as 1%; instead of a number of replicates.",
    ),
]

MessageOption = Annotated[
    str | None,
    typer.Option(
        "--message",
        metavar="NAME",
        help="One of several competing messages, by name or id. [dim]default: each of them[/dim]",
    ),
]


def examples(*lines: str) -> str:
    """Return the epilog of a command's help: one example per line."""
    return "\n".join(["[bold]Examples[/bold]", *(f"  {line}".replace("[", "\\[") for line in lines)])
