"""Commands that read the warehouse: ``rumormill sql | tables | verify``."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write, write_rows
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_error, print_json, print_line, print_note, print_table, progress_bars

if TYPE_CHECKING:
    import pyarrow as pa

    from analytics.sql_reports import Answer

SHOWN_ROWS = 100
"""Rows of a result that are shown as a table by default."""


def sql(
    query: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT; '-' reads it from standard input.")],
    chosen: FormatOption = None,
    output: OutputOption = None,
    rows: Annotated[
        int, typer.Option("--rows", min=1, help="Maximum rows of a table; other formats have all.")
    ] = SHOWN_ROWS,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="WHEN", help="A past state: a time (UTC), or the number of a publication."),
    ] = None,
    no_limits: Annotated[
        bool,
        typer.Option("--no-limits", help="Allow more than 10 minutes and half of the machine's memory."),
    ] = False,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Query the warehouse in SQL (DuckDB). For a list of tables: rumormill tables."""
    from data.facade import Warehouse
    from data.warehouse import catalogue

    check_format(chosen, output, as_json=as_json)
    statement = sys.stdin.read() if query == "-" else query
    place = Warehouse(warehouse)
    if as_of is not None:
        place = place.as_of(int(as_of) if as_of.isdecimal() else as_of)
    limits: dict[str, Any] = {"limit_seconds": None, "limit_memory": None} if no_limits else {}
    answer = catalogue.query(place, statement, **limits)
    write(answer, lambda: _print_answer(answer, rows), chosen=chosen, output=output, as_json=as_json)


def _print_answer(answer: "pa.Table", rows: int) -> None:
    shown = answer.slice(0, rows)
    columns = [column.to_pylist() for column in shown.columns]
    names = _distinct(answer.column_names)
    print_table([dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)], names)
    if answer.num_rows > rows:
        print_note(f"{rows:,} of {answer.num_rows:,} rows; --rows N shows more, --output FILE.parquet writes all")


def _distinct(names: list[str]) -> list[str]:
    """Return the names with a number after each that occurs more than once."""
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})" for i, name in enumerate(names)
    ]


def report(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A report; see --list.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the reports with their questions.")] = False,
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="Name or id of the campaign; default: the latest.")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the report, such as limit=20; repeatable."),
    ] = None,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    rows: Annotated[
        int, typer.Option("--rows", min=1, help="Maximum rows of a table; other formats have all.")
    ] = SHOWN_ROWS,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Answer one of the usual questions about a campaign. For a list: rumormill report --list."""
    from analytics import sql_reports
    from data.errors import InvalidInputError
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    if listed:
        asked = [sql_reports.question(each) for each in sql_reports.REPORTS]
        found: list[dict[str, Any]] = [
            {
                "report": each.name,
                "question": each.purpose,
                "grain": each.grain,
                "parameters": ", ".join(f"{key}={value}" for key, value in each.parameters.items()),
                "plot": each.drawn_as is not None,
            }
            for each in asked
        ]
        brief = [{name: row[name] for name in ("report", "question", "parameters")} for row in found]
        write_rows(found, lambda: print_table(brief), chosen=chosen, output=output, as_json=as_json)
        return
    if name is None:
        raise InvalidInputError("which report? For a list: rumormill report --list")
    given = dict(each.partition("=")[::2] for each in parameters or ())
    answer = sql_reports.report(Warehouse(warehouse), name, campaign, **given)
    if plot is not None:
        save_plot(answer.plot(), plot)
    write(answer.rows, lambda: _print_report(answer, rows), chosen=chosen, output=output, as_json=as_json)


def _print_report(answer: "Answer", rows: int) -> None:
    print_line(answer.question)
    print_note(answer.grain)
    _print_answer(answer.rows, rows)
    if not answer.rows.num_rows:
        print_note("no rows: the campaign has no such sessions, or nothing happened in them")


def tables(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A table, to see its columns.")] = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """List the tables with their grain, or the columns of one table with their meaning."""
    from data.facade import Warehouse
    from data.warehouse.tables import MACROS, TABLES, VIEWS

    if name is not None:
        _describe_table(name, as_json=as_json)
        return
    place = Warehouse(warehouse)
    listed: list[dict[str, Any]] = [
        {"table": table.name, "rows": place.count(table.name), "grain": table.grain} for table in TABLES.values()
    ]
    listed += [{"table": view.name, "rows": None, "grain": view.grain} for view in VIEWS.values()]
    listed += [{"table": macro.name, "rows": None, "grain": macro.grain} for macro in MACROS.values()]
    write_rows(listed, lambda: print_table(listed), chosen=chosen, output=output, as_json=as_json)


def _describe_table(name: str, *, as_json: bool) -> None:
    from data.warehouse.tables import MACROS, VIEWS, table_specification
    from data.warehouse.tables.specification import SYMBOL

    table = VIEWS.get(name) or MACROS.get(name) or table_specification(name)
    added, key = getattr(table, "added", ()), getattr(table, "key", ())
    columns: list[dict[str, Any]] = [
        {
            "column": column.name,
            "type": "string" if column.type == SYMBOL else str(column.type),
            "null": column.nullable,
            "meaning": column.documentation,
        }
        for column in table.columns
    ]
    columns += [
        {"column": column.name, "type": "in SQL", "null": None, "meaning": column.documentation} for column in added
    ]
    if as_json:
        print_json({"table": table.name, "grain": table.grain, "key": list(key), "columns": columns})
        return
    kind = f"A table macro: {table.example}" if name in MACROS else "A view over several tables."  # type: ignore[union-attr]
    print_line(f"{table.name}: {table.grain} " + (f"Key: {', '.join(key)}." if key else kind))
    print_table([{**column, "null": "yes" if column["null"] else ""} for column in columns])
    if further := getattr(table, "further", ""):
        print_line(f"Further columns: {further}.")


def verify(
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Then delete files older than a day that no manifest names.")
    ] = False,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Read every published file and compare it with its manifest. Exit code 1 if one is damaged."""
    from data.errors import InvalidInputError
    from data.facade import Warehouse
    from data.warehouse.tables import TABLES

    place = Warehouse(warehouse)
    if not place.head:
        raise InvalidInputError(
            f"nothing is published in warehouse {place.url}; choose another with --warehouse or RUMORMILL_WAREHOUSE"
        )
    files = sum(len(place.files(table)) for table in TABLES)
    with progress_bars(hidden=as_json) as progress:
        damaged = place.verify(progress)
    swept = place.sweep() if sweep and not damaged else []
    if as_json:
        print_json({"files": files, "damaged": damaged, "swept": swept})
    else:
        for sentence in damaged:
            print_error(sentence)
        print_line(f"{files:,} files checked, {len(damaged):,} damaged" + (f", {len(swept):,} swept" if sweep else ""))
    if damaged:
        if sweep:
            print_note("nothing was swept, because files are damaged")
        print_note("restore damaged files from a backup, or recompute the sessions in another warehouse")
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(
        rich_help_panel="Answers",
        epilog=examples(
            'rumormill sql "SELECT * FROM networks"',
            'rumormill sql "SELECT round, total_influenced FROM propagation_metrics" --format csv > curve.csv',
            'rumormill sql "FROM propagation_events" --output contacts.parquet',
            'rumormill sql "SELECT count(*) FROM campaigns" --as-of 2026-11-28T12:00',
            "rumormill sql - < question.sql",
        ),
    )(sql)
    app.command(
        rich_help_panel="Answers",
        epilog=examples(
            "rumormill report --list",
            "rumormill report reach_by_strategy --campaign seed-strategies",
            "rumormill report super_spreaders --set limit=20 --output spreaders.csv",
            "rumormill report adoption_curve --plot curve.png",
        ),
    )(report)
    app.command(
        rich_help_panel="Answers",
        epilog=examples("rumormill tables", "rumormill tables propagation_metrics"),
    )(tables)
    app.command(rich_help_panel="Care", epilog=examples("rumormill verify", "rumormill verify --sweep"))(verify)
