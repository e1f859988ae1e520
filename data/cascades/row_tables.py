"""Tables of observed cascades: a row per activation, per edge of a tree, or per agent with a time per item."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from data.cascades.columns import Roles, missing_column, roles_of
from data.cascades.forests import split_trees
from data.cascades.id_texts import text_column
from data.cascades.options import CascadeOptions
from data.cascades.source_rows import SourceRows
from data.errors import InvalidInputError
from data.quantities import counted

ROOT = "ROOT"
"""Parent of the source of a tree, beside an empty field."""
_HEADERLESS = {
    2: ("agent", "time"),
    3: ("cascade", "agent", "time"),
    4: ("cascade", "agent", "time", "infector"),
    5: ("cascade", "agent", "time", "infector", "followers"),
}
_TWITTER_TYPES = {"RT", "MT", "RE"}
_TYPE = "type"


def named_columns(frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[str]]:
    """Return a table without a header under the names that its columns most likely have, and what was guessed.

    Raises
    ------
    InvalidInputError
        If there is no usual order of so many columns.
    """
    fields = [name for name in frame.columns if name != "line"]
    if len(fields) == 4 and set(frame[fields[3]].dropna().head(1000)) <= _TWITTER_TYPES:
        names: Sequence[str] = ("agent", "infector", "time", _TYPE)
        what = "the activities of Twitter users, in which the first user retweets (RT) the second: agent, infector"
    elif len(fields) in _HEADERLESS:
        names = _HEADERLESS[len(fields)]
        what = ", ".join(names)
    else:
        raise InvalidInputError(
            f"{source} has {len(fields)} columns without names; name them with --columns, such as "
            "--columns cascade,agent,time"
        )
    guess = f"{source} has no header; its columns were taken as {what} (name them with --columns)"
    return frame.rename(columns=dict(zip(fields, names, strict=True))), [guess]


def read_rows(frame: pd.DataFrame, options: CascadeOptions, name: str, source: str) -> SourceRows:
    """Read a table with one row per activation.

    Parameters
    ----------
    frame : DataFrame
        Columns of any names, and ``line``.
    options : CascadeOptions
    name : str
        Id of the cascade, if no column tells.
    source : str
        Readable origin.

    Raises
    ------
    InvalidInputError
        If no column is recognised as the time, or an option names a column that is not there.
    """
    frame, warnings = _chosen_rows(frame, options, source)
    roles = roles_of([each for each in frame.columns if each != "line"], options, source)
    if roles.time is None:
        raise missing_column("time", (each for each in frame.columns if each != "line"), source)
    rows = _activations(frame, roles, name)
    rows["time"] = frame[roles.time]
    warnings += _guesses(roles, source)
    if options.split_trees:
        rows, assumed = split_trees(_splittable(rows, roles, source), source)
        warnings += assumed
    elif roles.cascade is None:
        warnings.append(f"{source} has no column of the cascade: all rows are one cascade, {name!r}")
    if not roles.agent:
        warnings.append(f"{source} has no column of the agent: each row is an agent of its own, by its line")
    return SourceRows(rows, source, warnings=tuple(warnings))


def _splittable(rows: pd.DataFrame, roles: Roles, source: str) -> pd.DataFrame:
    """Return rows that `split_trees` can take; raise InvalidInputError if a column is missing or names the cascades."""
    if roles.cascade is not None:
        raise InvalidInputError(
            f"--split-trees makes cascades of the trees of a source that does not tell them, and {source} has the "
            f"cascades in its column {roles.cascade!r}; leave the option out"
        )
    if not roles.agent or roles.infector is None:
        raise InvalidInputError(
            f"--split-trees needs a column of the agent and one of the infector in {source}; name them with --agent "
            "and --infector"
        )
    return rows


def read_edges_of_trees(frame: pd.DataFrame, options: CascadeOptions, name: str, source: str) -> SourceRows:
    """Read a table with one row per edge of a tree: parent, child, and the child's delay since the source.

    A parent that is empty or ``ROOT`` makes the child a source. Where a cascade has no such row, and exactly one parent
    that is nobody's child, that is the source, at time 0.
    """
    frame, warnings = _chosen_rows(frame, options, source)
    known = {"agent": "child", "infector": "parent", "time": "delay"}
    given = {role: column for role, column in known.items() if getattr(options, role) is None and column in frame}
    roles = roles_of(
        [each for each in frame.columns if each != "line"], options.model_copy(update=_roles(given)), source
    )
    for role in ("time", "infector", "agent"):
        if not getattr(roles, role):
            raise missing_column(role, (each for each in frame.columns if each != "line"), source)
    rows = _activations(frame, roles, name)
    rows["time"] = frame[roles.time]
    return tree_rows(SourceRows(rows, source, warnings=(*warnings, *_guesses(roles, source)), time_unit="minutes"))


def tree_rows(found: SourceRows) -> SourceRows:
    """Return rows of trees with their sources: see `read_edges_of_trees`; an agent's edge to itself makes it a source.

    Negative delays are kept: they are those of messages before the one after which the tree is named.
    """
    rows = found.rows
    is_itself = (rows["infector"] == rows["agent"]).fillna(False)
    is_root = (rows["infector"].isna() | rows["infector"].isin([ROOT, ""]) | is_itself).to_numpy(bool)
    delays = pd.to_numeric(rows["time"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    rows = rows.assign(infector=rows["infector"].where(~is_root, None), time=delays)
    warnings = list(found.warnings)
    if negative := int((delays < 0).sum()):
        in_trees = counted(rows.loc[delays < 0, "cascade"].nunique(), "tree")
        warnings.append(
            f"{found.description}: {counted(negative, 'delay')} in {in_trees} {'is' if negative == 1 else 'are'} "
            "negative: in these, times count from the earliest activation instead of the source"
        )
    sources = _unwritten_sources(rows, set(rows["cascade"][is_root]))
    if len(sources):
        rows = pd.concat([sources, rows]).sort_index(kind="stable")  # each source before its edges
        added = counted(len(sources), "cascade")
        warnings.append(f"{found.description}: the sources of {added} had no row and were added at time 0")
    return replace(found, rows=rows, warnings=tuple(warnings))


def _unwritten_sources(rows: pd.DataFrame, with_source: set[Any]) -> pd.DataFrame:
    """Return a row for the source of each cascade that has none, if it is the only parent that is nobody's child."""
    edges = rows[~rows["cascade"].isin(with_source)]
    parents = edges[["cascade", "infector", "line"]].drop_duplicates(["cascade", "infector"])
    children = pd.MultiIndex.from_frame(edges[["cascade", "agent"]])
    parents = parents[~pd.MultiIndex.from_frame(parents[["cascade", "infector"]]).isin(children)]
    parents = parents[~parents["cascade"].duplicated(keep=False)]
    return parents.rename(columns={"infector": "agent"}).assign(time=0.0, infector=None)


def read_adoptions(frame: pd.DataFrame, options: CascadeOptions, _: str, source: str) -> SourceRows:
    """Read a table with one row per agent, and for each item a column with the time at which the agent adopted it.

    Each item is a cascade; with a column of the cascade, each of its values is (one per item, if there are several).

    Raises
    ------
    InvalidInputError
        If no item is named, or a column is not there.
    """
    if not options.items:
        raise InvalidInputError(
            f"{source}: name the columns with the times of adoption: --item COLUMN, may be repeated"
        )
    columns = [each for each in frame.columns if each != "line"]
    for item in options.items:
        if item not in columns:
            raise InvalidInputError(f"{source} has no column {item!r} of an item; its columns are {', '.join(columns)}")
    frame, warnings = _chosen_rows(frame, options, source)
    roles = roles_of([each for each in columns if each not in options.items], options, source, ("cascade", "agent"))
    if not roles.agent:
        raise missing_column("agent", columns, source)
    parts, never = [], 0
    for item in options.items:
        adopted = frame[item].notna() & ~_equals(frame[item], options.never)
        never += int((~adopted).sum())
        rows = _activations(frame, roles, item)[adopted.to_numpy(bool)]
        if roles.cascade is not None and len(options.items) > 1:
            rows["cascade"] = text_column(rows["cascade"]) + "/" + item
        parts.append(rows.assign(time=frame[item][adopted]))
    if never:
        cells = f"{counted(never, 'cell')} {'says' if never == 1 else 'say'}"
        warnings.append(f"{source}: {cells} that an agent never adopted; no activation follows from that")
    warnings += _guesses(roles, source)
    return SourceRows(pd.concat(parts, ignore_index=True), source, warnings=tuple(warnings), time_unit="periods")


def _chosen_rows(frame: pd.DataFrame, options: CascadeOptions, source: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows that the option `only` names; without it, a warning if there are rows of several types."""
    if options.only is None:
        kinds = sorted(map(str, frame[_TYPE].dropna().unique())) if _TYPE in frame else []
        doubt = f"{source} has rows of the types {', '.join(kinds[:5])}, and all are activations; choose with --only"
        return frame, [doubt] if len(kinds) > 1 else []
    column, equals, value = options.only.partition("=")
    column, value = (column.strip(), value.strip()) if equals else (_TYPE, options.only)
    if column not in frame:
        named = ", ".join(each for each in frame.columns if each != "line")
        raise InvalidInputError(f"--only {options.only!r}: {source} has no column {column!r}; its columns are {named}")
    chosen = _equals(frame[column], value)
    if not chosen.any():
        there = ", ".join(map(str, frame[column].dropna().unique()[:5]))
        raise InvalidInputError(f"--only {options.only!r}: no row of {source} has this {column}; there are {there}")
    sentence = (
        f"{source}: {int(chosen.sum()):,} of {len(frame):,} rows have the {column} {value!r}, the others are not read"
    )
    return frame[chosen], [sentence]


def _equals(values: "pd.Series[Any]", wanted: str | None) -> "pd.Series[bool]":
    """Return which values are the wanted one, as text or as a number."""
    if wanted is None:
        return pd.Series(False, index=values.index)
    same = (values.astype("string") == wanted).fillna(False).astype(bool)
    number = pd.to_numeric(pd.Series([wanted]), errors="coerce").iloc[0]
    if pd.isna(number):
        return same
    return same | (pd.to_numeric(values, errors="coerce") == number).fillna(False).astype(bool)


def _activations(frame: pd.DataFrame, roles: Roles, name: str) -> pd.DataFrame:
    """Return cascade, agent, line, and what else the columns tell of each row, without the time."""
    rows = pd.DataFrame({"line": frame["line"]})
    rows["cascade"] = name if roles.cascade is None else frame[roles.cascade]
    if not roles.agent:
        rows["agent"] = frame["line"]
    elif len(roles.agent) == 1:
        rows["agent"] = frame[roles.agent[0]]
    else:
        first, *others = (text_column(frame[each]) for each in roles.agent)
        rows["agent"] = first
        for other in others:
            rows["agent"] += "/" + other
    for role in ("infector", "followers"):
        if getattr(roles, role) is not None:
            rows[role] = frame[getattr(roles, role)]
    return rows


def _guesses(roles: Roles, source: str) -> list[str]:
    return [f"{source}: took {', '.join(roles.guessed)}"] if roles.guessed else []


def _roles(given: dict[str, str]) -> dict[str, Any]:
    return {role: (column,) if role == "agent" else column for role, column in given.items()}
