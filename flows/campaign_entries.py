"""Entries of a campaign: its messages, and its sessions with their seeds."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field, field_validator

from data.validation import Name, UserInput
from data.warehouse.keys import message_key
from propagation.precision import Precision
from propagation.sessions import Record, derived_uuid

Parameters = dict[str, Any]
"""Parameters of a model by name."""


class MessageSpecification(UserInput):
    """A message that spreads."""

    name: Name
    """Name by which sessions refer to it."""
    content: str = ""
    """Text of the message."""
    sender: str | None = None
    """agent_id of the sender, an agent of the network."""
    type: str = Field(default="message", min_length=1)
    """Kind of message, recorded as ``message_type``; the campaign's `message_types` set model parameters by it."""
    properties: dict[str, Any] = Field(default_factory=dict)
    """Other properties, recorded as JSON; the campaign's `message_properties` set model parameters by them."""

    @property
    def message_id(self) -> str:
        """UUID derived from sender, content, type and properties, but not from the name."""
        return derived_uuid("message", _canonical(self.model_dump(mode="json", exclude={"name"})))

    @property
    def key(self) -> str:
        """Key under which the message is published."""
        return message_key(self.message_id)

    @property
    def record(self) -> dict[str, Any]:
        """The message's row of the table `messages`."""
        return {
            "message_id": self.message_id,
            "name": self.name,
            "sender_id": self.sender,
            "content": self.content,
            "message_type": self.type,
            "properties": _canonical(self.properties),
        }


class SessionSpecification(UserInput):
    """One message with its seed set, simulated in all replicates; defaults come from the campaign."""

    name: Name
    """Name of the session in its campaign, tables and plots."""
    message: str | None = None
    """Name of the message; may be omitted if the campaign has at most one."""
    model: str = "independent_cascade"
    """Registered name of the model."""
    parameters: Parameters = Field(default_factory=dict)
    """Parameters of the model; others come from the message, its type, the campaign or the model's defaults."""
    seeds: tuple[str, ...] | dict[str, Any]
    """agent_ids of the seeds, or ``strategy`` with its ``budget`` and other parameters; where messages compete,
    ``messages``: for the name of each of the campaign's messages one of the two."""
    replicates: int = Field(default=1000, ge=1, le=2**31 - 1)
    """Independent repetitions, 1 to 2^31 - 1; with a precision, as many as it needs."""
    precision: Precision | None = None
    """Half width of the 95 % interval of the mean reach as a share of it, such as 1%; default: the campaign's."""
    random_seed: int | None = Field(default=None, ge=0, le=2**63 - 1)
    """Random seed of all draws; default: the campaign's."""
    record: Record | None = None
    """Detail recorded; default: the campaign's."""
    max_rounds: int | None = Field(default=None, ge=0, le=2**31 - 2)
    """Last round in which activations are allowed; default: the campaign's."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _ids_or_strategy(cls, seeds: Any) -> Any:
        if isinstance(seeds, dict) and "messages" in seeds:
            return {"messages": _seeds_by_message(cls._ids_or_strategy, seeds)}
        if isinstance(seeds, dict) and seeds:
            return seeds
        if isinstance(seeds, list | tuple) and seeds and all(map(_is_id, seeds)):
            return tuple(str(seed) for seed in seeds)
        if isinstance(seeds, list | tuple) and None in seeds:
            raise ValueError(
                f"entry {seeds.index(None) + 1} of the list is empty; write the agent's id, or remove the entry"
            )
        if isinstance(seeds, list | tuple) and seeds:
            number, odd = next((n, each) for n, each in enumerate(seeds, 1) if not _is_id(each))
            raise ValueError(f"entry {number} of the list is {odd!r}; give agent ids as text or whole numbers")
        raise ValueError(f"{seeds!r} gives no seeds; list agent ids, or give a strategy with its budget")

    @property
    def seed_sets(self) -> dict[str | None, tuple[str, ...] | dict[str, Any]]:
        """The seeds of each competing message by its name; of a session with one message, its seeds by None."""
        if isinstance(self.seeds, dict) and "messages" in self.seeds:
            return dict(self.seeds["messages"])
        return {None: self.seeds}

    @property
    def strategy(self) -> tuple[str, dict[str, Any]] | None:
        """Name and parameters of the seed strategy; None for explicit seeds, and where messages compete."""
        return None if self.competes else named_strategy(self.seeds)

    @property
    def competes(self) -> bool:
        """Whether several messages compete in this session."""
        return None not in self.seed_sets


def named_strategy(seeds: tuple[str, ...] | dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return name and parameters of the seed strategy, or None for explicit seeds."""
    if isinstance(seeds, tuple):
        return None
    parameters = {key: value for key, value in seeds.items() if key != "strategy"}
    return str(seeds.get("strategy", "")), parameters


def _seeds_by_message(checked: Callable[[Any], Any], seeds: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked seeds of each competing message.

    Raises
    ------
    ValueError
        If they are not a mapping, or those of one message are invalid; the message is named.
    """
    by_message = seeds["messages"]
    if len(seeds) > 1 or not isinstance(by_message, dict) or not by_message:
        raise ValueError(f"{seeds!r} maps no messages to seeds; give messages: and below it NAME: [agent ids], by name")
    found = {}
    for name, each in by_message.items():
        try:
            found[str(name)] = checked(each)
        except ValueError as error:
            raise ValueError(f"message {name!r}: {error}") from None
        if isinstance(each, dict) and "messages" in each:
            raise ValueError(f"message {name!r}: {each!r} gives no seeds; list agent ids, or give a strategy")
    return found


def session_in_words(session: SessionSpecification) -> str:
    """Return model, seeds and replicates of a session as text."""
    found = []
    for message, own in session.seed_sets.items():
        strategy = named_strategy(own)
        if strategy is None:
            seeds = f"{len(own):,} seeds"
        else:
            name, parameters = strategy
            seeds = f"{name}, {', '.join(f'{key} {value}' for key, value in parameters.items())}"
        found.append(seeds if message is None else f"{message}: {seeds}")
    seeds = "; ".join(found)
    return f"{session.model}; {seeds}; {session.replicates:,} replicates"


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
