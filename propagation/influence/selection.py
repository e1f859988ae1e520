"""Seed selection: the method that suits a problem, or the one that was asked for."""

from typing import Any, Literal, get_args

import numpy as np

from data.errors import InvalidInputError
from data.progress import Progress, ignore_progress
from propagation.influence.component_sketches import are_components, select_by_components
from propagation.influence.guarantees import SELECTION, imm, opim_c
from propagation.influence.problem import InfluenceProblem, Selection
from propagation.influence.reverse_sets import ReverseSets
from propagation.kernels.bit_packed_cascades import WORD

Method = Literal["auto", "opim_c", "imm", "sketches"]
METHODS: tuple[Method, ...] = get_args(Method)

LARGE_SET = 50
"""Mean members of a reverse-reachable set from which sketches are faster."""


def select_seeds(
    problem: InfluenceProblem,
    *,
    method: Method = "auto",
    epsilon: float = 0.1,
    delta: float | None = None,
    progress: Progress = ignore_progress,
) -> Selection:
    """Choose the seeds of a problem so that their reach is as large as possible.

    The algorithms are our own and run in the memory of this process, on all its cores; the seeds are the same for any
    number of them.

    Parameters
    ----------
    problem : InfluenceProblem
    method : str
        ``opim_c`` and ``imm`` choose on reverse-reachable sets and guarantee a share of the best possible reach;
        ``sketches`` chooses on the components of sampled networks and guarantees nothing, but is faster where one
        constant probability on a symmetric network lets sets overlap. ``auto`` takes sketches there, else OPIM-C.
    epsilon : float
        In (0, 1): the guaranteed share is 1 - 1/e - epsilon; smaller values also mean more samples.
    delta : float, optional
        Probability that the guarantee fails, in (0, 1); default: 1 / number of agents.
    progress : Progress, optional

    Raises
    ------
    InvalidInputError
        If a value breaks its rule, or the method cannot do the problem.
    """
    if method not in METHODS:
        raise InvalidInputError(f"method {method!r} is unknown; choose one of {', '.join(METHODS)}")
    check_accuracy(epsilon, delta)
    failure = 1.0 / max(problem.network.n_agents, 2) if delta is None else delta
    problem.check()
    if method == "sketches" and (why := are_components(problem)):
        raise InvalidInputError(f"sketches need {why}; use opim_c")
    if method == "imm" and problem.costs is not None:
        raise InvalidInputError("imm has no guarantee with costs; use opim_c")
    if method == "sketches" or (method == "auto" and are_components(problem) is None and _has_large_sets(problem)):
        return select_by_components(problem, epsilon, progress)
    return (imm if method == "imm" else opim_c)(problem, epsilon, failure, progress)


def check_accuracy(epsilon: Any, delta: Any) -> None:
    """Raise InvalidInputError unless epsilon, and delta if there is one, are numbers between 0 and 1."""
    for name, value in (("epsilon", epsilon), ("delta", delta)):
        if value is None and name == "delta":
            continue
        is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not is_number or not 0.0 < value < 1.0:
            raise InvalidInputError(f"{name} {value!r} is not between 0 and 1; use a value such as 0.1")


def _has_large_sets(problem: InfluenceProblem) -> bool:
    lanes = ReverseSets(problem, SELECTION).word(0).lanes
    assert lanes is not None
    return int(np.bitwise_count(lanes).sum()) > LARGE_SET * WORD
