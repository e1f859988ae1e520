"""Breadth-first search (Moore 1959): in how many edges each agent is reached from a set of agents."""

from collections import deque


def distances(out_neighbours, sources):
    found = dict.fromkeys(sources, 0)
    queue = deque(found)
    while queue:
        agent = queue.popleft()
        for neighbour in out_neighbours.get(agent, ()):
            if neighbour not in found:
                found[neighbour] = found[agent] + 1
                queue.append(neighbour)
    return found
