"""Campaigns: sessions to be compared on one network, and their resolution on a network of a warehouse."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

from pydantic import Field, field_validator

from data.errors import InvalidInputError, NetworkNotFoundError, RumormillError, UnfitModelError, UnknownAgentError
from data.facade import Warehouse
from data.networks.index import snapshot
from data.networks.network import Network
from data.validation import Location, Name, Problem, UserInput
from data.warehouse.keys import campaign_key
from flows.campaign_cards import requested_card, steps_after_a_run
from flows.campaign_entries import (
    MessageSpecification,
    Parameters,
    SessionSpecification,
    named_strategy,
    session_in_words,
)
from propagation.campaign_records import campaign_id
from propagation.clusters import ClusterProfile
from propagation.models import Model, make_model
from propagation.plans import PlanChoice
from propagation.precision import FEWEST, Precision
from propagation.seeding import make_strategy
from propagation.sessions import MAX_ROUNDS, Record, Session, resolve_session


class Given(NamedTuple):
    """A parameter's value, and where the campaign gives it."""

    value: Any
    location: Location

    def problem(self, parameter: str, model: str, sentence: str, *inside: str | int) -> Problem:
        """Return a problem with the value as a parameter of a model, located where the value is given."""
        what = f"as {parameter} of {model}: {sentence}" if self.location[0] == "messages" else sentence
        return Problem((*self.location, *inside), what)


class Campaign(UserInput):
    """Sessions to be compared on one network, run together as one job."""

    name: Name
    """Name of the campaign; default: the file's name."""
    network: str = Field(min_length=1)
    """Name of a network in the warehouse."""
    models: tuple[str, ...] = ()
    """Python files with the user's own models; in a campaign file, relative to its folder."""
    messages: tuple[MessageSpecification, ...] = ()
    """Messages that sessions may refer to."""
    model_parameters: dict[str, Parameters] = Field(default_factory=dict)
    """By model: parameters of all sessions."""
    message_types: dict[str, dict[str, Parameters]] = Field(default_factory=dict)
    """By message type and model: parameters of sessions with a message of this type."""
    message_properties: dict[str, dict[str, str]] = Field(default_factory=dict)
    """By model: properties of messages, each with the parameter that it sets."""
    sessions: tuple[SessionSpecification, ...]
    """The sessions to simulate, at least one."""
    precision: Precision | None = None
    """Half width of the 95 % interval of the mean reach as a share of it, for sessions that give no replicates."""
    record: Record = "rounds"
    """Detail recorded: rounds, reach, activations or contacts; each includes those before it."""
    random_seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Random seed of all draws; sessions with the same random seed use common random numbers."""
    max_rounds: int = Field(default=MAX_ROUNDS, ge=0, le=2**31 - 2)
    """Last round in which activations are allowed; the seeds are round 0."""
    plan: PlanChoice = "auto"
    """How rounds are executed; never changes a row."""
    cluster: ClusterProfile = ClusterProfile()
    """Where the campaign runs; a file may give the name or path of a profile. Never changes a row."""

    @field_validator("sessions")
    @classmethod
    def _at_least_one(cls, sessions: tuple[SessionSpecification, ...]) -> tuple[SessionSpecification, ...]:
        if not sessions:
            raise ValueError("no session; a campaign needs at least one")
        return sessions

    def _repr_html_(self) -> str:
        sessions = {session.name: session_in_words(session) for session in self.sessions}
        steps = ["run_campaign(campaign, warehouse)", "estimate_campaign(campaign, warehouse)"]
        return requested_card(self.name, self.network, "validated, not compared with the network yet", sessions, steps)

    def part(self, location: Location) -> str:
        """Return a description of a part of the campaign, for campaigns that do not come from a file.

        Examples
        --------
        >>> sessions = ({"name": "hubs", "seeds": ["3"]},)
        >>> Campaign(name="spring", network="town", sessions=sessions).part(("sessions", 0, "seeds"))
        "campaign 'spring', session 'hubs', seeds"
        """
        return part_in_words(self.model_dump(include={"name", "messages", "sessions"}), location)

    def message_of(self, session: SessionSpecification) -> MessageSpecification | None:
        """Return the message that spreads in a session of the campaign, if any."""
        if session.competes:
            return None
        if session.message is None:
            return self.messages[0] if self.messages else None
        position = self._message_positions.get(session.message)
        return None if position is None else self.messages[position]

    def message_named(self, name: str) -> MessageSpecification:
        """Return the message of this name."""
        return self.messages[self._message_positions[name]]

    def precision_of(self, session: SessionSpecification) -> float | None:
        """Return the precision that decides how many replicates a session has; None if their number is given."""
        if "replicates" in session.model_fields_set:
            return None
        asked = self.precision if session.precision is None else session.precision
        return None if asked is None else float(asked)

    @cached_property
    def _message_positions(self) -> dict[str, int]:
        """Position of each message by its name."""
        return {message.name: position for position, message in enumerate(self.messages)}

    def parameters_of(self, position: int) -> dict[str, Given]:
        """Return the model parameters that the campaign sets for a session, with their locations.

        Later levels override earlier ones: parameters of the model, of the message's type, of the message, of the
        session.
        """
        session = self.sessions[position]
        found = _given(self.model_parameters.get(session.model, {}), "model_parameters", session.model)
        if message := self.message_of(session):
            rows = self.message_types.get(message.type, {})
            found |= _given(rows.get(session.model, {}), "message_types", message.type, session.model)
            place = ("messages", self._message_positions[message.name], "properties")
            for name, parameter in self.message_properties.get(session.model, {}).items():
                if name in message.properties:
                    found[parameter] = Given(message.properties[name], (*place, name))
        return found | _given(session.parameters, "sessions", position, "parameters")


def part_in_words(campaign: Mapping[str, Any], location: Location) -> str:
    """Return a description of a part of a campaign, given its content, which may be invalid.

    Examples
    --------
    >>> part_in_words({"name": "spring", "sessions": [{"seeds": []}]}, ("sessions", 0, "seeds"))
    "campaign 'spring', session 1, seeds"
    """
    named, rest = [f"campaign {campaign['name']!r}" if "name" in campaign else "campaign"], location
    if len(location) > 1 and location[0] in ("messages", "sessions") and isinstance(location[1], int):
        kind, position, *further = location
        entry = campaign[str(kind)][position]
        is_named = isinstance(entry, Mapping) and isinstance(entry.get("name"), str)
        named.append(f"{str(kind).removesuffix('s')} {repr(entry['name']) if is_named else int(position) + 1}")
        rest = tuple(further)
    return ", ".join([*named, ".".join(map(str, rest))] if rest else named)


def _given(parameters: Parameters, *place: str | int) -> dict[str, Given]:
    return {name: Given(value, (*place, name)) for name, value in parameters.items()}


@dataclass(frozen=True)
class ResolvedCampaign:
    """A campaign on a network, with everything that determines its rows.

    Attributes
    ----------
    campaign : Campaign
    network : Network
    sessions : tuple of Session
        One per session of the campaign, in its order; those with equal specifications are equal.
    """

    campaign: Campaign
    network: Network
    sessions: tuple[Session, ...]

    @property
    def distinct_sessions(self) -> list[Session]:
        """The sessions to compute, without duplicates."""
        return list({session.session_id: session for session in self.sessions}.values())

    @property
    def named_sessions(self) -> list[tuple[str, Session]]:
        """The sessions with their names in the campaign."""
        return [(entry.name, session) for entry, session in zip(self.campaign.sessions, self.sessions, strict=True)]

    @cached_property
    def campaign_id(self) -> str:
        """UUID derived from the campaign's name and its sessions' names and ids."""
        return campaign_id(self.campaign.name, self.named_sessions)

    @property
    def key(self) -> str:
        """Key under which the campaign is published."""
        return campaign_key(self.campaign_id)

    def _repr_html_(self) -> str:
        campaign, warehouse = self.campaign, self.network.warehouse
        distinct = self.distinct_sessions
        done = len(warehouse.published(session.key for session in distinct))
        if warehouse.published([self.key]):
            state, steps = "published", steps_after_a_run(campaign.name)
        else:
            state = f"{done:,} of {len(distinct):,} sessions published" if done else "not run yet"
            steps = ["run_campaign(resolved.campaign, warehouse)", "estimate_campaign(resolved.campaign, warehouse)"]
        network = f"{campaign.network}, {self.network.n_agents:,} agents, {self.network.n_edges:,} edges"
        sessions = {session.name: session_in_words(session) for session in campaign.sessions}
        return requested_card(campaign.name, network, state, sessions, steps)

    @property
    def configuration(self) -> dict[str, Any]:
        """The resolved configuration: every default filled in, every id derived."""
        resolved = self.campaign.model_dump(mode="json")
        resolved["snapshot_id"] = self.network.snapshot_id
        for entry, message in zip(resolved["messages"], self.campaign.messages, strict=True):
            entry["message_id"] = message.message_id
        for entry, session in zip(resolved["sessions"], self.sessions, strict=True):
            entry |= {
                "session_id": session.session_id,
                "replicates": session.replicates,
                "message_id": session.message_id,
                "parameters": session.model.resolved_parameters,
                "random_seed": session.random_seed,
                "record": session.record,
                "max_rounds": session.max_rounds,
            }
        return resolved


def resolve(
    campaign: Campaign,
    warehouse: Warehouse,
    snapshot_id: str | None = None,
    where: Callable[[Location], str] | None = None,
    models: Sequence[str] | None = None,
) -> ResolvedCampaign:
    """Return the campaign's sessions on its network: seeds chosen, defaults filled in, ids derived.

    Parameters
    ----------
    campaign : Campaign
    warehouse : Warehouse
    snapshot_id : str, optional
        Snapshot of the network; default: its latest.
    where : callable, optional
        Returns the location of a part of the campaign, with which errors begin. Default: names of campaign and part.
    models : sequence of str, optional
        Files with the user's own models; default: those that the campaign names.

    Raises
    ------
    NetworkNotFoundError
        If the warehouse has no such network.
    UnknownAgentError
        If a sender or seed is not in the network.
    UnfitModelError
        If a model cannot run on the network.
    InvalidInputError
        If a seed budget exceeds the network, or a seed is listed twice.
    """
    where = where or campaign.part
    with _naming(_about("network"), where):
        network = (
            warehouse.network(campaign.network) if snapshot_id is None else _snapshot(campaign, warehouse, snapshot_id)
        )
    for index, message in enumerate(campaign.messages):
        if message.sender is not None:
            with _naming(_about("messages", index, "sender"), where):
                network.dense_ids([message.sender])
    _compute_groups(campaign, network)
    sessions = []
    listed = [own for session in campaign.sessions for own in session.seed_sets.values() if not named_strategy(own)]
    named = dict.fromkeys(seed for own in listed for seed in own)
    known_agents = network.known_ids(list(named))
    for position in range(len(campaign.sessions)):
        with _naming(_about("sessions", position), where):
            model = _model(campaign, position, campaign.models if models is None else models)
        with _naming(partial(_misfit, campaign, position), where):
            sessions.append(_resolved(campaign, position, model, network, known_agents))
    return ResolvedCampaign(campaign, network, tuple(sessions))


def _compute_groups(campaign: Campaign, network: Network) -> None:
    """Compute the metrics of the network by which a campaign's seed strategies group agents, unless they are known."""
    from analytics.agent_groups import compute_columns

    strategies = [named_strategy(own) for session in campaign.sessions for own in session.seed_sets.values()]
    parameters = [strategy[1] for strategy in strategies if strategy is not None]
    groups = [each.get(name) for each in parameters for name in ("within", "targets")]
    if columns := {str(column) for each in groups if isinstance(each, Mapping) for column in each}:
        compute_columns(network, sorted(columns))


def _snapshot(campaign: Campaign, warehouse: Warehouse, snapshot_id: str) -> Network:
    network = snapshot(warehouse, campaign.network, snapshot_id)
    if network is None:
        raise NetworkNotFoundError(
            f"no snapshot {snapshot_id} of network {campaign.network!r} in warehouse {warehouse.url}"
        )
    return network


def _model(campaign: Campaign, position: int, files: Sequence[str]) -> Model:
    parameters = {name: given.value for name, given in campaign.parameters_of(position).items()}
    return make_model(campaign.sessions[position].model, parameters, files)


def _resolved(
    campaign: Campaign, position: int, model: Model, network: Network, known_agents: Mapping[str, int]
) -> Session:
    session = campaign.sessions[position]
    message = campaign.message_of(session)
    seed_sets: dict[Any, Any] = {
        name and campaign.message_named(name).message_id: make_strategy(*strategy) if strategy else tuple(own)
        for name, own in session.seed_sets.items()
        for strategy in [named_strategy(own)]
    }
    return resolve_session(
        network,
        model,
        seed_set=seed_sets if session.competes else seed_sets[None],
        replicates=session.replicates if campaign.precision_of(session) is None else FEWEST,
        random_seed=campaign.random_seed if session.random_seed is None else session.random_seed,
        max_rounds=campaign.max_rounds if session.max_rounds is None else session.max_rounds,
        record=session.record or campaign.record,
        message_id=message.message_id if message else None,
        known_agents=known_agents,
    )


def _about(*location: str | int) -> Callable[[RumormillError], Problem]:
    return lambda error: Problem(location, str(error))


def _misfit(campaign: Campaign, position: int, error: RumormillError) -> Problem:
    """Return the error as a problem of the part that does not fit the network: parameter, model or seeds."""
    place = ("sessions", position)
    if not isinstance(error, InvalidInputError | UnknownAgentError):  # such as a damaged file
        return Problem(place, str(error))
    if not isinstance(error, UnfitModelError):
        sentence = str(error)
        for message in campaign.messages:  # competing messages are called by their ids there
            sentence = sentence.replace(f"message {message.message_id!r}", f"message {message.name!r}")
        return Problem((*place, "seeds"), sentence)
    if error.parameter is None:
        return Problem((*place, "model"), str(error))
    given = campaign.parameters_of(position).get(error.parameter)
    if given is None:  # its default does not fit
        return Problem((*place, "parameters"), str(error))
    sentence = str(error).removeprefix(f"{error.parameter}: ")
    return given.problem(error.parameter, campaign.sessions[position].model, sentence)


@contextmanager
def _naming(problem_of: Callable[[RumormillError], Problem], where: Callable[[Location], str]) -> Iterator[None]:
    """Prefix errors with the location of the part of the campaign that they concern."""
    try:
        yield
    except RumormillError as error:
        problem = problem_of(error)
        raise type(error)(f"{where(problem.location)}: {problem.sentence}") from error
