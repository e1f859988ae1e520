"""Commands about observed cascades: ``rumormill cascades import | list | show | rejects | plot | page``."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write_rows
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.terminal import print_json, print_line, print_note, print_published, print_table, progress_bars

if TYPE_CHECKING:
    from data.facade import Warehouse

app = typer.Typer(no_args_is_help=True, help="Import observed cascades, describe and draw them beside simulated ones.")

SHOWN_REJECTS = 20
CascadesName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the observed cascades in the warehouse.")]
SessionOption = Annotated[
    str | None,
    typer.Option(
        "--session",
        metavar="SESSION",
        help="A simulated session beside them: CAMPAIGN:SESSION, or its id or the beginning of it.",
    ),
]
RoundLengthOption = Annotated[
    float | None,
    typer.Option(
        "--round-length",
        metavar="TIME",
        help="Time that a round of the session stands for, in the unit of the cascades. [dim]default: that at which "
        "both curves reach half of their size (or else end) at the same time[/dim]",
    ),
]
PageOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="File of the page. [dim]default: NAME-cascades.html in the folder of the warehouse, or in the current "
        "folder if the warehouse is an object store[/dim]",
        show_default=False,
    ),
]


def _column(what: str) -> Any:
    return typer.Option(metavar="COLUMN", help=what, rich_help_panel="Columns")


@app.command(
    "import",
    epilog=examples(
        "rumormill cascades import talks talks.csv --cascade topic --agent user --time minute --time-unit minutes",
        "rumormill cascades import android train.txt --network android",
        "rumormill cascades import rumours twitter15.tar.gz",
        "rumormill cascades import higgs higgs-activity_time.txt.gz --only RT --split-trees",
        "rumormill cascades import drug doctors.csv --agent city --agent id --item month --never 18",
    ),
)
def import_cascades(
    name: CascadesName,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="CSV, TSV, text (also .gz), Parquet, or a folder or tar archive with a file per tree of retweets.",
        ),
    ],
    input_format: Annotated[
        Literal["auto", "rows", "lines", "trees", "adoptions"],
        typer.Option(
            "--input-format",
            help="Rows of cascade, agent and time; lines of a seed and agent-time pairs; trees of parent, child and "
            "delay; adoptions, a row per agent and a column of times per item.",
        ),
    ] = "auto",
    network: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Network of the agents: they get its ids; rows of others are rejected."),
    ] = None,
    time_unit: Annotated[
        str | None,
        typer.Option(
            metavar="UNIT",
            help="What a time of 1 means. [dim]default: minutes of trees, periods of adoptions, else seconds[/dim]",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Labels of the cascades: lines of cascade and label, in either order."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE", help="Keep only rows with this value in the column type, or COLUMN=VALUE, such as RT."
        ),
    ] = None,
    split_trees: Annotated[
        bool,
        typer.Option(
            "--split-trees",
            help="Without a column of the cascade: make each tree of infectors a cascade, named after its root.",
        ),
    ] = False,
    max_rejects: Annotated[
        str, typer.Option(metavar="SHARE", help="Fail if a larger share of the rows is rejected, such as 10%.")
    ] = "50%",
    header: Annotated[
        Literal["auto", "none", "names"],
        typer.Option(help="First line of a text file: column names, or none.", rich_help_panel="Columns"),
    ] = "auto",
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C", help="Names of all columns, for files without a header.", rich_help_panel="Columns"
        ),
    ] = None,
    cascade: Annotated[str | None, _column("Column of the cascade; without one, the file is one cascade.")] = None,
    agent: Annotated[
        list[str] | None,
        _column("Column of the agent; repeated, if several identify it. Without one, each row is an agent of its own."),
    ] = None,
    time: Annotated[str | None, _column("Column of the time: a number, or a date.")] = None,
    infector: Annotated[str | None, _column("Column of the agent that activated this one.")] = None,
    followers: Annotated[str | None, _column("Column of the number of agents who could see the activation.")] = None,
    item: Annotated[
        list[str] | None, _column("Column with times of adoption, a cascade of its own; may be repeated.")
    ] = None,
    never: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE",
            help="Value in such a column that means never; empty cells always do.",
            rich_help_panel="Columns",
        ),
    ] = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Import observed cascades as NAME: who was activated when, and by whom where the source says so."""
    from data.cascades import index
    from data.facade import Warehouse

    given = {
        "only": only,
        "columns": None if columns is None else tuple(part.strip() for part in columns.split(",")),
        "cascade": cascade,
        "agent": agent,
        "time": time,
        "infector": infector,
        "followers": followers,
        "items": item,
        "never": never,
        "split_trees": split_trees or None,
    }
    options = {option: value for option, value in given.items() if value is not None}
    place = Warehouse(warehouse)
    before = index.current_row(place, name)
    with _warnings_printed_once(), progress_bars(hidden=as_json) as progress:
        found = place.import_cascades(
            name,
            file,
            format=input_format,
            header=header,
            network=network,
            time_unit=time_unit,
            labels=labels,
            max_rejects=_share(max_rejects),
            progress=progress,
            **options,
        )
    changed = before is None or before["cascade_set_id"] != found.cascade_set_id
    _report(place, name, changed=changed, as_json=as_json)


def _share(text: str) -> float:
    from data.errors import InvalidInputError

    number, percent, _ = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InvalidInputError(f"--max-rejects {text!r} is not a share from 0 to 1, such as 10% or 0.1")
    return share


@contextmanager
def _warnings_printed_once() -> Iterator[None]:
    """Suppress the warnings that imports log: `_report` prints them."""
    logger = logging.getLogger("data.cascades.imports")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _report(place: "Warehouse", name: str, *, changed: bool, as_json: bool) -> None:
    """Print what was imported."""
    from data.cascades import index
    from data.quantities import counted

    row = index.found_row(place, name)
    for warning in row["warnings"] or ():
        print_note(f"warning: {warning}")
    if as_json:
        print_json({**_facts(row), "changed": changed, "warnings": list(row["warnings"] or ())})
        return
    verb = "are now"
    if not changed:
        verb = f"were imported before, from {row['source']} at {_moment(row)}; nothing changed:"
    print_line(
        f"cascades {name!r} {verb} {counted(row['cascades'], 'cascade')}, "
        f"{counted(row['activations'], 'activation')} of {counted(row['agents'], 'agent')}"
    )
    if row["rejected_rows"]:
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in _reasons(place, name).items())
        print_line(f"rejected {row['rejected_rows']:,} of {row['rows_read']:,} rows (table cascade_rejects): {reasons}")


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of `observed_cascade_sets` without the options and warnings of the import."""
    return {name: value for name, value in row.items() if name not in {"options", "warnings"}}


def _reasons(place: "Warehouse", name: str) -> dict[str, int]:
    counts = place.cascade_rejects(name)["reason"].astype(str).value_counts()
    return {str(reason): int(count) for reason, count in counts.items()}


@app.command("list", epilog=examples("rumormill cascades list", "rumormill cascades list --json"))
def list_cascades(
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """List the observed cascades of the warehouse, by the name under which they were imported."""
    from data.cascades import index
    from data.facade import Warehouse

    place = Warehouse(warehouse)
    rows = index.listing(place).to_pylist()
    names = ["cascade_set", "cascades", "activations", "agents", "rejected_rows", "network_id", "time_unit", "source"]

    def show() -> None:
        if rows:
            print_table([{**row, "source": row["source"].rpartition("/")[2]} for row in rows], names)
        else:
            print_line(
                f"no observed cascades yet in warehouse {place.url}; import some: rumormill cascades import NAME FILE"
            )

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json)


@app.command(
    "show", epilog=examples("rumormill cascades show rumours", "rumormill cascades show rumours --session spring")
)
def show_cascades(
    name: CascadesName,
    session: SessionOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Describe observed cascades: sizes, durations, depths, structural virality, generation intervals; and rejects.

    With a session that recorded activations, the same of its simulated cascades, whose times are rounds.
    """
    from analytics.observations.shapes import cascade_shapes, publish_shapes, shape_quantiles
    from data.cascades import index
    from data.facade import Warehouse
    from data.quantities import number_text
    from propagation.session_references import find_session

    check_format(chosen, output, as_json=as_json)
    place = Warehouse(warehouse)
    result = None if session is None else find_session(place, session)
    row = index.found_row(place, name)
    frames = {("observed", row["time_unit"]): cascade_shapes(place.cascades(name))}
    published = None
    if result is not None:
        simulated = frames["simulated", "rounds"] = cascade_shapes(result)
        published = publish_shapes(result, simulated)
    rows: list[dict[str, Any]] = []
    for (origin, unit), frame in frames.items():
        found = shape_quantiles(frame).astype(object)
        records = found.where(found.notna(), None).to_dict("records")
        rows += [{"origin": origin, "time_unit": unit, **{str(key): each[key] for key in each}} for each in records]

    def show() -> None:
        _describe(place, row)
        for origin, unit in frames:
            own = [each for each in rows if each["origin"] == origin]
            print_table(own, list(rows[0])[2:], title=f"{origin}, {unit}", number=number_text)
        if published is not None:
            print_published("cascade_shapes", published=published)

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json)


def _moment(row: dict[str, Any]) -> str:
    return f"{row['imported_at']:%Y-%m-%d %H:%M:%S} UTC"


def _describe(place: "Warehouse", row: dict[str, Any]) -> None:
    facts = {
        "cascades": row["cascade_set"],
        "source": row["source"],
        "imported": _moment(row),
        "id": row["cascade_set_id"],
        "network": row["network_id"],
        "options": row["options"],
        "number": f"{row['cascades']:,}",
        "activations": f"{row['activations']:,}",
        "agents": f"{row['agents']:,}",
        "unknown infectors": f"{row['unknown_infectors']:,}",
        "rejected rows": f"{row['rejected_rows']:,} of {row['rows_read']:,}",
    }
    if row["rejected_rows"]:
        facts |= {f"  {reason}": f"{count:,}" for reason, count in _reasons(place, row["cascade_set_id"]).items()}
    width = max(map(len, facts))
    for label, value in facts.items():
        print_line(f"{label:<{width}}  {value or '-'}")


@app.command(
    "rejects",
    epilog=examples("rumormill cascades rejects rumours", "rumormill cascades rejects rumours -o rejects.csv"),
)
def show_rejects(
    name: CascadesName,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """List the rows that the import of observed cascades left out, with the reason of each."""
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    place = Warehouse(warehouse)
    frame = place.cascade_rejects(name).astype(object)
    rows: list[dict[str, Any]] = frame.where(frame.notna(), None).to_dict("records")  # type: ignore[assignment]

    def show() -> None:
        if not rows:
            print_line(f"the import of cascades {name!r} rejected no row")
            return
        print_table([{"reason": reason, "rows": count} for reason, count in _reasons(place, name).items()])
        used = [column for column in rows[0] if any(row[column] is not None for row in rows)]
        print_table(rows[:SHOWN_REJECTS], used, title="the first rejected rows" if len(rows) > SHOWN_REJECTS else None)
        if len(rows) > SHOWN_REJECTS:
            print_note(f"{SHOWN_REJECTS} of {len(rows):,} rows; --output FILE writes all")

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json)


@app.command(
    "plot",
    epilog=examples(
        "rumormill cascades plot rumours --output curve.png",
        "rumormill cascades plot rumours --cascade 12 --session spring:hubs --output curve.png",
        "rumormill cascades plot rumours --kind shapes --session spring:hubs --output shapes.svg",
    ),
)
def plot_cascades(
    name: CascadesName,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="PNG, SVG or PDF file to draw into.")],
    kind: Annotated[
        Literal["curve", "shapes"],
        typer.Option(help="Activations over time, or the distributions of size and structural virality."),
    ] = "curve",
    cascade: Annotated[
        str | None, typer.Option(metavar="ID", help="Curve of this cascade. [dim]default: the mean of all[/dim]")
    ] = None,
    session: SessionOption = None,
    round_length: RoundLengthOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
) -> None:
    """Draw observed cascades, beside those of a simulated session."""
    from data.errors import InvalidInputError
    from data.facade import Warehouse
    from flows.commands.pictures import check_plot, save_plot
    from propagation.session_references import find_session

    check_plot(output, "--output")
    if kind == "shapes" and (cascade is not None or round_length is not None):
        raise InvalidInputError("--cascade and --round-length belong to --kind curve; --kind shapes draws all cascades")
    place = Warehouse(warehouse)
    observed = place.cascades(name)
    result = None if session is None else find_session(place, session)
    if kind == "curve":
        from analytics.observations.pictures import activation_curves

        picture: Any = activation_curves(observed, result, cascade=cascade, round_length=round_length, name=session)
    else:
        from analytics.observations.pictures import shape_distributions
        from analytics.observations.shapes import cascade_shapes

        simulated = None if result is None else cascade_shapes(result)
        picture = shape_distributions(cascade_shapes(observed), simulated, names=(name, session or ""))
    save_plot(picture, output, "--output")


@app.command(
    "page",
    epilog=examples(
        "rumormill cascades page rumours",
        "rumormill cascades page rumours --session spring:hubs --output rumours.html",
    ),
)
def write_page(
    name: CascadesName,
    session: SessionOption = None,
    round_length: RoundLengthOption = None,
    output: PageOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Write a web page of observed cascades, beside those of a simulated session: figures, tables, downloads."""
    from data.errors import InvalidInputError
    from flows.pages import write_cascades_page

    if round_length is not None and session is None:
        raise InvalidInputError("--round-length is that of a session; give one with --session, or leave it out")
    path = write_cascades_page(warehouse, name, session, round_length=round_length, output=output)
    if as_json:
        print_json({"cascade_set": name, "page": str(path)})
    else:
        print_line(str(path))
