"""Specifications of all tables, one module per subject; to add a table, change only its subject's module."""

from collections.abc import Mapping
from types import MappingProxyType

from data.errors import TableNotFoundError
from data.validation import suggestion
from data.warehouse.tables import (
    calibrations,
    campaigns,
    communities,
    comparisons,
    containment,
    events,
    forecasting,
    influence,
    macros,
    networks,
    observations,
    rankings,
    results,
    rounds,
    segments,
    sessions,
    structure,
    surrogates,
    views,
)
from data.warehouse.tables.specification import SYMBOL, MacroSpecification, TableSpecification, ViewSpecification

_SUBJECTS = (
    networks,
    structure,
    rankings,
    segments,
    campaigns,
    sessions,
    rounds,
    results,
    communities,
    comparisons,
    influence,
    containment,
    surrogates,
    observations,
    calibrations,
    forecasting,
    events,
)

TABLES: Mapping[str, TableSpecification] = MappingProxyType(
    {table.name: table for subject in _SUBJECTS for table in subject.SPECIFICATIONS}
)
"""All table specifications by name, in the order in which they are documented."""
VIEWS: Mapping[str, ViewSpecification] = MappingProxyType({view.name: view for view in views.SPECIFICATIONS})
"""Views over several tables, by name."""
MACROS: Mapping[str, MacroSpecification] = MappingProxyType({macro.name: macro for macro in macros.SPECIFICATIONS})
"""Table macros, by name."""


def table_specification(name: str) -> TableSpecification:
    """Return the specification of the table called `name`.

    Raises
    ------
    TableNotFoundError
        If there is no such table.
    """
    try:
        return TABLES[name]
    except KeyError:
        raise TableNotFoundError(
            f"no table {name!r}{suggestion(name, TABLES)}; tables are {', '.join(TABLES)}"
        ) from None


def tables_page() -> str:
    """Return the documentation page of all tables, as Markdown."""
    lines = [
        "# Tables",
        "",
        "Generated from `data/warehouse/tables/` by `make docs-pages`; the same texts are comments in DuckDB.",
        "",
        "Columns of type *in SQL* are added by views, with joins. Queries that do not need them are faster on",
        "`files.<table>`, such as `files.activations`, which has the other columns.",
        "",
    ]
    for table in TABLES.values():
        lines += [
            f"## {table.name}",
            "",
            table.grain,
            "",
            f"Key: {', '.join(f'`{k}`' for k in table.key)}.",
            "",
        ]
        if table.further:
            lines += [f"Files have further columns: {table.further}.", ""]
        lines += ["| column | type | null | meaning |", "| --- | --- | --- | --- |"]
        for column in table.columns:
            kind = "string" if column.type == SYMBOL else str(column.type)
            null = "yes" if column.nullable else ""
            lines.append(f"| {column.name} | {kind} | {null} | {column.documentation} |")
        lines += [f"| {column.name} | in SQL | | {column.documentation} |" for column in table.added]
        lines.append("")
    for view in VIEWS.values():
        lines += [f"## {view.name}", "", view.grain, "", "A view in SQL, over several tables.", ""]
        lines += ["| column | type | null | meaning |", "| --- | --- | --- | --- |"]
        lines += [f"| {c.name} | {c.type} | {'yes' if c.nullable else ''} | {c.documentation} |" for c in view.columns]
        lines.append("")
    for macro in MACROS.values():
        lines += [f"## {macro.name}", "", macro.grain, ""]
        lines += [f"A table macro, `{macro.name}({macro.parameters})`, asked like this: `{macro.example}`.", ""]
        lines += ["| column | type | meaning |", "| --- | --- | --- |"]
        lines += [f"| {c.name} | {c.type} | {c.documentation} |" for c in macro.columns]
        lines.append("")
    return "\n".join(lines)
