"""Epidemic threshold: the transmission probability above which a mean field expects a message to spread widely.

Close to the beginning, the expected number of infectious agents grows by the adjacency matrix. With transmission
probability p per contact and round, and L rounds of contacts on average, it grows where ``p L r > 1``, r being the
spectral radius of the adjacency matrix: the quenched mean field. Wang, Chakrabarti, Wang, Faloutsos: Epidemic spreading
in real networks: an eigenvalue viewpoint. SRDS 2003. Van Mieghem, Omic, Kooij: Virus spread in networks. IEEE/ACM
Transactions on Networking 17, 2009. It is a lower bound: real epidemics need somewhat more, above all where agents are
reached only once.
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInputError
from data.networks.network import Network
from propagation.models.model import Model
from propagation.models.pandas_model import PandasModel

SMALL = 64
"""Up to this many agents, all eigenvalues are computed."""
TOLERANCE = 1e-8
"""Relative precision of the spectral radius of larger networks."""


@dataclass(frozen=True)
class EpidemicThreshold:
    """The mean-field threshold of a model on a network.

    Attributes
    ----------
    parameter : str
        The model's transmission parameter, such as ``beta``.
    value : float
        Value above which a message is expected to spread widely; infinite on a network without cycles.
    spectral_radius : float
        Of the adjacency matrix.
    rounds_of_contacts : float
        Mean number of rounds in which an infectious agent contacts its out-neighbours.
    """

    parameter: str
    value: float
    spectral_radius: float
    rounds_of_contacts: float


def epidemic_threshold(network: Network, model: Model) -> EpidemicThreshold | None:
    """Return the mean-field epidemic threshold of a model, or None if it has none.

    Models have one if agents become infectious by a single successful contact with an infectious in-neighbour, all
    contacts are equally probable, and agents stop transmitting: independent cascades, SIR, SIS, SIRS and SEIR with a
    constant probability.

    Parameters
    ----------
    network : Network
        Its adjacency matrix must fit in memory.
    model : Model

    Returns
    -------
    EpidemicThreshold or None
    """
    rounds = _rounds_of_contacts(model)
    weights = None if isinstance(model, PandasModel) else model.chances()
    if rounds is None or weights is None or not weights.is_uniform or weights.parameter not in type(model).model_fields:
        return None
    radius = spectral_radius(network)
    value = 1.0 / (rounds * radius) if radius > 0.0 else float("inf")
    return EpidemicThreshold(weights.parameter, value, radius, rounds)


def _rounds_of_contacts(model: Model) -> float | None:
    """Return how many rounds an infectious agent makes contacts, on average; None if a threshold is not defined."""
    if isinstance(model, PandasModel):
        return None
    rules = model.rules
    (contact, *others) = rules.contacts
    plain = rules.decay == rules.fatigue == 1.0 and not (rules.adds or rules.sceptics) and rules.mixing is None
    if others or not plain or contact.share != 1.0 or contact.source_to is not None:
        return None
    leaving = [each for each in rules.transitions if each.source == contact.source and each.is_possible]
    if not leaving:
        return None
    return float(leaving[0].after or 1.0 / leaving[0].probability) * contact.rate


@functools.lru_cache(maxsize=16)
def spectral_radius(network: Network) -> float:
    """Return the spectral radius of a network's adjacency matrix, to eight digits.

    Computed by scipy (ARPACK; strong components), in memory: about 40 bytes an edge. Edges between strong components do
    not change the eigenvalues, so only components with cycles are examined.

    Parameters
    ----------
    network : Network

    Returns
    -------
    float
        0 on a network without cycles.

    Raises
    ------
    InvalidInputError
        If the iteration does not converge.

    Examples
    --------
    >>> import tempfile
    >>> from data import Warehouse
    >>> round(spectral_radius(Warehouse(tempfile.mkdtemp()).generate_network("all", "complete", agents=5)), 6)
    4.0
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    rows = network.sparse_rows
    adjacency = csr_array((np.ones(rows.n_edges), rows.targets, rows.offsets), shape=(rows.n_agents, rows.n_agents))
    _, component = connected_components(adjacency, connection="strong")
    sizes = np.bincount(component)
    radius = 0.0
    # The largest eigenvalue is at most the largest degree of a component.
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    bounds = np.zeros(len(sizes))
    np.maximum.at(bounds, component, degree)
    members = np.argsort(component, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for number in np.argsort(-sizes, kind="stable").tolist():
        if sizes[number] < 2:
            break
        if bounds[number] > radius:
            agents = members[starts[number] : starts[number + 1]]
            radius = max(radius, _largest_eigenvalue(adjacency[agents][:, agents]))
    return radius


def _largest_eigenvalue(matrix: "npt.NDArray[np.float64]") -> float:
    """Return the largest eigenvalue of a sparse irreducible matrix without negative entries: it is real."""
    from scipy.sparse.linalg import ArpackError, eigs

    size = matrix.shape[0]
    if size <= SMALL:
        return float(np.abs(np.linalg.eigvals(matrix.toarray())).max())  # type: ignore[attr-defined]
    try:
        found = eigs(matrix, k=1, which="LR", v0=np.ones(size), tol=TOLERANCE, return_eigenvectors=False)
    except ArpackError as error:
        raise InvalidInputError(f"the spectral radius of {size:,} agents was not found: {error}") from error
    return float(found[0].real)
