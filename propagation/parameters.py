"""Parameters of models and seed strategies: keyword-only, validated once; and the types of their fields."""

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, ValidationError

from data.errors import InvalidInputError
from data.validation import UNQUOTED, UserInput, looks_like_a_number, suggestion, validation_sentences

SCHEMES = ("weighted_cascade", "trivalency", "strength", "column")
_COLUMN = "column:"


class Parameters(UserInput):
    """Base of models and seed strategies: a frozen, validated set of parameters, given by name.

    Attributes
    ----------
    kind : str
        What messages call it: a model, a seed strategy.
    name : str
        The registered name.
    """

    kind: ClassVar[str]
    name: ClassVar[str]

    def __init__(self, /, *unnamed: Any, **parameters: Any) -> None:
        """Raise InvalidInputError if a parameter breaks its rule; `model_validate` raises pydantic's own error."""
        called = f"{self.kind} {getattr(self, 'name', type(self).__name__)}"
        if unnamed:
            known = ", ".join(type(self).model_fields) or "none"
            raise InvalidInputError(
                f"{called}: {unnamed[0]!r} is given without a name; write PARAMETER={unnamed[0]!r} "
                f"(parameters here are {known})"
            )
        try:
            super().__init__(**parameters)
        except ValidationError as error:
            raise InvalidInputError(f"{called}: {validation_sentences(error, type(self))}") from None

    # Tells pydantic that this is not a custom constructor, so that `model_validate` need not call it.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


# -- kinds of parameters ----------------------------------------------------------------------------------------------


def _number_or_source(value: Any, *words: str, numbers: bool = True) -> float | str:
    """Return a number in [0, 1], one of the words, or ``column:NAME``; raise ValueError for anything else."""
    if isinstance(value, str) and (value in words or value.removeprefix(_COLUMN) not in {"", value}):
        return value
    if numbers and isinstance(value, int | float):
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{value!r} is not in [0, 1]")
        return abs(float(value))  # -0.0 is 0.0, also in the specification's hash
    known = ["a number in [0, 1]", *words] if numbers else list(words)
    hint = _hint(value, words, numbers=numbers) if isinstance(value, str) else ""
    raise ValueError(f"{value!r} is unknown; use {', '.join(known)} or column:NAME{hint}")


def _hint(value: str, words: tuple[str, ...], *, numbers: bool) -> str:
    """Say what a text that is not accepted was probably meant for."""
    if numbers and looks_like_a_number(value):
        return f" (a number is written {UNQUOTED})"
    if value == _COLUMN:
        return " (NAME is missing)"
    if near := suggestion(value, words):
        return near
    return f" (a column of that name is column:{value})" if value and ":" not in value else ""


def _agent_column(value: Any) -> str:
    """Return NAME for ``NAME`` and ``column:NAME``; raise ValueError for anything else."""
    name = value.removeprefix(_COLUMN) if isinstance(value, str) else ""
    if not name:
        raise ValueError(f"{value!r} names no column; use column:NAME, an attribute of the network's agents")
    return str(name)


Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Scheme = Annotated[float | str, BeforeValidator(lambda value: _number_or_source(value, *SCHEMES))]
"""Number of an edge, in [0, 1]: a constant, or where it is from."""
EdgeColumn = Annotated[
    str, BeforeValidator(lambda value: _number_or_source(value, "strength", "column", numbers=False))
]
"""Attribute of the edges that multiplies, or is normalised."""
AgentColumn = Annotated[str, BeforeValidator(_agent_column)]
"""Attribute of the agents that multiplies."""
Share = Annotated[float | str, BeforeValidator(lambda value: _number_or_source(value, "column"))]
"""Number of an agent, in [0, 1]: a constant, or from an attribute of the agents."""
Threshold = Annotated[float | str, BeforeValidator(lambda value: _number_or_source(value, "uniform", "column"))]
"""As `Share`, or drawn."""
