"""What a model is: validated parameters, and rules in the vocabulary of a round."""

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
    """What the sum of an agent's weights is compared with.

    Attributes
    ----------
    values : (n_ids,) int64, or None
        Thresholds in 2**-32 of a weight, or as numbers of in-neighbours; None if they are drawn.
    in_degree : (n_ids,) int64, or None
        Where thresholds are drawn as a share of the in-neighbours; None where as a share of 2**32.
    """

    values: "npt.NDArray[np.int64] | None" = None
    in_degree: "npt.NDArray[np.int64] | None" = None


class Model(Parameters):
    """Base of all models: a frozen, validated set of parameters.

    Attributes
    ----------
    name : str
        The registered name.
    """

    kind: ClassVar[str] = "model"

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
        """Return the probability that an agent starts as a sceptic: of all, or (n_ids,) float64."""
        return 0.0

    def check(self, network: Network) -> None:
        """Raise UnfitModelError unless the model can run on `network`; called once, before work starts."""
        for weights in (self.chances(), self.influence()):
            if weights is not None:
                weights.check(network)


class FactoredModel(Model):
    """A model whose edges' numbers agents' attributes multiply.

    Attributes
    ----------
    susceptibility, activity : str, optional
        Agent columns that multiply each edge's number: of the contacted and of the contacting agent;
        ``column:NAME``, or NAME alone.
    """

    susceptibility: AgentColumn | None = None
    activity: AgentColumn | None = None


def agent_column_name(value: str, default: str) -> str:
    """Return the agents' column that ``column`` (the one called `default`) or ``column:NAME`` asks for."""
    return value.partition(":")[2] or default


def check_shares(network: Network, parameter: str, value: float | str, default: str) -> None:
    """Raise UnfitModelError unless the agents' column that `value` asks for, if it does, holds numbers in [0, 1]."""
    if isinstance(value, str) and value.startswith("column"):
        check_agent_column(network, parameter, agent_column_name(value, default), 1.0)
