"""What a model is: parameters, compartments, and its rules in the vocabulary of a round.

A round joins the frontier with the edges (contacts), lets the model's transmission rule decide which attempts
succeed, groups successes by the agent they reach (arrivals), and drops agents already reached (newly active).
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from data.snapshots import Network
from propagation.weights import AttemptRows, EdgeBlock

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd


class Model(BaseModel):
    """Base of all models: a frozen, validated set of parameters.

    Attributes
    ----------
    name : str
        The registered name.
    compartments : tuple of str
        States an agent can be in, the first one initially.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    compartments: ClassVar[tuple[str, ...]]

    def check(self, network: Network) -> None:
        """Raise InvalidInputError unless the model can run on `network`; called once, before work starts."""

    @abstractmethod
    def edge_probabilities(self, edges: EdgeBlock, random_seed: int) -> "npt.NDArray[np.float64]":
        """Return the transmission probability of each edge, (k,) float64 in [0, 1]."""

    @abstractmethod
    def edge_column(self, network: Network) -> str | None:
        """Return the edge attribute that `edge_probabilities` reads, or None."""

    @abstractmethod
    def attempt_rows(self, network: Network, random_seed: int) -> AttemptRows:
        """Return the network's out-edges with their chances, as the compiled kernels read them."""

    @abstractmethod
    def transmit(self, contacts: "pd.DataFrame") -> "pd.Series[bool]":
        """Return which attempts succeed.

        Parameters
        ----------
        contacts : DataFrame
            One row per contact of an agent that was just activated: ``chance`` (int64, favourable draws out of
            2**32) and ``draw`` (int64 in [0, 2**32)).
        """
