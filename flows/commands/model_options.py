"""Options of commands that simulate a model: its name and its parameters."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from propagation.models.model import Model

ModelOption = Annotated[str, typer.Option("--model", metavar="MODEL", help="Model to simulate: see rumormill models.")]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the model; may be repeated."),
]
ReplicatesOption = Annotated[int, typer.Option("--replicates", min=1, help="Replicates of each simulation.")]
RandomSeedOption = Annotated[int, typer.Option("--random-seed", min=0, help="Equal seeds give equal results.")]


def asked_model(name: str, settings: Sequence[str] | None) -> "Model":
    """Return the model of a name with parameters given as KEY=VALUE.

    Raises
    ------
    InvalidInputError
        If there is no such model, or a parameter breaks its rule.
    """
    from data.errors import InvalidInputError
    from propagation.models import make_model

    parameters: dict[str, Any] = {}
    for setting in settings or ():
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise InvalidInputError(f"--set {setting!r} is not KEY=VALUE, such as --set probability=0.1")
        parameters[key.strip().replace("-", "_")] = _value(value.strip())
    return make_model(name, parameters)


def _value(text: str) -> Any:
    """Return a number, true, false or null as such, everything else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
