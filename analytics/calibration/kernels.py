"""Compiled estimation of edge values, target by target.

The likelihood of the independent cascade and of the linear threshold is a product over targets: the in-edges of an
agent are estimated from its own cascades alone, whatever the others are. Every kernel works on a range of targets, so
the values are the same for any number of threads, ranges or partitions.

Arrays that all kernels take:

- `offsets` (n + 1,) int64, `sources` (edges,) int32: in-edges by target, those of target 0 first.
- `starts` (n + 1,) int64, `cascades` (activations,) int32, `times` (activations,) float64: activations by agent, each
  agent's by cascade.
- `window` float64: longest delay between an activation and one that it may have caused.

Arrays by edge that they fill have the in-edges of targets `first` to `last` - 1, those by activation their activations.
"""

import numba
import numpy as np

MOST_TOGETHER = 64
"""Exposed in-edges of a target up to which the correlations of their estimates count in their intervals."""
SMALLEST = 1e-12
"""Probabilities nearer to 0 or 1 are treated as certain."""


@numba.njit(nogil=True, cache=True)
def _outcomes(starts, cascades, times, window, source, target, positions, failed):  # type: ignore[no-untyped-def]
    """Find what the source's activations did to the target, cascade by cascade.

    Fills `positions` with the target's activations (counted from its first) that the source may have caused, and
    `failed` with the cascades in which it did not activate the target within the window; returns how many of each.
    Where the target was active first, or at the same time, nothing was tried.
    """
    possible, failures = 0, 0
    first, end = starts[target], starts[target + 1]
    other = first
    for own in range(starts[source], starts[source + 1]):
        cascade = cascades[own]
        while other < end and cascades[other] < cascade:
            other += 1
        if other < end and cascades[other] == cascade:
            delay = times[other] - times[own]
            if delay <= 0.0:
                continue
            if delay <= window:
                positions[possible] = other - first
                possible += 1
                continue
        failed[failures] = cascade
        failures += 1
    return possible, failures


@numba.njit(nogil=True, cache=True)
def _most_activations(starts, first, last, sources, offsets):  # type: ignore[no-untyped-def]
    most = 1
    for edge in range(offsets[first], offsets[last]):
        most = max(most, starts[sources[edge] + 1] - starts[sources[edge]])
    return most


@numba.njit(nogil=True, cache=True)
def count_exposures(offsets, sources, starts, cascades, times, window, first, last):  # type: ignore[no-untyped-def]
    """Count the exposures of each edge, and the agents that may have caused each activation.

    Returns
    -------
    possible, failures : (edges of the range,) int64
        Cascades in which the source may have activated the target, and in which it did not.
    causes : (activations of the range,) int64
        In-neighbours that may have caused each activation.
    """
    size = offsets[last] - offsets[first]
    possible, failures = np.zeros(size, np.int64), np.zeros(size, np.int64)
    causes = np.zeros(starts[last] - starts[first], np.int64)
    most = _most_activations(starts, first, last, sources, offsets)
    positions, failed = np.empty(most, np.int64), np.empty(most, np.int64)
    for target in range(first, last):
        shift = starts[target] - starts[first]
        for edge in range(offsets[target], offsets[target + 1]):
            found, not_found = _outcomes(starts, cascades, times, window, sources[edge], target, positions, failed)
            possible[edge - offsets[first]] = found
            failures[edge - offsets[first]] = not_found
            for number in range(found):
                causes[shift + positions[number]] += 1
    return possible, failures, causes


@numba.njit(nogil=True, cache=True)
def _causes_by_activation(  # type: ignore[no-untyped-def]
    offsets, sources, starts, cascades, times, window, target, counts, positions, failed
):
    """Return the possible causes of a target's activations: where each one's begin, and their in-edges from 0."""
    active = starts[target + 1] - starts[target]
    begins = np.zeros(active + 1, np.int64)
    for activation in range(active):
        begins[activation + 1] = begins[activation] + counts[activation]
    edges, cursor = np.empty(begins[active], np.int64), begins.copy()
    for edge in range(offsets[target], offsets[target + 1]):
        found, _ = _outcomes(starts, cascades, times, window, sources[edge], target, positions, failed)
        for number in range(found):
            edges[cursor[positions[number]]] = edge - offsets[target]
            cursor[positions[number]] += 1
    return begins, edges


@numba.njit(nogil=True, cache=True)
def fit_independent_cascade(  # type: ignore[no-untyped-def]
    offsets, sources, starts, cascades, times, window, first, last,
    possible, failures, causes, prior_means, prior_strength, most_iterations, tolerance,
):  # fmt: skip
    """Estimate transmission probabilities by expectation maximisation (Saito, Nakano, Kimura 2008), with a prior.

    An activation with causes e has the probability P = 1 - prod(1 - p_e), of which the expected share p_e / P is a
    success of edge e. An edge's new probability is its expected successes among its exposures, with `prior_strength`
    further exposures of probability `prior_means` (n,), by target.

    Returns
    -------
    probability, effective, successes : (edges of the range,) float64
        Estimate, effective number of exposures, expected successes.
    unfinished : int64
        Targets that did not converge.
    """
    size = offsets[last] - offsets[first]
    probability, effective, successes = np.empty(size), np.zeros(size), np.zeros(size)
    most = _most_activations(starts, first, last, sources, offsets)
    positions, failed = np.empty(most, np.int64), np.empty(most, np.int64)
    unfinished = 0
    for target in range(first, last):
        low, degree = offsets[target] - offsets[first], offsets[target + 1] - offsets[target]
        where = slice(starts[target] - starts[first], starts[target + 1] - starts[first])
        begins, edges = _causes_by_activation(
            offsets, sources, starts, cascades, times, window, target, causes[where], positions, failed
        )
        mean = prior_means[target]
        own, tried = possible[low : low + degree], failures[low : low + degree]
        p, shares = np.full(degree, mean), np.zeros(degree)
        for edge in range(degree):
            if own[edge] + tried[edge] and not prior_strength:
                p[edge] = min(max(own[edge] / (own[edge] + tried[edge]), 0.01), 0.99)
        converged = len(edges) == 0
        for _ in range(most_iterations):
            shares[:] = 0.0
            for activation in range(len(begins) - 1):
                missed = 1.0
                for place in range(begins[activation], begins[activation + 1]):
                    missed *= 1.0 - p[edges[place]]
                caused = max(1.0 - missed, SMALLEST)
                for place in range(begins[activation], begins[activation + 1]):
                    shares[edges[place]] += p[edges[place]] / caused
            change = 0.0
            for edge in range(degree):
                exposures = own[edge] + tried[edge]
                if exposures:
                    new = min((shares[edge] + prior_strength * mean) / (exposures + prior_strength), 1.0)
                    change = max(change, abs(new - p[edge]))
                    p[edge] = new
            if converged or change < tolerance:
                converged = True
                break
        unfinished += not converged
        probability[low : low + degree] = p
        successes[low : low + degree] = shares
        _effective_exposures(begins, edges, p, own, tried, mean, prior_strength, effective[low : low + degree])
    return probability, effective, successes, unfinished


@numba.njit(nogil=True, cache=True)
def _effective_exposures(  # type: ignore[no-untyped-def]
    begins, edges, p, possible, failures, mean, strength, effective
):
    """Fill in the exposures, all with a known cause, that would tell as much about an edge as its own ones do.

    That is p (1 - p) / variance, the variance from the inverse of the observed information on the logit scale (Louis
    1982). It is at most the number of exposures, those of the prior included.
    """
    degree = len(p)
    numbers, exposed = np.full(degree, -1, np.int64), 0
    for edge in range(degree):
        trials = possible[edge] + failures[edge]
        effective[edge] = trials + strength
        if trials and SMALLEST < p[edge] < 1.0 - SMALLEST:
            numbers[edge] = exposed
            exposed += 1
    together = exposed <= MOST_TOGETHER
    information = np.zeros((exposed, exposed)) if together else np.zeros((1, 1))
    diagonal = np.zeros(exposed)
    for edge in range(degree):
        number = numbers[edge]
        if number >= 0:
            q = 1.0 - p[edge]
            diagonal[number] = failures[edge] * p[edge] ** 2 + strength * (mean * q**2 + (1.0 - mean) * p[edge] ** 2)
    for activation in range(len(begins) - 1):
        missed = 1.0
        for place in range(begins[activation], begins[activation + 1]):
            missed *= 1.0 - p[edges[place]]
        caused = max(1.0 - missed, SMALLEST)
        for place in range(begins[activation], begins[activation + 1]):
            number = numbers[edges[place]]
            if number < 0:
                continue
            diagonal[number] += (missed * p[edges[place]] / caused) ** 2
            if not together:
                continue
            for further in range(place + 1, begins[activation + 1]):
                other = numbers[edges[further]]
                if other >= 0:
                    both = missed * p[edges[place]] * p[edges[further]] / caused**2
                    information[number, other] += both
                    information[other, number] += both
    _bound_effective(numbers, diagonal, information, together, p, possible, failures, strength, effective)


@numba.njit(nogil=True, cache=True)
def _diagonal_of_inverse(matrix, found):  # type: ignore[no-untyped-def]
    """Fill in the diagonal of the inverse of a matrix with ones on its diagonal, which is overwritten.

    By Cholesky's method; BLAS would start threads of its own on every thread. Where the matrix is singular, because two
    edges cannot be told apart, a tiny pivot makes the variances huge.
    """
    size = len(found)
    for row in range(size):
        for column in range(row + 1):
            total = matrix[row, column]
            for inner in range(column):
                total -= matrix[row, inner] * matrix[column, inner]
            matrix[row, column] = np.sqrt(max(total, SMALLEST)) if row == column else total / matrix[column, column]
    solved = np.empty(size)
    for first in range(size):
        total = 0.0
        for row in range(first, size):
            value = 1.0 if row == first else 0.0
            for inner in range(first, row):
                value -= matrix[row, inner] * solved[inner]
            solved[row] = value / matrix[row, row]
            total += solved[row] ** 2
        found[first] = total


@numba.njit(nogil=True, cache=True)
def _bound_effective(  # type: ignore[no-untyped-def]
    numbers, diagonal, information, together, p, possible, failures, strength, effective
):
    """Fill in effective exposures from the observed information on the logit scale."""
    exposed = len(diagonal)
    variances = np.empty(exposed)
    if together and exposed:
        for number in range(exposed):
            information[number, number] = diagonal[number] + 1e-300
        scale = 1.0 / np.sqrt(diagonal + 1e-300)
        for number in range(exposed):
            for other in range(exposed):
                information[number, other] *= scale[number] * scale[other]
        _diagonal_of_inverse(information, variances)
        variances *= scale**2
    else:
        for number in range(exposed):
            variances[number] = 1.0 / (diagonal[number] + 1e-300)
    for edge in range(len(p)):
        number = numbers[edge]
        if number >= 0:
            variance = variances[number]
            like = 1.0 / (p[edge] * (1.0 - p[edge]) * variance) if variance > 0.0 else 0.0
            effective[edge] = min(like, possible[edge] + failures[edge] + strength)


@numba.njit(nogil=True, cache=True)
def share_credit(  # type: ignore[no-untyped-def]
    offsets, sources, starts, cascades, times, window, first, last, causes, shared, decay
):
    """Give each activation's credit to its possible causes (Goyal, Bonchi, Lakshmanan 2010).

    Parameters
    ----------
    causes : (activations of the range,) int64
        From `count_exposures`.
    shared : bool
        Whether the causes of an activation share a credit of 1; else each of them has a whole one.
    decay : float64
        Time in which the share of a cause falls by the factor e; infinity for equal shares.

    Returns
    -------
    credit : (edges of the range,) float64
    """
    credit = np.zeros(offsets[last] - offsets[first])
    most = _most_activations(starts, first, last, sources, offsets)
    positions, failed = np.empty(most, np.int64), np.empty(most, np.int64)
    for target in range(first, last):
        low, begin = offsets[target] - offsets[first], starts[target]
        where = slice(begin - starts[first], starts[target + 1] - starts[first])
        begins, edges = _causes_by_activation(
            offsets, sources, starts, cascades, times, window, target, causes[where], positions, failed
        )
        for activation in range(len(begins) - 1):
            number = begins[activation + 1] - begins[activation]
            weights, nearest = np.ones(number), np.inf
            if shared and decay != np.inf:
                for place in range(number):
                    source = sources[offsets[target] + edges[begins[activation] + place]]
                    own = np.searchsorted(cascades[starts[source] : starts[source + 1]], cascades[begin + activation])
                    weights[place] = times[begin + activation] - times[starts[source] + own]
                    nearest = min(nearest, weights[place])
                for place in range(number):  # measured from the nearest cause, so that not all are 0
                    weights[place] = np.exp((nearest - weights[place]) / decay)
            total = weights.sum() if shared else 1.0
            for place in range(number):
                credit[low + edges[begins[activation] + place]] += weights[place] / total
    return credit


@numba.njit(nogil=True, cache=True)
def count_together(offsets, sources, starts, cascades, times, window, first, last):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Return the cascades in which both ends of each edge were active, (edges of the range,) int64."""
    found = np.zeros(offsets[last] - offsets[first], np.int64)
    for target in range(first, last):
        for edge in range(offsets[target], offsets[target + 1]):
            other, end = starts[target], starts[target + 1]
            for own in range(starts[sources[edge]], starts[sources[edge] + 1]):
                while other < end and cascades[other] < cascades[own]:
                    other += 1
                found[edge - offsets[first]] += other < end and cascades[other] == cascades[own]
    return found


@numba.njit(nogil=True, cache=True)
def log_likelihood_by_target(  # type: ignore[no-untyped-def]
    offsets, sources, starts, cascades, times, window, first, last, values, causes, least
):
    """Return the log-likelihood of what targets did under the independent cascade, (targets of the range,) float64.

    Parameters
    ----------
    values : (edges,) float64
        Transmission probabilities by target, of all edges.
    causes : (activations of the range,) int64
        From `count_exposures`. Activations without a cause do not count.
    least : float64
        Probabilities are at least this, and at most 1 minus this.
    """
    found = np.zeros(last - first)
    most = _most_activations(starts, first, last, sources, offsets)
    positions, failed = np.empty(most, np.int64), np.empty(most, np.int64)
    for target in range(first, last):
        active, total = starts[target + 1] - starts[target], 0.0
        missed = np.ones(active)
        for edge in range(offsets[target], offsets[target + 1]):
            possible, failures = _outcomes(starts, cascades, times, window, sources[edge], target, positions, failed)
            q = 1.0 - min(max(values[edge], least), 1.0 - least)
            total += failures * np.log(q)
            for number in range(possible):
                missed[positions[number]] *= q
        for activation in range(active):
            if causes[starts[target] - starts[first] + activation]:
                total += np.log(1.0 - missed[activation])
        found[target - first] = total
    return found
