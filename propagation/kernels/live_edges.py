"""Compiled questions about the live edges of a cascade: the edges whose one attempt succeeds in a replicate.

A replicate of an independent cascade reaches the agents that its live edges connect to the seeds (Kempe, Kleinberg,
Tardos 2003). Two questions follow from that: whom an agent or edge cuts off, which the dominator tree answers for all
agents at once (Xie, Zhang, Wang, Lin, Zhang: Minimizing the influence of misinformation via vertex blocking, ICDE
2023), and who is closer to an agent than the seeds are (Tong, Du, Wu: On misinformation containment in online social
networks, NeurIPS 2018). Draws are those of the engine, so that a replicate's cascade is the one that a session records.
"""

import numba
import numpy as np

from propagation.draws import agent_key, edge_key, lane_draw, replicate_salt
from propagation.kernels.primitives import DST, SHIFT


@numba.njit(nogil=True, cache=True)
def live_cascade(  # type: ignore[no-untyped-def]
    offsets, words, stream, salt, seeds, closed, max_rounds, position, agents, first, target, edge
):
    """List the agents of a cascade, round after round, and its live edges; return the number of agents.

    Parameters
    ----------
    offsets, words : (n + 1,) int64, (m,) uint64
        Out-edges as in `propagation.weights.AttemptRows`, with base 0.
    stream, salt : uint64, uint32
        Of transmissions, and of the replicate.
    seeds : (k,) int32
    closed : (n,) uint8
        Whether an agent is blocked.
    max_rounds : int64
        Last round in which agents are reached.
    position : (n,) int32, zero
        Out: where each agent is in `agents`, counted from 1.
    agents : (n,) int32
        Out: the seeds first.
    first : (n + 1,) int64
        Out: where the live edges of each of them begin.
    target, edge : (m,) int32, (m,) int64
        Out: position (from 0) of the agent that each live edge leads to, and the edge's place in `words`. Edges to
        seeds are left out.
    """
    tail, n_edges = 0, 0
    for seed in seeds:
        agents[tail] = seed
        tail += 1
        position[seed] = tail
    head, number, last = 0, 0, tail
    while head < tail:
        if head == last:
            number, last = number + 1, tail
        if number == max_rounds:
            break
        src = agents[head]
        first[head] = n_edges
        for e in range(offsets[src], offsets[src + 1]):
            word = words[e]
            dst = np.int64(word & DST)
            if np.int64(lane_draw(edge_key(stream, src, dst), salt)) >= np.int64(word >> SHIFT) or closed[dst]:
                continue
            if position[dst] == 0:
                agents[tail] = dst
                tail += 1
                position[dst] = tail
            if position[dst] > len(seeds):
                target[n_edges], edge[n_edges] = position[dst] - 1, e
                n_edges += 1
        head += 1
    first[head : tail + 1] = n_edges
    return tail


@numba.njit(nogil=True, cache=True)
def _depth_first(n, n_seeds, first, target):  # type: ignore[no-untyped-def]
    """Give agents depth-first numbers, from 1, below a root with number 0 whose children are the seeds.

    Returns
    -------
    number : (n,) int64
    parent : (n + 1,) int64
        By number.
    """
    number, parent = np.zeros(n, np.int64), np.zeros(n + 1, np.int64)
    stack, following = np.empty(n, np.int64), first[:n].copy()
    count = 0
    for seed in range(n_seeds):
        count += 1
        number[seed] = count
        stack[0], top = seed, 1
        while top > 0:
            at = stack[top - 1]
            if following[at] == first[at + 1]:
                top -= 1
                continue
            to = target[following[at]]
            following[at] += 1
            if number[to] == 0:
                count += 1
                number[to], parent[count] = count, number[at]
                stack[top] = to
                top += 1
    return number, parent


@numba.njit(nogil=True, cache=True)
def _entering(n, number, first, target):  # type: ignore[no-untyped-def]
    """Return the live edges by the number of the agent they enter: (n + 2,) ends, (k,) sources, (k,) places."""
    ends = np.zeros(n + 2, np.int64)
    for at in range(first[n]):
        ends[number[target[at]] + 1] += 1
    for i in range(n + 1):
        ends[i + 1] += ends[i]
    source, place, filled = np.empty(first[n], np.int64), np.empty(first[n], np.int64), ends.copy()
    for i in range(n):
        for at in range(first[i], first[i + 1]):
            to = number[target[at]]
            source[filled[to]], place[filled[to]] = number[i], at
            filled[to] += 1
    return ends, source, place


@numba.njit(nogil=True, cache=True)
def dominators(parent, ends, source):  # type: ignore[no-untyped-def]
    """Return the immediate dominator of each agent by depth-first number, (n + 1,) int64.

    An agent's dominators are on all its paths from the root; the immediate one is the nearest. Semi-NCA algorithm:
    Georgiadis, Tarjan, Werneck: Finding dominators in practice. J. Graph Algorithms and Applications 10, 2006.

    Parameters
    ----------
    parent : (n + 1,) int64
        In the depth-first tree, by number.
    ends, source : (n + 2,) int64, (k,) int64
        Sources of the edges that enter each agent, by number.
    """
    size = len(parent)
    semi, ancestor, best, path = np.zeros(size, np.int64), parent.copy(), np.arange(size), np.empty(size, np.int64)
    for w in range(size - 1, 0, -1):
        lowest = parent[w]
        for i in range(ends[w], ends[w + 1]):
            v = source[i]
            found = v
            if v > w:  # the smallest semidominator on the tree path from v up to below w
                top, u = 0, v
                while ancestor[u] > w:
                    path[top] = u
                    top += 1
                    u = ancestor[u]
                while top > 0:
                    top -= 1
                    x = path[top]
                    y = ancestor[x]
                    best[x] = min(best[x], best[y])
                    ancestor[x] = ancestor[y]
                found = best[v]
            lowest = min(lowest, found)
        semi[w] = best[w] = lowest
    nearest = parent.copy()
    for w in range(1, size):
        while nearest[w] > semi[w]:
            nearest[w] = nearest[nearest[w]]
    return nearest


@numba.njit(nogil=True, cache=True)
def count_saved(  # type: ignore[no-untyped-def]
    offsets, words, stream, replicates, seeds, closed, max_rounds, position, agents, first, target, edge, by_agent,
    by_edge,
):  # fmt: skip
    """Count the agents that blocking each agent, or each edge, would save in some replicates.

    Parameters as in `live_cascade`, where they are scratch, and:

    Parameters
    ----------
    replicates : (r,) int64
    by_agent : (n,) int64
        In and out: agents reached in no other way than through an agent, itself included, summed over replicates;
        of seeds unchanged.
    by_edge : (m,) int64, or length 0
        In and out: the same of edges.

    Returns
    -------
    int
        Agents reached, seeds included, summed over replicates.
    """
    total = 0
    for replicate in replicates:
        salt = replicate_salt(replicate)
        n = live_cascade(offsets, words, stream, salt, seeds, closed, max_rounds, position, agents, first, target, edge)
        total += n
        number, parent = _depth_first(n, len(seeds), first, target)
        ends, source, place = _entering(n, number, first, target)
        nearest = dominators(parent, ends, source)
        # 1. How many agents each one dominates.
        size = np.ones(n + 1, np.int64)
        for w in range(n, 0, -1):
            size[nearest[w]] += size[w]
        for i in range(n):
            if i >= len(seeds):
                by_agent[agents[i]] += size[number[i]]
            position[agents[i]] = 0
        if len(by_edge) == 0:
            continue
        # 2. An edge cuts its target off if all others that enter it come from agents that the target dominates: those
        #    whose places in the dominator tree are below its own.
        place_in_tree, vacant = np.zeros(n + 1, np.int64), np.ones(n + 1, np.int64)
        for w in range(1, n + 1):
            place_in_tree[w] = vacant[nearest[w]]
            vacant[nearest[w]] += size[w]
            vacant[w] = place_in_tree[w] + 1
        for w in range(1, n + 1):
            outside, only = 0, np.int64(-1)
            for i in range(ends[w], ends[w + 1]):
                below = place_in_tree[source[i]] - place_in_tree[w]
                if below < 0 or below >= size[w]:
                    outside += 1
                    only = place[i]
            if outside == 1:
                by_edge[edge[only]] += size[w]
    return total


@numba.njit(nogil=True, cache=True)
def closer_agents(  # type: ignore[no-untyped-def]  # noqa: C901
    offsets, words, in_offsets, in_sources, in_chances, stream, choice, replicates, seeds, closed, max_rounds, delay,
    wins_ties, most, position, agents, first, target, edge, ends, members,
):  # fmt: skip
    """List, for agents that cascades reach, everyone from whom a second message would reach them first.

    Parameters as in `live_cascade`, where they are scratch, and:

    Parameters
    ----------
    in_offsets, in_sources, in_chances : (n + 1,) int64, (m,) int32, (m,) int64
        In-edges: sources, and chances.
    choice : uint64
        Stream of the draws that choose among the agents of a replicate.
    replicates : (r,) int64
    delay : int64
        Round in which the second message starts, where the cascade has not arrived by then.
    wins_ties : int64
        Whether the second message reaches an agent first if both do in the same round.
    most : int64
        Agents per replicate; of more, about so many are chosen.
    ends : (sets + 1,) int64
        Out: where the list of each chosen agent ends; the first is 0.
    members : (k,) int32
        Out: the listed agents, never seeds or blocked ones.

    Returns
    -------
    done : int
        Replicates whose lists are complete; a list for which there is no room ends the work.
    weights : (r,) float64
        Agents reached, seeds apart, for each that was chosen; 0 for replicates without.
    of_replicate : (r,) int64
        Where the lists of each replicate end.
    """
    n_sets, used = 0, 0
    weights, of_replicate = np.zeros(len(replicates)), np.zeros(len(replicates), np.int64)
    distance, seen = np.empty(len(position), np.int32), np.full(len(position), -1, np.int64)
    queue, hops = np.empty(len(position), np.int32), np.empty(len(position), np.int32)
    for r in range(len(replicates)):
        salt = replicate_salt(replicates[r])
        n = live_cascade(offsets, words, stream, salt, seeds, closed, max_rounds, position, agents, first, target, edge)
        # 1. The round in which each agent is reached.
        for i in range(n):
            distance[i] = 0 if i < len(seeds) else -1
        for i in range(n):
            for at in range(first[i], first[i + 1]):
                if distance[target[at]] < 0:
                    distance[target[at]] = distance[i] + 1
        # 2. Who is closer to some of them.
        others, before = n - len(seeds), n_sets
        limit = np.int64(2**32) if others <= most else np.int64(most * 2**32 // others)
        for i in range(len(seeds), n):
            if np.int64(lane_draw(agent_key(choice, agents[i]), salt)) >= limit:
                continue
            if n_sets + 1 >= len(ends):
                return r, weights, of_replicate
            # Agents fewer live edges away than this reach agent i before the cascade does.
            within = distance[i] - delay + wins_ties
            queue[0], hops[0], head, tail = agents[i], 0, 0, 1 if within > 0 else 0
            seen[agents[i]] = n_sets
            while head < tail:
                dst, hop = queue[head], hops[head]
                head += 1
                if used + tail > len(members):
                    return r, weights, of_replicate
                if hop + 1 >= within:
                    continue
                for e in range(in_offsets[dst], in_offsets[dst + 1]):
                    src = in_sources[e]
                    if seen[src] == n_sets or closed[src]:
                        continue
                    if np.int64(lane_draw(edge_key(stream, src, dst), salt)) < in_chances[e]:
                        seen[src] = n_sets
                        queue[tail], hops[tail] = src, hop + 1
                        tail += 1
            if used + tail > len(members):
                return r, weights, of_replicate
            for j in range(tail):
                place = position[queue[j]] - 1
                if place < 0 or distance[place] > delay:  # otherwise the cascade takes it before it can start
                    members[used] = queue[j]
                    used += 1
            n_sets += 1
            ends[n_sets] = used
        if n_sets > before:
            weights[r] = others / (n_sets - before)
        of_replicate[r] = n_sets
        for i in range(n):
            position[agents[i]] = 0
    return len(replicates), weights, of_replicate


@numba.njit(nogil=True, cache=True)
def cover(ends, members, weights, containing_ends, containing, gain, costs, budget):  # type: ignore[no-untyped-def]
    """Choose agents greedily whose lists weigh most together for their costs.

    Parameters
    ----------
    ends, members : (sets + 1,) int64, (k,) int32
        The agents of each list.
    weights : (sets,) float64
    containing_ends, containing : (n + 1,) int64, (k,) int64
        The lists that contain each agent.
    gain : (n,) float64
        In and out: weight of the lists that contain each agent, of those that no chosen agent is in.
    costs : (n,) float64
        Above 0; infinite for agents that cannot be chosen.
    budget : float64
        Most that the chosen agents may cost together.

    Returns
    -------
    chosen, gains : (k,) int32 and float64
        In the order chosen, with what each added.
    """
    chosen, gains = np.empty(len(gain), np.int32), np.empty(len(gain))
    covered, step = np.zeros(len(weights), np.uint8), 0
    while True:
        best, rate = -1, 0.0
        for agent in range(len(gain)):
            if gain[agent] > 1e-9 and costs[agent] <= budget and gain[agent] / costs[agent] > rate:
                best, rate = agent, gain[agent] / costs[agent]
        if best < 0:
            return chosen[:step], gains[:step]
        budget -= costs[best]
        chosen[step], gains[step] = best, gain[best]
        step += 1
        for i in range(containing_ends[best], containing_ends[best + 1]):
            one = containing[i]
            if covered[one]:
                continue
            covered[one] = 1
            for j in range(ends[one], ends[one + 1]):
                gain[members[j]] -= weights[one]
        gain[best] = 0.0
