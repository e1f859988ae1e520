"""Compiled estimation of influence weights of the linear threshold, target by target, as in `kernels`.

A threshold drawn uniformly makes an agent follow one in-neighbour at most, each with its weight as probability
(Kempe, Kleinberg, Tardos 2003): the agent is activated when that one is active. So the causes of an activation have the
probability of the sum of their weights, and an agent that stays inactive followed none of those who were active.
"""

import numba
import numpy as np

from analytics.calibration.kernels import (
    MOST_TOGETHER,
    SMALLEST,
    _bound_effective,
    _causes_by_activation,
    _most_activations,
    _outcomes,
)


@numba.njit(nogil=True, cache=True)
def _failures_by_cascade(  # type: ignore[no-untyped-def]
    offsets, sources, starts, cascades, times, window, target, counts, failures, positions, failed
):
    """Return the in-neighbours that a target did not follow: where those of each cascade begin, and their in-edges.

    Cascades in which it followed another one are left out, as they say no more.
    """
    total = failures.sum()
    of, edges = np.empty(total, np.int64), np.empty(total, np.int64)
    first, end, size = starts[target], starts[target + 1], 0
    for edge in range(offsets[target], offsets[target + 1]):
        _, not_found = _outcomes(starts, cascades, times, window, sources[edge], target, positions, failed)
        place = first
        for number in range(not_found):
            while place < end and cascades[place] < failed[number]:
                place += 1
            if place < end and cascades[place] == failed[number] and counts[place - first]:
                continue
            of[size], edges[size] = failed[number], edge - offsets[target]
            size += 1
    order = np.argsort(of[:size], kind="mergesort")
    begins, groups = np.zeros(size + 1, np.int64), 0
    for place in range(size):
        if place == 0 or of[order[place]] != of[order[place - 1]]:
            begins[groups] = place
            groups += 1
    begins[groups] = size
    return begins[: groups + 1], edges[:size][order]


@numba.njit(nogil=True, cache=True)
def _sums(begins, edges, weights):  # type: ignore[no-untyped-def]
    found = np.zeros(len(begins) - 1)
    for group in range(len(found)):
        for place in range(begins[group], begins[group + 1]):
            found[group] += weights[edges[place]]
    return found


@numba.njit(nogil=True, cache=True)
def count_refusals(  # type: ignore[no-untyped-def]
    offsets, sources, starts, cascades, times, window, first, last, failures, causes
):
    """Count the cascades in which targets followed none of those who were active, over the range."""
    most = _most_activations(starts, first, last, sources, offsets)
    positions, failed = np.empty(most, np.int64), np.empty(most, np.int64)
    total = 0
    for target in range(first, last):
        counts = causes[starts[target] - starts[first] : starts[target + 1] - starts[first]]
        tried = failures[offsets[target] - offsets[first] : offsets[target + 1] - offsets[first]]
        begins, _ = _failures_by_cascade(
            offsets, sources, starts, cascades, times, window, target, counts, tried, positions, failed
        )
        total += len(begins) - 1
    return total


@numba.njit(nogil=True, cache=True)
def fit_linear_threshold(  # type: ignore[no-untyped-def]  # noqa: C901
    offsets, sources, starts, cascades, times, window, first, last,
    failures, causes, prior_sum, prior_strength, most_iterations, tolerance,
):  # fmt: skip
    """Estimate influence weights by expectation maximisation: which in-neighbour, if any, an agent follows is hidden.

    A weight is the expected share of the cascades in which the agent follows that in-neighbour, with `prior_strength`
    further cascades in which it follows each with probability `prior_sum` / in-degree. Weights of an agent's in-edges
    sum to at most 1.

    Returns
    -------
    weight, effective, successes : (edges of the range,) float64
        Estimate, effective number of cascades, expected successes.
    exposed : (edges of the range,) int64
        Cascades that say whether the target followed the source.
    unfinished : int64
        Targets that did not converge.
    """
    size = offsets[last] - offsets[first]
    weight, effective, successes = np.empty(size), np.zeros(size), np.zeros(size)
    exposed = np.zeros(size, np.int64)
    most = _most_activations(starts, first, last, sources, offsets)
    positions, failed = np.empty(most, np.int64), np.empty(most, np.int64)
    unfinished = 0
    for target in range(first, last):
        low, degree = offsets[target] - offsets[first], offsets[target + 1] - offsets[target]
        if not degree:
            continue
        counts = causes[starts[target] - starts[first] : starts[target + 1] - starts[first]]
        begins, edges = _causes_by_activation(
            offsets, sources, starts, cascades, times, window, target, counts, positions, failed
        )
        refused, not_followed = _failures_by_cascade(
            offsets, sources, starts, cascades, times, window, target, counts,
            failures[low : low + degree], positions, failed,
        )  # fmt: skip
        activations = np.count_nonzero(counts)
        groups = activations + len(refused) - 1
        mean = prior_sum / degree
        w, shares = np.full(degree, mean), np.zeros(degree)
        converged = groups == 0
        for _ in range(0 if converged else most_iterations):
            followed, against = _sums(begins, edges, w), _sums(refused, not_followed, w)
            free = 0.0
            for group in range(len(against)):
                against[group] = 1.0 / max(1.0 - against[group], SMALLEST)
                free += against[group]
            shares[:] = free
            for group in range(len(against)):
                for place in range(refused[group], refused[group + 1]):
                    shares[not_followed[place]] -= against[group]
            for group in range(len(followed)):
                for place in range(begins[group], begins[group + 1]):
                    shares[edges[place]] += 1.0 / max(followed[group], SMALLEST)
            change, total = 0.0, 0.0
            for edge in range(degree):
                shares[edge] = max(shares[edge] * w[edge], 0.0)
                new = (shares[edge] + prior_strength * mean) / (groups + prior_strength)
                change = max(change, abs(new - w[edge]))
                w[edge] = new
                total += new
            if total > 1.0:  # by rounding
                w /= total
            if change < tolerance:
                converged = True
                break
        unfinished += not converged
        of_possible, of_failures = np.zeros(degree, np.int64), np.zeros(degree, np.int64)
        for place in range(len(edges)):
            of_possible[edges[place]] += 1
        for place in range(len(not_followed)):
            of_failures[not_followed[place]] += 1
        weight[low : low + degree] = w
        exposed[low : low + degree] = of_possible + of_failures
        # Of the expected successes, those in cascades that say something about the edge.
        followed = _sums(begins, edges, w)
        for group in range(len(followed)):
            for place in range(begins[group], begins[group + 1]):
                successes[low + edges[place]] += w[edges[place]] / max(followed[group], SMALLEST)
        _effective_cascades(
            begins, edges, refused, not_followed, w, of_possible, of_failures, prior_sum, prior_strength,
            effective[low : low + degree],
        )  # fmt: skip
    return weight, effective, successes, exposed, unfinished


@numba.njit(nogil=True, cache=True)
def _effective_cascades(  # type: ignore[no-untyped-def]  # noqa: C901
    begins, edges, refused, not_followed, w, possible, failures, prior_sum, strength, effective
):
    """Fill in the cascades, all with a known cause, that would tell as much about a weight as the observed ones do."""
    degree = len(w)
    numbers, exposed, total = np.full(degree, -1, np.int64), 0, w.sum()
    for edge in range(degree):
        effective[edge] = possible[edge] + failures[edge] + strength
        if possible[edge] + failures[edge] and SMALLEST < w[edge] < 1.0 - SMALLEST:
            numbers[edge] = exposed
            exposed += 1
    together = exposed <= MOST_TOGETHER
    information = np.zeros((exposed, exposed)) if together else np.zeros((1, 1))
    diagonal = np.zeros(exposed)
    slopes = w * (1.0 - w)  # of the weight by its logit
    rest = max(1.0 - total, SMALLEST)
    by_rest = strength * (1.0 - prior_sum) / rest**2
    for edge in range(degree):
        if numbers[edge] >= 0:
            by_own = strength * prior_sum / degree / w[edge] ** 2
            diagonal[numbers[edge]] = (by_own + by_rest) * slopes[edge] ** 2
            if together:
                for other in range(degree):
                    if numbers[other] >= 0 and other != edge:
                        information[numbers[edge], numbers[other]] += by_rest * slopes[edge] * slopes[other]
    for kind in range(2):
        of, members = (begins, edges) if kind == 0 else (refused, not_followed)
        sums = _sums(of, members, w)
        for group in range(len(sums)):
            scale = max(sums[group] if kind == 0 else 1.0 - sums[group], SMALLEST) ** -2.0
            for place in range(of[group], of[group + 1]):
                number = numbers[members[place]]
                if number < 0:
                    continue
                diagonal[number] += scale * slopes[members[place]] ** 2
                if not together:
                    continue
                for further in range(place + 1, of[group + 1]):
                    other = numbers[members[further]]
                    if other >= 0:
                        both = scale * slopes[members[place]] * slopes[members[further]]
                        information[number, other] += both
                        information[other, number] += both
    _bound_effective(numbers, diagonal, information, together, w, possible, failures, strength, effective)


@numba.njit(nogil=True, cache=True)
def threshold_log_likelihood(  # type: ignore[no-untyped-def]
    offsets, sources, starts, cascades, times, window, first, last, values, failures, causes, least
):
    """Return the log-likelihood of what targets did under the linear threshold, (targets of the range,) float64.

    Parameters
    ----------
    values : (edges,) float64
        Influence weights by target, of all edges.
    failures : (edges of the range,) int64
    causes : (activations of the range,) int64
        From `count_exposures`. Activations without a cause do not count.
    least : float64
        Probabilities are at least this, and at most 1 minus this.
    """
    found = np.zeros(last - first)
    most = _most_activations(starts, first, last, sources, offsets)
    positions, failed = np.empty(most, np.int64), np.empty(most, np.int64)
    for target in range(first, last):
        low, degree = offsets[target] - offsets[first], offsets[target + 1] - offsets[target]
        counts = causes[starts[target] - starts[first] : starts[target + 1] - starts[first]]
        weights = values[offsets[target] : offsets[target + 1]]
        begins, edges = _causes_by_activation(
            offsets, sources, starts, cascades, times, window, target, counts, positions, failed
        )
        refused, not_followed = _failures_by_cascade(
            offsets, sources, starts, cascades, times, window, target, counts,
            failures[low : low + degree], positions, failed,
        )  # fmt: skip
        followed = _sums(begins, edges, weights)
        for group in range(len(followed)):
            if counts[group]:
                found[target - first] += np.log(min(max(followed[group], least), 1.0 - least))
        for total in _sums(refused, not_followed, weights):
            found[target - first] += np.log(1.0 - min(max(total, least), 1.0 - least))
    return found
