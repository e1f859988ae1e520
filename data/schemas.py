"""One specification per table: its grain, key, columns and their documentation.

The DuckDB catalogue's comments, ``docs/tables.md`` and the checks of the publish protocol all come from here.
Names follow the vocabulary of the field; where another name is established for the same quantity
(``current_infected``, ``reproduction_rate``), the documentation says which term it stands for.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

from data.errors import TableNotFoundError

QUANTILES = (0.05, 0.25, 0.50, 0.75, 0.95)
"""Quantiles over replicates that every summary of replicates reports."""


@dataclass(frozen=True)
class Column:
    """One column: its name, Arrow type, documentation with units, and whether it may be null."""

    name: str
    type: pa.DataType
    documentation: str
    nullable: bool = False


@dataclass(frozen=True)
class TableSpecification:
    """What a table is.

    Attributes
    ----------
    name : str
        Name of the table, the same in SQL, Parquet, Python and YAML.
    grain : str
        What one row is, as a sentence.
    key : tuple of str
        Columns whose values together occur once.
    columns : tuple of Column
        All columns every file of the table has, in order.
    further : str
        What further columns are that files may carry; empty if they may not.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    further: str = ""

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the specified columns."""
        return pa.schema([pa.field(c.name, c.type, c.nullable) for c in self.columns])

    def fingerprint(self) -> str:
        """Return a short hash of column names, types and nullability: equal fingerprints, same schema."""
        return schema_fingerprint(self.schema)


def schema_fingerprint(schema: pa.Schema) -> str:
    """Return a short hash of a schema's names, types and nullability; metadata does not count.

    Examples
    --------
    >>> schema_fingerprint(pa.schema([("src", pa.int32())])) == schema_fingerprint(pa.schema([("src", pa.int64())]))
    False
    """
    text = ";".join(f"{field.name}:{field.type}:{field.nullable}" for field in schema)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


SYMBOL = pa.dictionary(pa.int32(), pa.string())
"""A string that repeats over many rows."""
CLOCK = pa.timestamp("us", tz="UTC")
STRINGS = pa.list_(pa.field("element", pa.string()))


def _over_replicates(name: str, what: str) -> Iterator[Column]:
    """Yield the mean, standard error and quantile columns of a quantity over a session's replicates."""
    yield Column(name, pa.float64(), f"{what}, mean over replicates")
    yield Column(
        f"{name}_standard_error",
        pa.float64(),
        f"standard error of {name}; null for one replicate",
        nullable=True,
    )
    for quantile in QUANTILES:
        percent = round(quantile * 100)
        yield Column(f"{name}_q{percent:02d}", pa.float64(), f"{percent} % quantile of {name} over replicates (linear)")


SESSION_ID = Column("session_id", SYMBOL, "session: UUID derived from its specification")
REPLICATE = Column("replicate", pa.int32(), "replicate of the session, from 0")
ROUND = Column("round", pa.int32(), "simulated round; the seeds are round 0")
SNAPSHOT_ID = Column("snapshot_id", SYMBOL, "network snapshot: hash of its content")

_SPECIFICATIONS = (
    TableSpecification(
        "networks",
        "One row per network snapshot.",
        ("network_id", "snapshot_id"),
        (
            Column("network_id", pa.string(), "name of the network"),
            Column("snapshot_id", pa.string(), "hash of the snapshot's content: ids, edges, attributes, roles"),
            Column("parent_snapshot_id", pa.string(), "the network's snapshot before this one", nullable=True),
            Column("agents", pa.int64(), "agents, isolated ones included"),
            Column("edges", pa.int64(), "directed edges after removal of self-loops and duplicates"),
            Column("rows_read", pa.int64(), "data rows of the source"),
            Column("self_loops", pa.int64(), "rows rejected because source and target are the same agent"),
            Column("duplicates", pa.int64(), "rows beyond the first with an equal (source, target)"),
            Column("malformed", pa.int64(), "rows that could not be read"),
            Column("max_in_degree", pa.int64(), "largest number of in-edges of an agent"),
            Column("max_out_degree", pa.int64(), "largest number of out-edges of an agent"),
            Column("partitions", pa.int32(), "edge partitions, by range of src"),
            Column("strength_column", pa.string(), "edge attribute that is the strength", nullable=True),
            Column("probability_column", pa.string(), "edge attribute that is the probability", nullable=True),
            Column("edge_attributes", STRINGS, "names of the attributes of the edges"),
            Column("agent_attributes", STRINGS, "names of the attributes of the agents"),
            Column("description", pa.string(), "where the edges came from"),
            Column("options", pa.string(), "options of the import or generator, JSON"),
            Column("source_fingerprint", pa.string(), "hash of the source's bytes and options", nullable=True),
            Column("created_at", CLOCK, "clock time of the import"),
        ),
    ),
    TableSpecification(
        "network_agents",
        "One row per agent of a network snapshot.",
        ("snapshot_id", "agent"),
        (
            SNAPSHOT_ID,
            Column("agent", pa.int32(), "dense id of the agent, from 0 by falling total degree"),
            Column("agent_id", pa.string(), "the agent's id in the user's data"),
            Column("in_degree", pa.int32(), "number of in-edges"),
            Column("out_degree", pa.int32(), "number of out-edges"),
        ),
        further="the attributes that came with the data",
    ),
    TableSpecification(
        "network_edges",
        "One row per directed edge of a network snapshot.",
        ("snapshot_id", "src", "dst"),
        (
            SNAPSHOT_ID,
            Column("src", pa.int32(), "dense id of the source agent"),
            Column("dst", pa.int32(), "dense id of the target agent"),
        ),
        further="the attributes that came with the data",
    ),
    TableSpecification(
        "network_rejects",
        "One row per rejected row of an imported source.",
        ("snapshot_id", "line", "reason"),
        (
            SNAPSHOT_ID,
            Column("line", pa.int64(), "line (or row) of the source, from 1"),
            Column("reason", SYMBOL, "malformed, self_loop or duplicate"),
            Column("detail", pa.string(), "what was wrong, or what became of the row"),
            Column("source_agent_id", pa.string(), "source, where it could be read", nullable=True),
            Column("target_agent_id", pa.string(), "target, where it could be read", nullable=True),
            Column(
                "text",
                pa.string(),
                "the line's first 200 characters, where it could not be read",
                nullable=True,
            ),
        ),
    ),
    TableSpecification(
        "messages",
        "One row per message.",
        ("message_id",),
        (
            Column("message_id", pa.string(), "UUID derived from sender, content, type and properties"),
            Column("name", pa.string(), "the message's name in its campaign"),
            Column("sender_id", pa.string(), "agent_id of the sender", nullable=True),
            Column("content", pa.string(), "text of the message"),
            Column("message_type", pa.string(), "kind of message"),
            Column("properties", pa.string(), "further properties, JSON"),
        ),
    ),
    TableSpecification(
        "campaigns",
        "One row per campaign and configuration.",
        ("campaign_id",),
        (
            Column("campaign_id", pa.string(), "UUID derived from the campaign's name and sessions"),
            Column("campaign", pa.string(), "name of the campaign"),
            Column("configuration", pa.string(), "the resolved configuration, JSON"),
            Column("started_at", CLOCK, "clock time at which the campaign started"),
            Column("completed_at", CLOCK, "clock time at which its results were ready"),
        ),
    ),
    TableSpecification(
        "campaign_sessions",
        "One row per campaign and session of it.",
        ("campaign_id", "session"),
        (
            Column("campaign_id", pa.string(), "campaign"),
            Column("position", pa.int32(), "order of the session in its campaign, from 0"),
            Column("session", pa.string(), "the session's name in its campaign"),
            Column("session_id", pa.string(), "session: campaigns that ask for the same session share it"),
        ),
    ),
    TableSpecification(
        "propagation_sessions",
        "One row per session: one message with its seed set, simulated over all replicates.",
        ("session_id",),
        (
            Column("session_id", pa.string(), "UUID derived from the specification hash"),
            Column("specification_hash", pa.string(), "hash of everything that decides the session's rows"),
            Column("message_id", pa.string(), "message that spreads", nullable=True),
            Column("network_id", pa.string(), "name of the network"),
            Column("snapshot_id", pa.string(), "snapshot of the network"),
            Column("propagation_model", pa.string(), "registered name of the model"),
            Column("model_parameters", pa.string(), "resolved parameters of the model, JSON"),
            Column("seed_strategy", pa.string(), "how the seed set was chosen"),
            Column("seed_agents", STRINGS, "agent_id of each seed, in the order chosen"),
            Column("replicates", pa.int32(), "number of replicates"),
            Column("random_seed", pa.int64(), "random seed of all draws"),
            Column("max_rounds", pa.int32(), "last round in which activations were allowed"),
            Column("record", pa.string(), "detail recorded: rounds, reach, activations or contacts"),
            Column("draws_version", pa.int32(), "version of the definition of draws"),
            Column("status", pa.string(), "completed"),
            Column("stopped_because", pa.string(), "died_out, or max_rounds if some replicate was truncated"),
            Column("truncated_replicates", pa.int32(), "replicates still active at max_rounds"),
            Column("rounds", pa.int32(), "rounds simulated by the longest replicate"),
            Column("total_influenced", pa.float64(), "reach: distinct agents reached, seeds included, mean"),
            Column(
                "total_influenced_standard_error",
                pa.float64(),
                "standard error of total_influenced; null for one replicate",
                nullable=True,
            ),
            Column("plan", pa.string(), "physical plan that ran the session"),
            Column("plan_reason", pa.string(), "why the planner chose it"),
            Column("estimated_seconds", pa.float64(), "planner's estimate for the whole job, seconds"),
            Column("estimated_bytes", pa.int64(), "planner's estimate of the job's peak memory, bytes"),
            Column(
                "peak_bytes",
                pa.int64(),
                "measured peak memory of the job on this machine, above that before it, bytes; null if unknown",
                nullable=True,
            ),
            Column("job_seconds", pa.float64(), "clock time of the job the session ran in, seconds"),
            Column("job_lanes", pa.int64(), "lanes of that job: replicates of all its sessions"),
            Column("started_at", CLOCK, "clock time at which the job started"),
            Column("completed_at", CLOCK, "clock time at which its rows were ready to publish"),
        ),
    ),
    TableSpecification(
        "frontiers",
        "One row per session, replicate, round and transmitting agent, of runs of the reference plan, and of all "
        "others in which agents transmit in the one round after their activation and activations are recorded.",
        ("session_id", "replicate", "round", "agent"),
        (
            SESSION_ID,
            REPLICATE,
            ROUND,
            Column("agent", pa.int32(), "dense id of the agent that transmits in the next round"),
            Column("compartment", SYMBOL, "the compartment it is in"),
            Column("since", pa.int32(), "round in which it entered the compartment"),
            Column("occasion", pa.int32(), "activations of the agent so far"),
        ),
    ),
    TableSpecification(
        "lane_states",
        "One row per session, replicate, round of the reference plan and agent that changed in it.",
        ("session_id", "replicate", "round", "agent"),
        (
            SESSION_ID,
            REPLICATE,
            ROUND,
            Column("agent", pa.int32(), "dense id of the agent"),
            Column("compartment", SYMBOL, "the compartment it is in after the round"),
            Column("since", pa.int32(), "round in which it entered; null in checkpoints if it is done", nullable=True),
            Column("occasion", pa.int32(), "activations of the agent so far"),
            Column("weight", pa.int64(), "influence weights received so far, in 2^-32"),
            Column("contacts", pa.int32(), "contacts received so far"),
            Column("activated", pa.bool_(), "whether it was activated in this round"),
            Column("infector", pa.int32(), "dense id of the agent that activated it then", nullable=True),
        ),
        further="of models of users' own `moves`, how often the agent has changed its compartment, a seed's start "
        "included, and each number of the model's `memory`; float64",
    ),
    TableSpecification(
        "lane_rounds",
        "One row per session, replicate and round up to the last checkpoint of a partitioned run: how far it has come; "
        "rows may be there twice if lanes began anew in another grouping.",
        ("session_id", "replicate", "round"),
        (
            SESSION_ID,
            REPLICATE,
            ROUND,
            Column("activations", pa.int64(), "agents activated in this round"),
            Column("first_activations", pa.int64(), "of these, agents never activated before"),
            Column("infectious", pa.int64(), "agents that are reached and transmit after this round"),
            Column("live", pa.int64(), "agents that transmit or may leave their compartment by themselves"),
            Column("changed", pa.bool_(), "whether any agent changed its compartment"),
        ),
    ),
    TableSpecification(
        "activations",
        "One row per session, replicate and activation.",
        ("session_id", "replicate", "agent", "occasion"),
        (
            SESSION_ID,
            REPLICATE,
            Column("agent", pa.int32(), "dense id of the activated agent"),
            ROUND,
            Column(
                "infector",
                pa.int32(),
                "dense id of the agent that activated it; null for seeds",
                nullable=True,
            ),
            Column("occasion", pa.int32(), "1 for an agent's first activation in the replicate"),
        ),
    ),
    TableSpecification(
        "propagation_events",
        "One row per session, replicate, round and contact.",
        ("session_id", "replicate", "round", "src", "dst"),
        (
            SESSION_ID,
            REPLICATE,
            ROUND,
            Column("src", pa.int32(), "dense id of the transmitting agent"),
            Column("dst", pa.int32(), "dense id of the contacted agent"),
            Column(
                "event_type",
                SYMBOL,
                "received: the attempt succeeded on an agent not reached before; ignored: it failed; "
                "sent: the agent was already reached",
            ),
        ),
    ),
    TableSpecification(
        "cascades",
        "One row per session and replicate.",
        ("session_id", "replicate"),
        (
            SESSION_ID,
            REPLICATE,
            Column("size", pa.int64(), "cascade size: distinct agents reached, seeds included"),
            Column("depth", pa.int32(), "cascade depth: round of the last activation"),
            Column("rounds", pa.int32(), "rounds simulated until nobody transmitted any more, or max_rounds"),
            Column("peak_round", pa.int32(), "round with the most activations, the first if several"),
            Column("truncated", pa.bool_(), "whether agents could still transmit at max_rounds"),
        ),
    ),
    TableSpecification(
        "reach",
        "One row per session and agent reached in at least one replicate.",
        ("session_id", "agent"),
        (
            SESSION_ID,
            Column("agent", pa.int32(), "dense id of the agent"),
            Column("times_reached", pa.int64(), "number of replicates that reached the agent"),
            Column("probability", pa.float64(), "share of replicates that reached the agent, in (0, 1]"),
            Column("mean_round", pa.float64(), "mean round of its first activation, over those replicates"),
        ),
    ),
    TableSpecification(
        "propagation_metrics",
        "One row per session and round.",
        ("session_id", "round"),
        (
            SESSION_ID,
            ROUND,
            Column("active_replicates", pa.int64(), "replicates with at least one activation in this round"),
            *_over_replicates("new_infections", "incidence: agents activated in this round"),
            *_over_replicates("current_infected", "prevalence: agents that transmit after this round"),
            *_over_replicates("total_influenced", "distinct agents reached up to this round, seeds included"),
            Column("propagation_speed", pa.float64(), "activations per round, mean over replicates"),
            Column(
                "reproduction_rate",
                pa.float64(),
                "r_t: mean number of secondary activations of the agents activated in this round; "
                "null where there are none, and for models whose agents transmit in several rounds",
                nullable=True,
            ),
        ),
    ),
    TableSpecification(
        "events",
        "One row per event.",
        ("event_id",),
        (
            Column("event_id", pa.string(), "UUID derived from the event's key"),
            Column("event_type", pa.string(), "propagation_started, propagation_completed, ..."),
            Column("occurred_at", CLOCK, "clock time of the event"),
            Column("source_service", pa.string(), "what emitted it"),
            Column("data", pa.string(), "what happened, JSON"),
            Column("correlation_id", pa.string(), "what events of one run share", nullable=True),
        ),
    ),
)

TABLES: Mapping[str, TableSpecification] = MappingProxyType({t.name: t for t in _SPECIFICATIONS})
"""All table specifications by name, in the order in which they are documented."""


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
        raise TableNotFoundError(f"no table {name!r}; tables are {', '.join(TABLES)}") from None


def tables_page() -> str:
    """Return the documentation page of all tables, as Markdown."""
    lines = [
        "# Tables",
        "",
        "Made from `data/schemas.py` by `make docs`; the same texts are comments in DuckDB.",
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
            lines += [f"Files carry further columns: {table.further}.", ""]
        lines += ["| column | type | null | meaning |", "| --- | --- | --- | --- |"]
        for column in table.columns:
            kind = "string" if column.type == SYMBOL else str(column.type)
            null = "yes" if column.nullable else ""
            lines.append(f"| {column.name} | {kind} | {null} | {column.documentation} |")
        lines.append("")
    return "\n".join(lines)
