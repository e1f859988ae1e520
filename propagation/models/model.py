"""What a model is: validated parameters, and rules in the vocabulary of a round."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from data.errors import InvalidInputError
from data.snapshots import Network
from data.validation import validation_sentences
from propagation.models.rules import Rules
from propagation.weights import EdgeWeights, check_agent_column

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
SCHEMES = ("weighted_cascade", "trivalency", "strength", "column")


@dataclass(frozen=True)
class Thresholds:
    """What the sum of an agent's weights is compared with.

    Attributes
    ----------
    values : (n_agents,) int64, or None
        Thresholds in 2**-32 of a weight, or as numbers of in-neighbours; None if they are drawn.
    in_degree : (n_agents,) int64, or None
        Where thresholds are drawn as a share of the in-neighbours; None where as a share of 2**32.
    """

    values: "npt.NDArray[np.int64] | None" = None
    in_degree: "npt.NDArray[np.int64] | None" = None


class Model(BaseModel):
    """Base of all models: a frozen, validated set of parameters.

    Attributes
    ----------
    name : str
        The registered name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]

    def __init__(self, /, **parameters: Any) -> None:
        """Raise InvalidInputError if a parameter breaks its rule; `model_validate` raises pydantic's own error."""
        try:
            super().__init__(**parameters)
        except ValidationError as error:
            raise InvalidInputError(f"model {self.name}: {validation_sentences(error)}") from None

    # Not a constructor of its own in pydantic's eyes: `model_validate` need not pass through it.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show the parameters that are set."""
        return (pair for pair in super().__repr_args__() if pair[1] is not None)

    @property
    @abstractmethod
    def rules(self) -> Rules:
        """What the model does in a round."""

    @property
    def resolved_parameters(self) -> dict[str, Any]:
        """All parameters that are set, as JSON values: part of a session's specification."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def source_fingerprint(self) -> str | None:
        """What tells an edited model from the one before; None for the models that come with Rumormill."""
        return None

    def chances(self) -> EdgeWeights | None:
        """Return what decides the edges' probabilities, or None where contacts only add."""
        return None

    def influence(self) -> EdgeWeights | None:
        """Return what decides the edges' weights, or None where contacts do not add."""
        return None

    def thresholds(self, network: Network) -> Thresholds:  # noqa: ARG002 (for those that have them)
        """Return what sums of weights are compared with."""
        return Thresholds()

    def initial_sceptics(self, network: Network) -> "npt.NDArray[np.float64] | float":  # noqa: ARG002 (for those that have them)
        """Return the probability that an agent starts as a sceptic: of all, or (n_agents,) float64."""
        return 0.0

    def check(self, network: Network) -> None:
        """Raise InvalidInputError unless the model can run on `network`; called once, before work starts."""
        for weights in (self.chances(), self.influence()):
            if weights is not None:
                weights.check(network)


class FactoredModel(Model):
    """A model whose edges' numbers agents' attributes multiply.

    Attributes
    ----------
    susceptibility, activity : str, optional
        Agent columns that multiply each edge's number: of the contacted and of the contacting agent.
    """

    susceptibility: str | None = None
    activity: str | None = None


def checked_scheme(parameter: str, value: float | str) -> float | str:
    """Return a probability or scheme that is valid.

    Raises
    ------
    ValueError
        If it is neither a number in [0, 1] nor a scheme.
    """
    if isinstance(value, str):
        if value in SCHEMES or value.startswith("column:"):
            return value
        raise ValueError(
            f"{parameter} {value!r} is no scheme; use a number in [0, 1], weighted_cascade, trivalency, strength, "
            "column or column:NAME"
        )
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{parameter} {value!r} is not in [0, 1]")
    return abs(value)  # -0.0 is 0.0, also in the specification's hash


def checked_strength(value: str | None) -> str | None:
    """Return the name of an edge column that is valid.

    Raises
    ------
    ValueError
        If it names no column.
    """
    if value is None or value in {"strength", "column"} or value.startswith("column:"):
        return value
    raise ValueError(f"strength {value!r} names no column; use strength, column or column:NAME")


StrengthColumn = Annotated[str | None, AfterValidator(checked_strength)]
"""Parameter that may name an edge column: `strength`, `column` or `column:NAME`."""


def agent_column_name(value: str, default: str) -> str:
    """Return the agents' column that ``column`` (the one called `default`) or ``column:NAME`` asks for."""
    return value.partition(":")[2] or default


def checked_share(parameter: str, value: float | str, *words: str) -> float | str:
    """Return a share, or the name of an agents' column that holds shares, that is valid.

    Raises
    ------
    ValueError
        If it is neither a number in [0, 1], nor ``column``, nor ``column:NAME``, nor one of `words`.
    """
    if isinstance(value, str):
        if value in {"column", *words} or value.startswith("column:"):
            return value
        known = ", ".join(("a number in [0, 1]", *words, "column"))
        raise ValueError(f"{parameter} {value!r} is unknown; use {known} or column:NAME")
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{parameter} {value!r} is not in [0, 1]")
    return abs(value)


def check_shares(network: Network, parameter: str, value: float | str, default: str) -> None:
    """Raise InvalidInputError unless the agents' column that `value` asks for, if it does, holds numbers in [0, 1]."""
    if isinstance(value, str) and value.startswith("column"):
        check_agent_column(network, parameter, agent_column_name(value, default), 1.0)
