"""Output of tables: as a table on the terminal, or as CSV, JSON or Parquet, on standard output or in a file."""

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.terminal import cell, json_text, print_note

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["table", "csv", "json", "parquet"]
ENDINGS: Mapping[str, Format] = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format", help="Output format; default: by the ending of --output, else a table.", show_default=False
    ),
]
OutputOption = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file instead of standard output.")
]


def write_rows(
    rows: Sequence[Mapping[str, Any]],
    show: Callable[[], None],
    *,
    chosen: Format | None,
    output: str | None,
    as_json: bool,
    columns: Sequence[str] = (),
) -> None:
    """Write rows of JSON values as `write` does; `show` prints a table. Without rows, `columns` are what is named."""
    kind = check_format(chosen, output, as_json=as_json)
    if kind == "json":
        _write(lambda file: file.write(json_text(rows) + "\n"), output)
    elif kind == "table" and output is None:
        show()
    else:
        import pyarrow as pa

        texts = [
            {name: cell(v) if isinstance(v, dict | list | tuple) else v for name, v in row.items()} for row in rows
        ]
        none = pa.table({name: pa.nulls(0) for name in columns})
        _write_table(pa.Table.from_pylist(texts) if texts else none, kind, output)


def write(
    answer: "pa.Table", show: Callable[[], None], *, chosen: Format | None, output: str | None, as_json: bool
) -> None:
    """Write a table in the format that was chosen, or that follows from the file's name.

    Parameters
    ----------
    answer : pyarrow.Table
    show : callable
        Prints the table on the terminal.
    chosen : str, optional
        The format; default: by the ending of `output`, else a table.
    output : str, optional
        File to write; it appears complete, or not at all.
    as_json : bool
        Whether JSON was asked for by ``--json``.

    Raises
    ------
    InvalidInputError
        If the format cannot be written there, or the file cannot be written.
    """
    kind = check_format(chosen, output, as_json=as_json)
    if kind == "table" and output is None:
        show()
    elif kind == "json":
        text = json_text(distinctly_named(answer).to_pylist()) + "\n"
        _write(lambda file: file.write(text), output)
    else:
        _write_table(answer, kind, output)


def write_object(value: Mapping[str, Any], output: str | None) -> None:
    """Write an object of JSON values as JSON, to standard output or a file."""
    _write(lambda file: file.write(json_text(value) + "\n"), output)


def check_format(chosen: Format | None, output: str | None, *, as_json: bool) -> Format:
    """Return the format to write; refuse what cannot be written, before any work.

    Raises
    ------
    InvalidInputError
        If the options contradict each other, or Parquet would go to a terminal.
    """
    from data.errors import InvalidInputError

    if as_json and chosen not in {None, "json"}:
        raise InvalidInputError(f"--json and --format {chosen} exclude each other; give one of them")
    by_ending = None if output is None else ENDINGS.get(Path(output).suffix.lower())
    if as_json and by_ending not in {None, "json"}:
        raise InvalidInputError(f"--json and --output {output!r} exclude each other; give one of them")
    if as_json:
        return "json"
    if output is not None:
        if chosen is None and by_ending is None:
            raise InvalidInputError(
                f"--output {output!r} does not end in {', '.join(ENDINGS)}; rename it, or give --format"
            )
        if chosen == "table":
            raise InvalidInputError("--format table is for the terminal; for a file give csv, json or parquet")
        return chosen or by_ending or "csv"
    if chosen == "parquet" and sys.stdout.isatty():
        raise InvalidInputError("Parquet is not for a terminal; give a file: --output FILE.parquet")
    return chosen or "table"


def _write_table(answer: "pa.Table", kind: Format, output: str | None) -> None:
    if kind == "parquet":
        import pyarrow.parquet as pq

        rows = distinctly_named(answer)
        _write(lambda file: pq.write_table(rows, file), output, binary=True)
    else:
        _write(lambda file: _write_csv(answer, file), output)


def _write(work: Callable[[IO[Any]], Any], output: str | None, *, binary: bool = False) -> None:
    """Write to standard output, or to a file, which appears once it is complete."""
    from flows.output_files import write_output

    if output is None:
        work(sys.stdout.buffer if binary else sys.stdout)
        return
    print_note(f"wrote {write_output(output, work, binary=binary)}")


def _write_csv(answer: "pa.Table", file: IO[str]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(answer.column_names)
    for batch in answer.to_batches():
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            writer.writerow([_csv_value(value) for value in row])


def _csv_value(value: Any) -> Any:
    """Return numbers and text unchanged, everything else formatted as in tables."""
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else cell(value)


def distinctly_named(answer: "pa.Table") -> "pa.Table":
    """Return the answer with repeated column names numbered (``a``, ``a_2``): a JSON object has each name once."""
    names: list[str] = []
    for name in answer.column_names:
        number, distinct = 1, name
        while distinct in names:
            number += 1
            distinct = f"{name}_{number}"
        names.append(distinct)
    return answer.rename_columns(names)
