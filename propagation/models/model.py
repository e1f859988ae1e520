"""Base classes of models: validated parameters, and the rules of a round."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from data.networks.network import Network
from propagation.models.rules import Rules
from propagation.parameters import AgentColumn, Parameters
from propagation.weights import EdgeWeights, check_agent_column

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Thresholds:
    """Thresholds for agents' sums of weights.

    Attributes
    ----------
    values : (n_ids,) int64, or None
        Fixed thresholds, in units of 2**-32 or as numbers of in-neighbours; None if they are drawn per replicate.
    in_degree : (n_ids,) int64, or None
        In-degrees, if thresholds are drawn as a fraction of the in-neighbours; None if as a fraction of 2**32.
    """

    values: "npt.NDArray[np.int64] | None" = None
    in_degree: "npt.NDArray[np.int64] | None" = None


class Model(Parameters):
    """Base of all models: a frozen, validated set of parameters.

    Attributes
    ----------
    name : str
        The registered name.
    rules_version : int
        Incremented when the meaning of the parameters changes, so that rows of the old rules are not mistaken for rows
        of the new ones.
    """

    kind: ClassVar[str] = "model"
    rules_version: ClassVar[int] = 1

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield the parameters that are set, for the representation."""
        return (pair for pair in super().__repr_args__() if pair[1] is not None)

    @property
    @abstractmethod
    def rules(self) -> Rules:
        """Rules of a round."""

    @property
    def resolved_parameters(self) -> dict[str, Any]:
        """All parameters that are set, as JSON values; part of the session's specification."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def source_fingerprint(self) -> str | None:
        """Hash of the source of a user's model; None for built-in models."""
        return None

    def chances(self) -> EdgeWeights | None:
        """Return the scheme of the edges' probabilities, or None for pure threshold models."""
        return None

    def influence(self) -> EdgeWeights | None:
        """Return the scheme of the edges' influence weights, or None if contacts do not add."""
        return None

    def thresholds(self, network: Network) -> Thresholds:  # noqa: ARG002 (used by subclasses)
        """Return the agents' thresholds."""
        return Thresholds()

    def initial_sceptics(self, network: Network) -> "npt.NDArray[np.float64] | float":  # noqa: ARG002 (used by subclasses)
        """Return the probability that an agent starts as a sceptic: one for all agents, or (n_ids,) float64."""
        return 0.0

    def check(self, network: Network) -> None:
        """Raise UnfitModelError unless the model can run on `network`; called once, before the job starts."""
        for weights in (self.chances(), self.influence()):
            if weights is not None:
                weights.check(network)

    def check_messages(self, messages: int, max_rounds: int) -> None:
        """Raise UnfitModelError unless so many messages can compete within `max_rounds`; called where messages do."""


class FactoredModel(Model):
    """A model in which agents' attributes are factors of the edges' probabilities or weights.

    Attributes
    ----------
    susceptibility, activity : str, optional
        Agent columns, ``column:NAME`` or NAME alone: factors of the contacted and of the contacting agent.
    """

    susceptibility: AgentColumn | None = None
    activity: AgentColumn | None = None


def agent_column_name(value: str, default: str) -> str:
    """Return the agent column given by ``column`` (the one called `default`) or ``column:NAME``."""
    return value.partition(":")[2] or default


def check_shares(network: Network, parameter: str, value: float | str, default: str) -> None:
    """Raise UnfitModelError if `value` refers to an agent column with values outside [0, 1]."""
    if isinstance(value, str) and value.startswith("column"):
        check_agent_column(network, parameter, agent_column_name(value, default), 1.0)
