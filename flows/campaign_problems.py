"""Validation of a campaign as a whole, beyond the types of its keys: names, models, parameters, parameter tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from data.errors import CampaignError, RumormillError
from data.validation import Location, Problem, listed, problems_of, suggestion
from flows.campaign_entries import MessageSpecification, SessionSpecification, named_strategy
from flows.campaigns import Campaign, Given
from propagation.models import CompetingCascades, Model
from propagation.seeding import STRATEGIES

MOST_PROBLEMS = 5
"""Maximum number of problems that the error for one file lists."""


def campaign_problems(campaign: Campaign, known: Mapping[str, type[Model]]) -> Iterator[Problem]:
    """Yield the problems of a campaign; `known` are the available models, by name."""
    yield from problems_of_names(campaign)
    yield from _problems_of_tables(campaign, known)
    yield from _problems_of_choices(campaign, known)


def problems_of_names(campaign: Campaign) -> Iterator[Problem]:
    """Yield duplicate names, and messages that sessions name but that do not exist."""
    named: list[tuple[str, Sequence[MessageSpecification | SessionSpecification]]]
    named = [("messages", campaign.messages), ("sessions", campaign.sessions)]
    for field, entries in named:
        above: set[str] = set()
        for index, entry in enumerate(entries):
            if entry.name in above:
                yield Problem((field, index, "name"), f"{entry.name!r} is taken by an entry above; names must differ")
            above.add(entry.name)
    messages = {message.name: None for message in campaign.messages}
    known, unknown = listed(messages), 0
    for index, session in enumerate(campaign.sessions):
        if session.competes:
            yield from _problems_of_competing(campaign, session, index)
        elif session.message is None and len(messages) > 1 and session.model != CompetingCascades.name:
            what = f"message is missing; name the one that spreads here, as in message: {next(iter(messages))}"
            yield Problem(("sessions", index), f"{what}; messages are {known}")
        elif session.message is not None and session.message not in messages:
            # Only the first few problems are shown, and searching for similar names is linear in their number.
            near = suggestion(session.message, messages) if unknown < MOST_PROBLEMS else ""
            unknown += 1
            yield Problem(("sessions", index, "message"), f"no message {session.message!r}{near}; messages are {known}")


def _problems_of_competing(campaign: Campaign, session: SessionSpecification, index: int) -> Iterator[Problem]:
    """Yield competing messages that the campaign does not have or that are the same, and a message beside them."""
    messages = {message.name: message.message_id for message in campaign.messages}
    if session.message is not None:
        yield Problem(("sessions", index, "message"), "seeds name the messages that compete; remove this key")
    above: dict[str, str] = {}
    for name in map(str, session.seed_sets):
        if (same := above.get(messages.get(name, ""))) is not None:
            what = (
                f"messages {same!r} and {name!r} are the same: a message is known by its content, sender, type and "
                f"properties, not by its name; give each its own, such as content: {name}"
            )
            yield Problem(("sessions", index, "seeds", "messages", name), what)
        if name in messages:
            above[messages[name]] = name
        if name not in messages:
            what = f"no message {name!r}{suggestion(name, messages)}; messages are {listed(messages)}"
            hint = "" if messages else f"; describe each in the campaign's messages: - {{name: {name}, content: ...}}"
            yield Problem(("sessions", index, "seeds", "messages", name), what + hint)


def _problems_of_choices(campaign: Campaign, known: Mapping[str, type[Model]]) -> Iterator[Problem]:
    """Yield unknown models and seed strategies, and parameters that they do not accept."""
    for position, session in enumerate(campaign.sessions):
        place: Location = ("sessions", position)
        yield from _problems_of_model(session.model, known, (*place, "model"))
        if session.model in known:
            given = campaign.parameters_of(position)
            values = {name: each.value for name, each in given.items()}
            for problem in _problems_of_parameters(known[session.model], values, (*place, "parameters")):
                yield _where_given(problem, session.model, given)
            if issubclass(known[session.model], CompetingCascades) and not session.competes:
                yield _problem_of_one_list(campaign, session, (*place, "seeds"))
                continue
        if session.precision is not None and "replicates" in session.model_fields_set:
            what = f"{session.precision} and replicates {session.replicates:,} are both given; leave out one of them"
            yield Problem((*place, "precision"), what)
        for message, seeds in session.seed_sets.items():
            where: Location = (*place, "seeds") if message is None else (*place, "seeds", "messages", message)
            strategy = named_strategy(seeds)
            if strategy is not None and strategy[0] in STRATEGIES:
                yield from _problems_of_parameters(STRATEGIES[strategy[0]], strategy[1], where)
            elif strategy is not None:
                yield _unknown("seed strategy", strategy[0], STRATEGIES, (*where, "strategy"))


def _problem_of_one_list(campaign: Campaign, session: SessionSpecification, place: Location) -> Problem:
    """Return what to write instead of one seed set where messages compete."""
    by_name = isinstance(session.seeds, dict) and "strategy" not in session.seeds
    names = list(session.seeds if by_name else (message.name for message in campaign.messages))
    shown = ", ".join(
        f"{name}: ..." for name in (names if len(names) > 1 else ["rumour", "correction"])[:MOST_PROBLEMS]
    )
    what = f"model {session.model!r} needs the seeds of each message, by its name: seeds: {{messages: {{{shown}}}}}"
    return Problem(place, what)


def _problems_of_tables(campaign: Campaign, known: Mapping[str, type[Model]]) -> Iterator[Problem]:
    """Yield entries of parameter tables whose model, parameter, message type or property does not exist."""
    rows: list[tuple[Location, str, dict[str, Any]]] = [
        (("model_parameters", model), model, row) for model, row in campaign.model_parameters.items()
    ]
    kinds = dict.fromkeys(sorted({message.type for message in campaign.messages}))
    run = list(dict.fromkeys(session.model for session in campaign.sessions))
    unknown = 0
    for kind, by_model in campaign.message_types.items():
        if kind not in kinds:
            near = suggestion(kind, kinds) if unknown < MOST_PROBLEMS else ""
            unknown += 1
            sentence = f"no message has type {kind!r}{near}; types are {listed(kinds)}"
            yield Problem(("message_types", kind), sentence)
        rows += [(("message_types", kind, model), model, row) for model, row in by_model.items()]
    for place, model, row in rows:
        yield from _problems_of_model(model, known, place)
        yield from _problems_of_use(run, model, known, place)
        if model in known:  # parameters missing here may be given elsewhere
            found = _problems_of_parameters(known[model], row, place)
            yield from (
                problem for problem in found if problem.location[len(place) : len(place) + 1] in {(k,) for k in row}
            )
    for model, names in campaign.message_properties.items():
        place = ("message_properties", model)
        yield from _problems_of_model(model, known, place)
        yield from _problems_of_use(run, model, known, place)
        if model in known:
            yield from _problems_of_properties(campaign, names, list(known[model].model_fields), place)


def _problems_of_use(
    run: Sequence[str], model: str, known: Mapping[str, type[Model]], place: Location
) -> Iterator[Problem]:
    """Yield a problem if a table is for a model that no session runs: the table would have no effect."""
    if model in known and model not in run:
        what = f"no session runs model {model!r}{suggestion(model, run)}; sessions run {', '.join(run)}"
        yield Problem(place, f"{what}; correct the name, or remove this entry")


def _problems_of_properties(
    campaign: Campaign, names: Mapping[str, str], parameters: list[str], place: Location
) -> Iterator[Problem]:
    properties = dict.fromkeys(sorted({name for message in campaign.messages for name in message.properties}))
    above: set[str] = set()
    for name, parameter in names.items():
        if name not in properties:
            what = f"no message has a property {name!r}{suggestion(name, properties)}"
            yield Problem((*place, name), f"{what}; properties are {listed(properties)}")
        if parameter not in parameters:
            what = f"no parameter {parameter!r}{suggestion(parameter, parameters)}"
            yield Problem((*place, name), f"{what}; parameters of {place[-1]} are {', '.join(parameters)}")
        elif parameter in above:
            yield Problem((*place, name), f"{parameter!r} is already set by a property above; only one may set it")
        above.add(parameter)


def _problems_of_model(name: str, known: Mapping[str, type[Model]], place: Location) -> Iterator[Problem]:
    if name not in known:
        yield _unknown("model", name, known, place)
        return
    try:
        known[name]  # a model of an installed package is imported on this access
    except RumormillError as error:
        raise CampaignError(str(error)) from error


def _unknown(kind: str, name: str, known: Iterable[str], place: Location) -> Problem:
    known = list(known)
    what = f"no {kind} {name!r}{suggestion(name, known)}" if name else "is missing"
    own = "; give files with models of your own by `models:` or --models" if kind == "model" and name else ""
    return Problem(place, f"{what}; choose one of {', '.join(known)}{own}")


def _problems_of_parameters(kind: type[BaseModel], parameters: Mapping[str, Any], place: Location) -> Iterator[Problem]:
    try:
        kind.model_validate(dict(parameters))
    except ValidationError as error:
        for problem in problems_of(error, kind):
            yield Problem((*place, *problem.location), problem.sentence)


def _where_given(problem: Problem, model: str, given: Mapping[str, Given]) -> Problem:
    """Return a problem of a session's parameter, located where the campaign gives the parameter."""
    _, _, _, *rest = problem.location  # sessions, position, parameters
    if not rest or str(rest[0]) not in given:
        return problem
    parameter, *inside = rest
    return given[str(parameter)].problem(str(parameter), model, problem.sentence, *inside)
