"""Independent cascade: each newly active agent tries each of its out-neighbours once.

Kempe, Kleinberg, Tardos: Maximizing the spread of influence through a social network. KDD 2003.

| from | to | when |
| --- | --- | --- |
| susceptible | active | an attempt of an in-neighbour activated in the round before succeeds |
| active | inactive | after the one round in which it tried its out-neighbours |

Several successes in one round activate once; the infector is one of them, chosen uniformly.
"""

from typing import TYPE_CHECKING, ClassVar

from pydantic import field_validator

from data.snapshots import Network
from propagation.models.model import Model
from propagation.weights import (
    AttemptRows,
    EdgeBlock,
    attempt_rows,
    check_probabilities,
    edge_probabilities,
    probability_column,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd


class IndependentCascade(Model):
    """Independent cascade.

    Parameters
    ----------
    probability : float or str
        Transmission probability of an edge: a constant in [0, 1], or a scheme: ``weighted_cascade``
        (1 / in_degree of the target), ``trivalency`` (0.1, 0.01 or 0.001, drawn once per edge), ``column`` (the
        network's probability column) or ``column:NAME``.

    Examples
    --------
    >>> IndependentCascade(probability=0.1).probability
    0.1
    """

    name: ClassVar[str] = "independent_cascade"
    compartments: ClassVar[tuple[str, ...]] = ("susceptible", "active", "inactive")

    probability: float | str = "weighted_cascade"

    @field_validator("probability")
    @classmethod
    def _known_or_in_range(cls, probability: float | str) -> float | str:
        if isinstance(probability, str):
            if probability in {"weighted_cascade", "trivalency", "column"} or probability.startswith("column:"):
                return probability
            raise ValueError(
                f"probability {probability!r} is no scheme; use a number in [0, 1], weighted_cascade, trivalency, "
                "column or column:NAME"
            )
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"probability {probability!r} is not in [0, 1]")
        return abs(probability)  # -0.0 is 0.0, also in the specification's hash

    def check(self, network: Network) -> None:
        """Raise InvalidInputError if the scheme reads a column that is not there or holds no probabilities."""
        check_probabilities(self.probability, network)

    def edge_probabilities(self, edges: EdgeBlock, random_seed: int) -> "npt.NDArray[np.float64]":
        """Return the probability of each edge under the scheme."""
        return edge_probabilities(self.probability, edges, random_seed)

    def edge_column(self, network: Network) -> str | None:
        """Return the probability column, if the scheme reads one."""
        return probability_column(self.probability, network)

    def attempt_rows(self, network: Network, random_seed: int) -> AttemptRows:
        """Return the network's out-edges with their chances under the scheme."""
        return attempt_rows(network, self.probability, random_seed)

    def transmit(self, contacts: "pd.DataFrame") -> "pd.Series[bool]":
        """Return which attempts drew one of the favourable draws."""
        return contacts["draw"] < contacts["chance"]
