"""How many reverse-reachable sets are enough, and what they guarantee: OPIM-C and IMM.

Tang, Tang, Xiao, Yuan: Online processing algorithms for influence maximization. SIGMOD 2018 (OPIM-C).
Tang, Shi, Xiao: Influence maximization in near-linear time: a martingale approach. SIGMOD 2015 (IMM), with the
correction of Chen: An issue in the martingale analysis of the influence maximization algorithm IMM, CSoNet 2018.
Guo, Wang, Wei, Chen: Influence maximization revisited. SIGMOD 2020, for the comparison of both.
"""

import dataclasses
import logging
import math

import numpy as np

from data.errors import InsufficientMemoryError
from data.progress import Progress, ignore_progress
from data.quantities import readable_bytes
from propagation.influence.coverage import Cover, CoverageIndex, SetBlock, greedy_cover
from propagation.influence.problem import InfluenceProblem, Selection
from propagation.influence.reverse_sets import ReverseSets

logger = logging.getLogger(__name__)

GREEDY = 1.0 - 1.0 / math.e
"""Share of the optimum that greedy choice guarantees if all agents cost the same."""
GREEDY_WITH_COSTS = 1.0 - 1.0 / math.sqrt(math.e)
COVERED_SETS = 400.0
"""Divided by epsilon squared: sets with a seed that OPIM-C waits for beyond its guarantee, if these are few enough;
the estimated reach then has a relative standard error of epsilon / 20."""
MOST_ENTRIES = 1 << 26
"""... and what it waits for ends at so many entries of the index of sets by agent."""
FURTHEST = 6
"""Doublings after which the number of sets that are needed is judged again."""
STEPS = 4
"""Numbers of sets at which OPIM-C may stop, for each doubling; the guarantee allows for all of them."""
MOST_BYTES = 6 << 30
"""Sets are not added beyond this, whatever is guaranteed by then."""
STAGE = "reverse-reachable sets"
SELECTION, VALIDATION = 0, 1
"""Collections of sets: those that seeds are chosen on, and those that they are judged by."""


def opim_c(problem: InfluenceProblem, epsilon: float, delta: float, progress: Progress = ignore_progress) -> Selection:
    """Choose seeds by OPIM-C: sets are doubled until the seeds' guarantee is 1 - 1/e - epsilon.

    With costs the aim is 1 - 1/sqrt(e) - epsilon. Our own implementation; its sets lie in memory.

    Parameters
    ----------
    problem : InfluenceProblem
    epsilon : float
        In (0, 1).
    delta : float
        Probability that the guarantee fails, in (0, 1).
    progress : Progress, optional
        Called with the sets generated.
    """
    aim = (GREEDY if problem.costs is None else GREEDY_WITH_COSTS) - epsilon
    fewest, most = _opim_sets(problem, epsilon, delta)
    last = max(1, math.ceil(STEPS * math.log2(most / fewest)))
    confidence = math.log(3.0 * (last + 1) / delta)
    wanted = COVERED_SETS / epsilon**2
    chosen, judged = ReverseSets(problem, SELECTION), ReverseSets(problem, VALIDATION)
    packed, blocks, done, step = chosen.overlap(), list[SetBlock](), 0, 0
    while True:
        # 1. More sets, of which 64 share a word if they are packed.
        count = _whole_words(fewest * 2 ** (step / STEPS))
        progress(STAGE, 2 * done, 2 * count)
        blocks += chosen.blocks(done, count, packed=packed)
        # 2. Seeds that cover most of them.
        index = chosen.index(blocks)
        cover = greedy_cover(index, problem)
        # 3. What other sets say about these seeds.
        holding = judged.holding(0, count, np.concatenate([problem.given, cover.seeds]))
        found = _bounded(problem, "opim_c", cover, count, holding, confidence)
        ratio, done = found.ratio or 0.0, count
        progress(STAGE, 2 * count, 2 * count)
        logger.info("OPIM-C: %d sets, guaranteed share of the optimum %.3f", 2 * count, ratio)
        # 4. The step at which there will be enough, if these are not.
        for_guarantee = step + STEPS if ratio < aim else step
        growth = STEPS * math.log2(wanted / max(holding, 1))
        room = STEPS * math.log2(MOST_ENTRIES / max(len(index.numbers), 1))
        growth = min(growth, room, STEPS * FURTHEST)
        following = min(max(for_guarantee, step + math.ceil(growth)), last)
        if following <= step:
            return found
        if 2 * index.nbytes > MOST_BYTES:
            if ratio < aim:
                logger.warning(
                    "OPIM-C stops at %s sets, which take %s: they guarantee %.1f %% of the most that any seeds can "
                    "reach, instead of %.1f %%; a larger epsilon needs fewer",
                    f"{2 * count:,}", readable_bytes(2 * index.nbytes), 100 * ratio, 100 * aim,
                )  # fmt: skip
            return found
        step = following


def _opim_sets(problem: InfluenceProblem, epsilon: float, delta: float) -> tuple[float, float]:
    """Return with how many sets OPIM-C begins and, if it goes on that long, ends."""
    a = math.log(6.0 / delta)
    root = GREEDY * math.sqrt(a) + math.sqrt(GREEDY * (_log_choices(problem) + a))
    most = 2.0 * problem.mass * root**2 / (epsilon**2 * problem.least_reach)
    return most * epsilon**2 * problem.least_reach / problem.mass, most


def _log_choices(problem: InfluenceProblem) -> float:
    """Return the logarithm of how many seed sets there are to choose from, or a bound on it."""
    agents, most = int(problem.may_be_seeded.sum()), problem.most_seeds
    if problem.costs is not None:
        return most * math.log(agents + 1.0)
    return math.lgamma(agents + 1.0) - math.lgamma(most + 1.0) - math.lgamma(agents - most + 1.0)


def _whole_words(sets: float) -> int:
    return 64 * math.ceil(sets / 64)


def _bounded(
    problem: InfluenceProblem, method: str, cover: Cover, sets: int, holding: int, confidence: float
) -> Selection:
    """Return the seeds of a cover with the bounds of OPIM-C (Tang et al. 2018, equations 5 and 8)."""
    unit = problem.mass / sets
    least = ((math.sqrt(holding + 2 * confidence / 9) - math.sqrt(confidence / 2)) ** 2 - confidence / 18) * unit
    most = (math.sqrt(cover.most + confidence / 2) + math.sqrt(confidence / 2)) ** 2 * unit
    most = min(most, problem.mass)
    least = min(max(least, 0.0), most)
    return Selection(cover.seeds, method, 2 * sets, holding * unit, least, most)


def _check_room(index: CoverageIndex, growth: float) -> None:
    """Raise InsufficientMemoryError if an index of so many times as many sets would not fit."""
    if 2 * index.nbytes * growth > MOST_BYTES:
        raise InsufficientMemoryError(
            f"imm needs {readable_bytes(2 * index.nbytes * growth)} for its sets, at most {readable_bytes(MOST_BYTES)} "
            "are allowed; use opim_c, which needs fewer, or a larger epsilon"
        )


def imm(problem: InfluenceProblem, epsilon: float, delta: float, progress: Progress = ignore_progress) -> Selection:
    """Choose seeds by IMM: the number of sets follows from a lower bound on the best reach.

    The guarantee is 1 - 1/e - epsilon by the analysis, whatever the sets say; `least`, `most` and `ratio` are those of
    OPIM-C for the same seeds, judged by as many other sets. Our own implementation; its sets lie in memory.

    Parameters as in `opim_c`.

    Raises
    ------
    InsufficientMemoryError
        If the sets would not fit into 6 GiB.
    """
    n, log_choices = float(max(problem.n_agents, 2)), _log_choices(problem)
    scale = problem.mass / problem.least_reach
    log_failure = math.log(1.0 / delta) + math.log(2.0)
    chosen, judged = ReverseSets(problem, SELECTION), ReverseSets(problem, VALIDATION)
    packed = chosen.overlap()
    # 1. A lower bound on the best reach, by halving a guess.
    coarse = math.sqrt(2.0) * epsilon
    halvings = max(1, math.ceil(math.log2(scale)))
    factor = (2 + 2 * coarse / 3) * (log_choices + log_failure + math.log(max(math.log2(n), 1.0))) / coarse**2
    blocks, done, least = list[SetBlock](), 0, problem.least_reach
    for halving in range(1, halvings + 1):
        guess = problem.mass / 2**halving
        count = max(_whole_words(factor * problem.mass / guess), 64)
        progress(STAGE, done, count)
        blocks += chosen.blocks(done, count, packed=packed)
        done = count
        index = chosen.index(blocks)
        covered = greedy_cover(index, problem).covered / count * problem.mass
        logger.info("IMM: %d sets, reach %.0f against a guess of %.0f", count, covered, guess)
        if covered >= (1 + coarse) * guess:
            least = covered / (1 + coarse)
            break
        _check_room(index, 2.0)
    # 2. As many sets as this bound asks for, generated afresh (Chen 2018).
    alpha = math.sqrt(log_failure)
    beta = math.sqrt(GREEDY * (log_choices + log_failure))
    count = _whole_words(2 * problem.mass * (GREEDY * alpha + beta) ** 2 / (epsilon**2 * least))
    _check_room(index, count / done)
    progress(STAGE, done, done + 2 * count)
    fresh = ReverseSets(problem, VALIDATION + 1)
    cover = greedy_cover(fresh.index(fresh.blocks(0, count, packed=packed)), problem)
    holding = judged.holding(0, count, np.concatenate([problem.given, cover.seeds]))
    progress(STAGE, done + 2 * count, done + 2 * count)
    found = _bounded(problem, "imm", cover, count, holding, math.log(3.0 / delta))
    return dataclasses.replace(found, samples=done + 2 * count)
