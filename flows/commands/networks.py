"""Commands about networks: ``rumormill network import | generate | list | describe``."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.formats import FormatOption, OutputOption, write_rows
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.terminal import print_json, print_line, print_note, print_table, progress_bars

if TYPE_CHECKING:
    from data.facade import Warehouse
    from data.networks.network import Network

app = typer.Typer(no_args_is_help=True, help="Import, generate and describe networks.")

NetworkName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the network in the warehouse.")]
QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
SHOWN_REJECTS = 5
GENERATORS = "rmat, preferential_attachment, watts_strogatz, planted_communities, erdos_renyi, complete"


@app.command(
    "import",
    epilog=examples(
        "rumormill network import wiki-vote wiki-Vote.txt",
        "rumormill network import trust trust.csv --columns source,target,rating,time --strength rating",
        "rumormill network import hep hep.txt --header counts --undirected",
        "rumormill network import friends --query \"SELECT follower, followed FROM 'friends.parquet'\"",
    ),
)
def import_network(
    name: NetworkName,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="Edge list: SNAP text, CSV, TSV (also .gz), Parquet (also a folder), METIS or Matrix Market.",
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option("--query", metavar="SQL", help="Read the edges from a SELECT instead; it may read files."),
    ] = None,
    undirected: Annotated[
        bool, typer.Option("--undirected", help="Add the reverse of every edge.", rich_help_panel="Edges")
    ] = False,
    reverse: Annotated[
        bool, typer.Option("--reverse", help="Swap source and target of every edge.", rich_help_panel="Edges")
    ] = False,
    duplicates: Annotated[
        Literal["first", "sum", "max", "error"],
        typer.Option(
            help="Rows with equal (source, target): keep the first, take the sum or maximum of numbers, or fail.",
            rich_help_panel="Edges",
        ),
    ] = "first",
    max_rejects: Annotated[
        int,
        typer.Option(
            min=0, help="Fail if more rows (malformed, self-loops, duplicates) are rejected.", rich_help_panel="Edges"
        ),
    ] = 1_000_000,
    agents: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Additional agents, such as isolated ones: first column agent ids, other columns attributes.",
            rich_help_panel="Edges",
        ),
    ] = None,
    header: Annotated[
        Literal["auto", "none", "names", "counts"],
        typer.Option(help="First line: column names, counts (two numbers n m), or none.", rich_help_panel="Columns"),
    ] = "auto",
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C", help="Names of all columns, for files without a header.", rich_help_panel="Columns"
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Source column. [dim]default: by its name, else the first[/dim]",
            rich_help_panel="Columns",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Target column. [dim]default: by its name, else the second[/dim]",
            rich_help_panel="Columns",
        ),
    ] = None,
    strength: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Strength column: finite, >= 0.", rich_help_panel="Columns"),
    ] = None,
    probability: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Transmission probability column: in [0, 1].", rich_help_panel="Columns"),
    ] = None,
    partitions: Annotated[
        int | None,
        typer.Option(min=1, help="Edge partitions. [dim]default: one per 4 million edges[/dim]"),
    ] = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Import an edge list as network NAME, replacing its current content if it exists."""
    from data.errors import InvalidInputError
    from data.facade import Warehouse

    if (file is None) == (query is None):
        raise InvalidInputError("give either FILE or --query, not both")
    given = {
        "undirected": undirected,
        "reverse": reverse,
        "duplicates": duplicates,
        "max_rejects": max_rejects,
        "header": header,
        "columns": None if columns is None else tuple(part.strip() for part in columns.split(",")),
        "source": source,
        "target": target,
        "strength": strength,
        "probability": probability,
        "partitions": partitions,
    }
    options = {option: value for option, value in given.items() if value is not None}
    place = Warehouse(warehouse)
    known = _snapshots(place, name)
    with _warnings_printed_once(), progress_bars(hidden=as_json) as progress:
        edges = file if query is None else _query(place, query)
        network = place.import_network(name, edges, agents=agents, progress=progress, **options)
    _report(network, known, as_json=as_json)


@contextmanager
def _warnings_printed_once() -> Iterator[None]:
    """Suppress the warnings that imports log: `_report` prints them."""
    logger = logging.getLogger("data.networks.imports")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _query(warehouse: "Warehouse", sql: str) -> Any:
    from data.warehouse.catalogue import run_import_query

    return run_import_query(warehouse, sql)


@app.command(
    "generate",
    epilog=examples(
        "rumormill network generate demo rmat --agents 100000 --edges 1000000",
        "rumormill network generate town watts_strogatz --agents 5000 --set degree=10 --set rewiring=0.05",
        "rumormill network generate blocks planted_communities --agents 9000 --set communities=30",
    ),
)
def generate_network(
    name: NetworkName,
    generator: Annotated[str, typer.Argument(metavar="GENERATOR", help=f"One of {GENERATORS}.")],
    agents: Annotated[int, typer.Option("--agents", "-n", help="Number of agents.")],
    edges: Annotated[
        int | None, typer.Option("--edges", "-m", help="Number of directed edges (rmat, erdos_renyi).")
    ] = None,
    random_seed: Annotated[int, typer.Option(help="Equal seeds and parameters give equal networks.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another parameter of the generator; may be repeated."),
    ] = None,
    partitions: Annotated[int | None, typer.Option(min=1, help="Edge partitions; never changes the network.")] = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Generate a synthetic network. The same parameters give the same network on any machine."""
    from data.facade import Warehouse

    parameters: dict[str, Any] = {"agents": agents, "random_seed": random_seed, **_settings(settings or [])}
    if edges is not None:
        parameters["edges"] = edges
    place = Warehouse(warehouse)
    known = _snapshots(place, name)
    with progress_bars(hidden=as_json) as progress:
        network = place.generate_network(name, generator, partitions=partitions, progress=progress, **parameters)
    _report(network, known, as_json=as_json)


def _settings(settings: list[str]) -> dict[str, str]:
    from data.errors import InvalidInputError

    parameters = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise InvalidInputError(f"--set {setting!r} is not KEY=VALUE, such as --set rewiring=0.05")
        parameters[key.strip().replace("-", "_")] = value.strip()
    return parameters


@app.command("list", epilog=examples("rumormill network list", "rumormill network list --json"))
def list_networks(
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """List the networks of the warehouse, each in its current snapshot."""
    from data.facade import Warehouse
    from data.networks import index

    place = Warehouse(warehouse)
    networks = [
        {
            "network": row["network_id"],
            "agents": row["agents"],
            "edges": row["edges"],
            "snapshots": row["snapshots"],
            "created": row["created_at"],
            "description": row["description"],
        }
        for row in index.listing(place).to_pylist()
    ]

    def show() -> None:
        if networks:
            print_table(networks)
        else:
            print_line(f"no networks yet in warehouse {place.url}; import one: rumormill network import NAME FILE")

    write_rows(networks, show, chosen=chosen, output=output, as_json=as_json)


@app.command("describe", epilog=examples("rumormill network describe wiki-vote"))
def describe_network(
    name: NetworkName, warehouse: WarehouseOption = DEFAULT_WAREHOUSE, as_json: JsonOption = False
) -> None:
    """Describe a network: counts, degrees, attributes, rejected rows and origin."""
    from data.facade import Warehouse

    network = Warehouse(warehouse).network(name)
    description = _description(network)
    if as_json:
        print_json(description)
        return
    degrees, rejects = description.pop("degrees"), description.pop("rejects")
    width = max(map(len, description))
    for label, value in description.items():
        shown = f"{value:,}" if isinstance(value, int) else ", ".join(value) if isinstance(value, list) else value
        print_line(f"{label:<{width}}  {shown or '-'}")
    print_table(degrees)
    if rejects:
        print_table(rejects, title=f"the first {len(rejects)} of {_rejected(network):,} rejected rows")


def _description(network: "Network") -> dict[str, Any]:
    row = network.row
    return {
        "network": network.network_id,
        "description": row["description"],
        "snapshot": network.snapshot_id,
        "created": f"{row['created_at']:%Y-%m-%d %H:%M:%S} UTC",
        "agents": row["agents"],
        "reserved ids": network.n_ids - network.n_agents,
        "edges": row["edges"],
        "partitions": row["partitions"],
        "rows read": row["rows_read"],
        "self-loops": row["self_loops"],
        "duplicates": row["duplicates"],
        "malformed": row["malformed"],
        "edge attributes": list(row["edge_attributes"]),
        "agent attributes": list(row["agent_attributes"]),
        "strength": row["strength_column"] or "",
        "probability": row["probability_column"] or "",
        "options": row["options"],
        "warnings": list(network.warnings),
        "degrees": _degrees(network),
        "rejects": _first_rejects(network),
    }


def _degrees(network: "Network") -> list[dict[str, Any]]:
    """Return mean and quantiles of in- and out-degree, one row each."""
    import numpy as np

    rows = []
    for kind in ("in_degree", "out_degree"):
        degrees = np.concatenate(
            [network.warehouse.read_file(file, [kind])[kind].to_numpy() for file in network.agent_files]
        )
        quantiles = np.quantile(degrees, QUANTILES, method="lower").tolist()
        names = ["min", *(f"{q * 100:.0f} %" for q in QUANTILES[1:-1]), "max"]
        rows.append({"degree": kind, "mean": float(degrees.mean()), **dict(zip(names, quantiles, strict=True))})
    return rows


def _rejected(network: "Network") -> int:
    return int(sum(network.row[count] for count in ("self_loops", "duplicates", "malformed")))


def _first_rejects(network: "Network") -> list[dict[str, Any]]:
    columns = ["line", "reason", "detail", "source_agent_id", "target_agent_id", "text"]
    rejects = network.warehouse.read("network_rejects", [network.key], columns)
    return list(rejects.sort_by("line").slice(0, SHOWN_REJECTS).to_pylist())


def _snapshots(warehouse: "Warehouse", name: str) -> list[str]:
    """Return the ids of the network's existing snapshots, the current one last."""
    from data.networks import index

    now = index.current(warehouse, name)
    ids = [snapshot.snapshot_id for snapshot in index.snapshots(warehouse, name)]
    return ids if now is None else [*ids, now.snapshot_id]


def _report(network: "Network", known: list[str], *, as_json: bool) -> None:
    """Print what was imported and record the event; `known` are the snapshots before the import."""
    from flows.events import Event, publish_events
    from flows.sources import import_counts

    changed = known[-1:] != [network.snapshot_id]
    counts = import_counts(network)
    if changed:
        publish_events(network.warehouse, [Event("network_imported", network.key, counts)])
    for warning in network.warnings:
        print_note(f"warning: {warning}")
    if as_json:
        new = network.snapshot_id not in known
        print_json({**counts, "new": new, "changed": changed, "warnings": list(network.warnings)})
        return
    verb = "is now" if changed else "was imported before, nothing changed:"
    print_line(f"network {network.network_id!r} {verb} {network.n_agents:,} agents, {network.n_edges:,} edges")
    if rejected := _rejected(network):
        print_line(
            f"rejected {rejected:,} of {counts['rows_read']:,} rows: {counts['self_loops']:,} self-loops, "
            f"{counts['duplicates']:,} duplicates, {counts['malformed']:,} malformed (table network_rejects)"
        )
