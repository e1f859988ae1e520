"""The hash that generators draw from, in plain Python: big integers, reduced modulo 2^64."""

WORD = 2**64


def plain_mixed(word):
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % WORD
    return word ^ (word >> 31)


def plain_hash(state, *numbers):
    for number in numbers:
        state = plain_mixed((state + (number + 1) * 0x9E3779B97F4A7C15) % WORD)
    return state


def plain_below(draw, bound):
    while draw * bound % WORD < WORD % bound:
        draw = plain_hash(draw, 0)
    return draw * bound // WORD


def plain_key(random_seed, purpose):
    return plain_hash(0, random_seed, int(purpose))
