"""Sessions: complete specifications of what is simulated; equal specifications give equal rows."""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.errors import InvalidInputError
from data.networks.network import Network
from data.validation import suggestion
from data.warehouse.keys import session_key
from propagation.draws import DRAWS_VERSION
from propagation.models.model import Model
from propagation.models.pandas_model import PandasModel
from propagation.seeding import SeedStrategy, Spread, blocked_agents, closed_edges, explicit_seeds, seeds_of_messages

Record = Literal["rounds", "reach", "activations", "contacts"]
RECORDS: tuple[Record, ...] = get_args(Record)
"""Detail that can be recorded; each includes those before it."""
SUMMARIES: tuple[Record, ...] = ("rounds", "reach")
"""Detail that needs no infectors: counts, and who was reached."""
MAX_ROUNDS = 10_000
"""Default of `max_rounds`."""
_NAMESPACE = uuid.UUID("7d0b6f0e-55c5-5c2e-9a52-6a1d2f7c9b11")


@dataclass(frozen=True)
class Session:
    """One message with its seed set, to be simulated over all replicates.

    Attributes
    ----------
    network_id, snapshot_id : str
        The network.
    model : Model
        With resolved parameters.
    seeds : tuple of int
        Dense ids of the distinct seeds, in the order chosen.
    seed_agents : tuple of str
        Their original ids.
    seed_strategy : str
        Name of the strategy that chose them, or ``explicit``; of several messages, all that are used.
    replicates : int
        Number of replicates, at least 1.
    random_seed : int
        Random seed of all draws, in [0, 2**63).
    max_rounds : int
        Last round in which agents may be activated, at least 0.
    record : str
        Detail recorded, one of `RECORDS`.
    message_id : str or None
        Id of the message, if there is one.
    blocked : tuple of int
        Dense ids, ascending, of agents that can never be reached: no contact with them succeeds, no weight of theirs
        adds up, and they leave their first compartment in no other way. Degrees stay those of the network.
    first_replicate : int
        The first of the replicates, at least 0; each has the rows that it has in a session that begins at 0.
    competing : tuple of (str, int)
        Competing messages, each with the number of its seeds: the first of them has the first `seeds`, and so on.
        Empty if one message spreads.
    blocked_edges : tuple of (int, int)
        Dense ids (source, target), ascending, of edges along which no contact succeeds and no weight adds up.
    """

    network_id: str
    snapshot_id: str
    model: Model
    seeds: tuple[int, ...]
    seed_agents: tuple[str, ...]
    seed_strategy: str
    replicates: int
    random_seed: int
    max_rounds: int
    record: Record
    message_id: str | None = None
    blocked: tuple[int, ...] = ()
    first_replicate: int = 0
    competing: tuple[tuple[str, int], ...] = ()
    blocked_edges: tuple[tuple[int, int], ...] = ()

    @cached_property
    def specification(self) -> dict[str, Any]:
        """Everything that determines the session's rows, which excludes plan, cluster and partitions."""
        source, version = self.model.source_fingerprint, self.model.rules_version
        return {
            **({} if source is None else {"source": source}),
            **({} if version == 1 else {"rules_version": version}),
            **({"blocked": list(self.blocked)} if self.blocked else {}),
            **({"first_replicate": self.first_replicate} if self.first_replicate else {}),
            **({"blocked_edges": [list(edge) for edge in self.blocked_edges]} if self.blocked_edges else {}),
            **({"competing": self._seeds_by_message} if self.competing else {}),
            "snapshot_id": self.snapshot_id,
            "seeds": sorted(self.seeds),
            "model": self.model.name,
            "parameters": self.model.resolved_parameters,
            "replicates": self.replicates,
            "random_seed": self.random_seed,
            "max_rounds": self.max_rounds,
            "record": self.record,
            "message_id": self.message_id,
            "draws_version": DRAWS_VERSION,
        }

    @cached_property
    def specification_hash(self) -> str:
        """SHA-256 of the specification as canonical JSON, hexadecimal."""
        canonical = json.dumps(self.specification, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @cached_property
    def session_id(self) -> str:
        """UUID derived from the specification hash."""
        return derived_uuid("session", self.specification_hash)

    @property
    def key(self) -> str:
        """Key under which the session is published."""
        return session_key(self.session_id)

    @property
    def seed_array(self) -> npt.NDArray[np.int32]:
        """Dense ids of the seeds, (k,) int32."""
        return np.array(self.seeds, np.int32)

    @property
    def seed_messages(self) -> tuple[str, ...]:
        """Message of each seed, where messages compete; else empty."""
        return tuple(message for message, count in self.competing for _ in range(count))

    @property
    def _seeds_by_message(self) -> list[tuple[str, list[int]]]:
        ends = np.cumsum([count for _, count in self.competing]).tolist()
        starts = [0, *ends[:-1]]
        return [
            (message, sorted(self.seeds[start:end]))
            for (message, _), start, end in zip(self.competing, starts, ends, strict=True)
        ]

    @property
    def seed_compartments(self) -> npt.NDArray[np.uint8]:
        """Compartment in which each seed starts, (k,) uint8."""
        rules = self.model.rules
        if not self.competing:
            return np.full(len(self.seeds), rules.number(rules.seeds), np.uint8)
        starting = rules.starting or rules.adopting
        entered = [rules.number(name) for name in starting[: len(self.competing)]]
        return np.repeat(entered, [count for _, count in self.competing]).astype(np.uint8)

    @property
    def active_seeds(self) -> npt.NDArray[np.bool_]:
        """Whether each seed is active in round 0, (k,) bool; those of messages that start later are not."""
        rules = self.model.rules
        return np.isin(self.seed_compartments, [rules.number(name) for name in rules.reached])

    @property
    def replicate_numbers(self) -> npt.NDArray[np.int64]:
        """The replicates, (replicates,) int64."""
        return np.arange(self.first_replicate, self.first_replicate + self.replicates)

    def records(self, detail: Record) -> bool:
        """Return whether the session records this detail or more."""
        return RECORDS.index(self.record) >= RECORDS.index(detail)


def derived_uuid(kind: str, text: str) -> str:
    """Return a UUID derived from a kind of object and the text that identifies it."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}:{text}"))


def resolve_session(
    network: Network,
    model: Model,
    *,
    seed_set: Sequence[Any] | npt.NDArray[Any] | SeedStrategy | Mapping[str, Any],
    replicates: int,
    random_seed: int = 0,
    max_rounds: int = MAX_ROUNDS,
    record: Record = "rounds",
    message_id: str | None = None,
    blocked: Sequence[Any] | npt.NDArray[Any] = (),
    first_replicate: int = 0,
    blocked_edges: Any = (),
    known_agents: Mapping[str, int] | None = None,
) -> Session:
    """Return a validated session with its seeds resolved.

    Parameters are those of `Session`, and:

    Parameters
    ----------
    seed_set : sequence of agent ids, or SeedStrategy; or a mapping of these
        The mapping has the seeds of each competing message, by its id.
    blocked : sequence of agent ids
        Agents that can never be reached, by original id; none of them may be a seed.
    blocked_edges : sequence of (agent id, agent id)
        Edges (source, target) that pass nothing on; draws, degrees and weights of all others stay as they are.
    known_agents : mapping, optional
        Dense ids that were looked up before, for many sessions at once: see `Network.known_ids`.

    Raises
    ------
    InvalidInputError
        If a value breaks its rule; the message names it.
    UnfitModelError
        If the model cannot run on the network.
    UnknownAgentError
        If a seed is not in the network.
    """
    check_kinds(network, model)
    _check_whole("replicates", replicates, 1, 2**31 - 1)
    _check_whole("random_seed", random_seed, 0, 2**63 - 1)
    _check_whole("max_rounds", max_rounds, 0, 2**31 - 2)
    _check_whole("first_replicate", first_replicate, 0, 2**31 - 1 - replicates)
    if record not in RECORDS:
        near = suggestion(record, RECORDS) if isinstance(record, str) else ""
        raise InvalidInputError(f"record {record!r} is unknown{near}; record one of {', '.join(RECORDS)}")
    model.check(network)
    unreachable = blocked_agents(network, blocked)
    competing = _competing(network, model, seed_set, random_seed, known_agents)
    if competing:
        model.check_messages(len(competing), int(max_rounds))
        seeds = np.concatenate([own for own, _ in competing.values()])
        strategy = ", ".join(dict.fromkeys(name for _, name in competing.values()))
    elif isinstance(seed_set, SeedStrategy):
        spread = Spread(model, int(max_rounds), tuple(unreachable.tolist()))
        seeds, strategy = seed_set.choose(network, random_seed, spread), seed_set.name
    else:
        seeds, strategy = explicit_seeds(network, cast("Sequence[Any]", seed_set), known_agents), "explicit"
    removed = closed_edges(network, blocked_edges)
    if removed:
        _check_edges_decide(model)
    if len(unreachable) and len(both := np.intersect1d(seeds, unreachable)):
        names = ", ".join(map(repr, network.agent_ids.take(pa.array(both[:3])).to_pylist()))
        raise InvalidInputError(f"agent {names} is a seed and blocked; choose other seeds, or do not block it")
    return Session(
        network_id=network.network_id,
        snapshot_id=network.snapshot_id,
        model=model,
        seeds=tuple(seeds.tolist()),
        seed_agents=tuple(network.agent_ids.take(pa.array(seeds)).to_pylist()),
        seed_strategy=strategy,
        replicates=int(replicates),
        random_seed=int(random_seed),
        max_rounds=int(max_rounds),
        record=record,
        message_id=message_id,
        blocked=tuple(unreachable.tolist()),
        first_replicate=int(first_replicate),
        competing=tuple((message, len(own)) for message, (own, _) in competing.items()),
        blocked_edges=removed,
    )


def _competing(
    network: Network, model: Model, seed_set: Any, random_seed: int, known_agents: Mapping[str, int] | None
) -> dict[str, tuple[npt.NDArray[np.int32], str]]:
    """Return the seeds of competing messages, and how they were chosen; empty if the model spreads one message."""
    most = len(model.rules.adopting)
    if not most:
        if isinstance(seed_set, Mapping):
            raise InvalidInputError(
                f"model {model.name!r} spreads one message, but the seed set is a mapping, of the seeds of each "
                "competing message; use model 'competing_cascades', or give one list of seeds"
            )
        return {}
    if not isinstance(seed_set, Mapping) or not 1 <= len(seed_set) <= most:
        given = f"{len(seed_set)} messages" if isinstance(seed_set, Mapping) else repr(seed_set)
        raise InvalidInputError(
            f"seed set: {given}; model {model.name!r} needs the seeds of each message, for at most {most} messages: in "
            "Python {'rumour': ['ann'], 'correction': ['bob']} (in a sweep, for each of seed_sets), in a campaign file "
            "seeds: {messages: {rumour: [ann], correction: [bob]}}; options of other commands give one message's seeds"
        )
    return seeds_of_messages(network, seed_set, random_seed, known_agents)


def _check_edges_decide(model: Model) -> None:
    """Raise InvalidInputError unless every contact of a model depends on its edge, so that edges can be blocked."""
    if isinstance(model, PandasModel) or not all(contact.by_edge for contact in model.rules.contacts):
        raise InvalidInputError(
            f"model {model.name!r} has contacts that do not depend on an edge's probability, so that edges cannot be "
            "blocked; block agents, or import the network without these edges"
        )


def check_kinds(network: Any, model: Any) -> None:
    """Raise InvalidInputError unless a network and a model are what they should be."""
    if not isinstance(network, Network):
        raise InvalidInputError(f"network {network!r} is not a network; give one, such as warehouse.network(NAME)")
    if isinstance(model, type):
        raise InvalidInputError(f"model {model.__name__} is a class; give it its parameters: {model.__name__}(...)")
    if not isinstance(model, Model):
        raise InvalidInputError(
            f"model {model!r} is not a model; give one, such as IndependentCascade(probability=0.1) or, by name, "
            'make_model("independent_cascade", {"probability": 0.1})'
        )


def _check_whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise InvalidInputError(f"{name} {value!r} is not a whole number in [{low:,}, {high:,}]")
