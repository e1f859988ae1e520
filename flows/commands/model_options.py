"""Options of commands that simulate a message: its model, its seeds, the agents it concerns, and how it is run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from propagation.models.model import Model

AGENTS = "agent ids separated by commas, or @FILE with an id per line"
"""How commands take lists of agents."""
SEEDS = f"{AGENTS}; or STRATEGY:BUDGET, such as top_out_degree:10"
"""How commands take seed sets."""
ModelOption = Annotated[str, typer.Option("--model", metavar="MODEL", help="Model to simulate: see rumormill models.")]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the model; may be repeated."),
]
ValuesOption = Annotated[
    list[str],
    typer.Option(
        "--values",
        metavar="NAME=V1,V2,...",
        help="Values of a parameter; repeated for all combinations. budget is that of the seeds.",
    ),
]
BlockedOption = Annotated[
    str | None,
    typer.Option("--blocked", metavar="AGENTS", help=f"Agents that can be neither reached nor seeded: {AGENTS}."),
]
MaxRoundsOption = Annotated[
    int, typer.Option("--max-rounds", min=0, help="Last round in which agents may be activated.")
]
ReplicatesOption = Annotated[int, typer.Option("--replicates", min=1, help="Replicates of each simulation.")]
RandomSeedOption = Annotated[int, typer.Option("--random-seed", min=0, help="Random seed of all draws.")]


def asked_model(name: str, settings: Sequence[str] | None) -> "Model":
    """Return the model of a name with parameters given as NAME=VALUE.

    Raises
    ------
    InvalidInputError
        If there is no such model, or a parameter breaks its rule.
    """
    from propagation.models import make_model

    return make_model(name, asked_parameters(settings))


def asked_parameters(settings: Sequence[str] | None) -> dict[str, Any]:
    """Return the parameters of a model given by ``--set``.

    Raises
    ------
    InvalidInputError
        If one is not NAME=VALUE, or is given twice.
    """
    texts = pairs("--set", settings or (), "probability=0.1")
    return {name.replace("-", "_"): parameter_value(text) for name, text in texts.items()}


def asked_values(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of each parameter that is varied, given by ``--values``.

    Raises
    ------
    InvalidInputError
        If one is not NAME=VALUE,VALUE, or is given twice.
    """
    lists = pairs("--values", texts, "probability=0.01,0.02")
    return {name.replace("-", "_"): [parameter_value(v) for v in text.split(",")] for name, text in lists.items()}


def pairs(option: str, texts: Sequence[str], example: str) -> dict[str, str]:
    """Return the values of an option that is given as NAME=VALUE, by name.

    Raises
    ------
    InvalidInputError
        If one has another form, or a name is given twice.
    """
    from data.errors import InvalidInputError

    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = (part.strip() for part in text.partition("="))
        if not (name and separator and value):
            raise InvalidInputError(f"{option} {text!r} is not NAME=VALUE, such as {option} {example}")
        if name in found:
            raise InvalidInputError(f"{option} gives {name} twice; give it once")
        found[name] = value
    return found


def parameter_value(text: str) -> Any:
    """Return a number, true, false or null as such, everything else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def listed_agents(option: str, text: str | None) -> list[str] | None:
    """Return agent ids given as text, or as ``@FILE`` with one per line; None if the option was not given.

    Raises
    ------
    InvalidInputError, SourceNotFoundError
        If the file cannot be read, or there is no id.
    """
    from data.errors import InvalidInputError, SourceNotFoundError

    if text is None:
        return None
    try:
        lines = (
            text.split(",")
            if not text.startswith("@")
            else Path(text[1:]).expanduser().read_text(encoding="utf-8").splitlines()
        )
    except FileNotFoundError:
        raise SourceNotFoundError(f"{option} {text!r}: there is no file {text[1:]!r}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{option} {text!r} cannot be read: {error}; give a text file") from None
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise InvalidInputError(f"{option} {text!r} names no agent; name some, or leave the option out")
    return ids


def asked_seeds(text: str) -> Any:
    """Return the seeds given by ``--seeds``: agent ids, or the strategy that chooses them.

    Raises
    ------
    InvalidInputError, SourceNotFoundError
        As `listed_agents`, or if a strategy is given without a number of seeds.
    """
    from data.errors import InvalidInputError
    from data.validation import suggestion
    from propagation.seeding import STRATEGIES, make_strategy

    name, separator, budget = text.rpartition(":")
    if text in STRATEGIES:
        raise InvalidInputError(f"--seeds {text!r}: how many seeds? Write {text}:10")
    if separator and name in STRATEGIES:
        if not budget.isdecimal():
            raise InvalidInputError(f"--seeds {text!r}: {budget!r} is not a number of seeds")
        return make_strategy(name, {"budget": int(budget)})
    if separator and budget.isdecimal() and (near := suggestion(name, STRATEGIES)):
        raise InvalidInputError(
            f"--seeds {text!r}: no seed strategy {name!r}{near}; strategies are {', '.join(STRATEGIES)}. For agents "
            "with such ids, give @FILE"
        )
    return listed_agents("--seeds", text)
