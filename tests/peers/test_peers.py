"""Other people's simulators as oracles: on real networks they find, round by round, the means that we find.

Every test compares the mean of every round with the peer's, over independent replicates of both sides: they may differ
by four combined standard errors. Where a peer's definition is another one, the test says so, and how it is adapted.
"""

import array

import EoN
import numpy as np
import pytest
from cynetdiff.models import IndependentCascadeModel, LinearThresholdModel
from ndlib.models import epidemics
from ndlib.models.ModelConfig import Configuration

from benchmarks.peers.eon import discrete_delays

MOST_STANDARD_ERRORS = 4.0
OUR_REPLICATES = 400


def assert_same_means(result, column, theirs, precision):
    """Compare the mean of a column at every round with the peer's (replicates, rounds) matrix.

    `precision` is the largest share of the last mean that four standard errors may be: a test that could not tell
    models apart is not one.
    """
    rounds = theirs.shape[1]
    frame = result.rounds.set_index("round")[[column, f"{column}_standard_error"]]
    frame = frame.reindex(range(rounds))
    if column == "total_influenced":
        frame = frame.ffill()
    ours, our_errors = frame.fillna(0.0).to_numpy().T
    # The deviation over a peer's few replicates is uncertain; if it plays the same model, it has ours.
    means, errors = theirs.mean(axis=0), our_errors * np.sqrt(result.reach.replicates / len(theirs))
    allowed = MOST_STANDARD_ERRORS * np.hypot(our_errors, errors)
    apart = np.abs(ours - means)
    worst = int(np.argmax(apart - allowed))
    assert (apart <= allowed + 1e-9).all(), (
        f"round {worst}: {ours[worst]} here, {means[worst]} there, ± {allowed[worst]}"
    )
    assert allowed[-1] <= precision * means[-1], f"four standard errors are {allowed[-1]} of {means[-1]}"


# -- CyNetDiff ------------------------------------------------------------------------------------------------------


def cynetdiff_reach(model, seeds, replicates, rounds):
    model.set_rng(3)
    model.set_seeds(seeds)
    reach = np.zeros((replicates, rounds + 1))
    for replicate in range(replicates):
        model.reset_model()
        for number in range(rounds + 1):
            reach[replicate, number] = model.get_num_activated_nodes()
            model.advance_model()
    return reach


def cynetdiff_rows(network):
    rows = network.sparse_rows
    starts = array.array("I", rows.offsets[:-1].astype(np.uint32).tobytes())
    targets = array.array("I", rows.targets.astype(np.uint32).tobytes())
    weights = array.array("f", (1.0 / network.in_degree[rows.targets]).astype(np.float32).tobytes())
    return starts, targets, weights


@pytest.mark.parametrize(
    ("name", "probability", "replicates", "precision"),
    [
        ("wiki-Vote", 0.02, 400, 0.2),
        ("wiki-Vote", 0.1, 100, 0.1),
        ("wiki-Vote", "weighted_cascade", 2000, 0.2),
        ("email-Enron", 0.02, 200, 0.1),
        ("email-Enron", "weighted_cascade", 2000, 0.2),
    ],
)
def test_independent_cascades_reach_what_cynetdiff_reaches(real_network, name, probability, replicates, precision):
    """CyNetDiff's independent cascade is ours."""
    real, rounds = real_network(name), 40
    starts, targets, weights = cynetdiff_rows(real.network)
    chances = {"activation_probs": weights} if probability == "weighted_cascade" else {"activation_prob": probability}
    result = real.run("IndependentCascade", max(replicates, OUR_REPLICATES), rounds, probability=probability)
    theirs = cynetdiff_reach(IndependentCascadeModel(starts, targets, **chances), real.seeds, replicates, rounds)
    assert_same_means(result, "total_influenced", theirs, precision)


@pytest.mark.parametrize("name", ["wiki-Vote", "email-Enron"])
def test_linear_thresholds_reach_what_cynetdiff_reaches(real_network, name):
    """CyNetDiff's linear threshold is ours, but within a round it adds up weights in the order of a queue.

    An agent is active once its sum reaches the threshold: by the end of the round the order does not matter.
    """
    real, rounds = real_network(name), 60
    starts, targets, weights = cynetdiff_rows(real.network)
    result = real.run("LinearThreshold", 2000, rounds, weight="weighted_cascade")
    theirs = cynetdiff_reach(LinearThresholdModel(starts, targets, influence=weights), real.seeds, 2000, rounds)
    assert_same_means(result, "total_influenced", theirs, 0.2)


# -- EoN ------------------------------------------------------------------------------------------------------------


def at_rounds(times, counts, rounds):
    """Return the counts after the last event of each round; what recovers half a round late has not yet."""
    return counts[np.searchsorted(times, np.arange(rounds + 1), side="right") - 1]


@pytest.mark.parametrize(("name", "replicates"), [("wiki-Vote", 40), ("email-Enron", 8)])
def test_sir_reaches_what_eon_reaches(real_network, name, replicates):
    """EoN's discrete SIR recovers after exactly one round, so its event-driven one is told discrete times.

    Infectious for a geometric number of rounds (gamma), each neighbour is tried until a geometric round (beta); the
    recovery is put half a round later, so that events at the same time need no order.
    """
    real, rounds, beta, gamma = real_network(name), 30, 0.02, 0.3
    result = real.run("SIR", OUR_REPLICATES, rounds, beta=beta, gamma=gamma)
    generator, reach = np.random.default_rng(4), []
    for _ in range(replicates):
        times, susceptible, _, _ = EoN.fast_nonMarkov_SIR(
            real.graph,
            trans_and_rec_time_fxn=discrete_delays,
            trans_and_rec_time_args=(beta, gamma, generator),
            initial_infecteds=real.seeds,
        )
        reach.append(real.network.n_agents - at_rounds(times, susceptible, rounds))
    assert_same_means(result, "total_influenced", np.array(reach), 0.1)


@pytest.mark.parametrize(("name", "replicates"), [("wiki-Vote", 20), ("email-Enron", 8)])
def test_sir_that_recovers_at_once_is_eons_discrete_sir(real_network, name, replicates):
    """EoN's `basic_discrete_SIR` recovers after exactly one round: gamma = 1."""
    real, rounds, beta = real_network(name), 12, 0.05
    result = real.run("SIR", OUR_REPLICATES, rounds, beta=beta, gamma=1.0)
    generator, reach, prevalence = np.random.default_rng(6), [], []
    for _ in range(replicates):
        _, susceptible, infectious, _ = EoN.basic_discrete_SIR(
            real.graph, beta, initial_infecteds=real.seeds, tmax=rounds, rng=generator
        )
        reach.append(real.network.n_agents - np.pad(susceptible, (0, rounds + 1 - len(susceptible)), "edge"))
        prevalence.append(np.pad(infectious, (0, rounds + 1 - len(infectious))))
    assert_same_means(result, "total_influenced", np.array(reach), 0.1)
    assert_same_means(result, "current_infected", np.array(prevalence), np.inf)


@pytest.mark.parametrize(("name", "replicates"), [("wiki-Vote", 12), ("email-Enron", 4)])
def test_sis_that_recovers_at_once_is_eons_discrete_sis(real_network, name, replicates):
    """EoN's `basic_discrete_SIS` recovers after exactly one round: gamma = 1.

    As here, an agent that is infectious when it is contacted is not infected anew in the round in which it recovers.
    """
    real, rounds, beta = real_network(name), 10, 0.05
    result = real.run("SIS", OUR_REPLICATES, rounds, beta=beta, gamma=1.0)
    generator, prevalence = np.random.default_rng(7), []
    for _ in range(replicates):
        _, _, infectious = EoN.basic_discrete_SIS(
            real.graph, beta, initial_infecteds=real.seeds, tmax=rounds, rng=generator
        )
        prevalence.append(np.pad(infectious, (0, rounds + 1 - len(infectious))))
    assert_same_means(result, "current_infected", np.array(prevalence), 0.1)


# -- NDlib ----------------------------------------------------------------------------------------------------------


def ndlib_counts(graph, seeds, model, replicates, rounds, **parameters):
    """Return agents ever infected, but for recurrent models, and agents infectious: (replicates, rounds + 1) each."""
    configuration = Configuration()
    for name, value in parameters.items():
        configuration.add_model_parameter(name, value)
    configuration.add_model_initial_configuration("Infected", seeds)
    simulator = getattr(epidemics, model)(graph, seed=8)
    simulator.set_initial_status(configuration)
    reach, infectious = np.zeros((2, replicates, rounds + 1))
    for replicate in range(replicates):
        simulator.reset(seeds)
        for number in range(rounds + 1):
            counts = simulator.iteration(node_status=False)["node_count"]
            reach[replicate, number] = graph.number_of_nodes() - counts[0]
            infectious[replicate, number] = counts[1]
    return reach, infectious


@pytest.mark.parametrize(("name", "replicates"), [("wiki-Vote", 12), ("email-Enron", 4)])
def test_sir_reaches_what_ndlib_reaches(real_network, name, replicates):
    """NDlib's rounds are ours: contacts by the states before the round, recovery in the same round."""
    real, rounds, parameters = real_network(name), 12, {"beta": 0.03, "gamma": 0.2}
    result = real.run("SIR", OUR_REPLICATES, rounds, **parameters)
    reach, infectious = ndlib_counts(real.graph, real.seeds, "SIRModel", replicates, rounds, **parameters)
    assert_same_means(result, "total_influenced", reach, 0.1)
    assert_same_means(result, "current_infected", infectious, 0.2)


def test_seir_reaches_what_ndlib_reaches(real_network):
    """NDlib calls sigma alpha, and draws one number for all contacts of an agent: the same chance."""
    real, rounds = real_network("wiki-Vote"), 12
    result = real.run("SEIR", OUR_REPLICATES, rounds, beta=0.05, sigma=0.4, gamma=0.2)
    reach, infectious = ndlib_counts(
        real.graph, real.seeds, "SEIRModel", 6, rounds, beta=0.05, alpha=0.4, gamma=0.2, tp_rate=1
    )
    assert_same_means(result, "total_influenced", reach, 0.2)
    assert_same_means(result, "current_infected", infectious, 0.3)


def test_sis_infects_as_many_as_ndlibs(real_network):
    """NDlib calls gamma lambda, and draws one number for all contacts of an agent: the same chance."""
    real, rounds = real_network("wiki-Vote"), 12
    result = real.run("SIS", OUR_REPLICATES, rounds, beta=0.03, gamma=0.3)
    _, infectious = ndlib_counts(real.graph, real.seeds, "SISModel", 6, rounds, beta=0.03, tp_rate=1, **{"lambda": 0.3})
    assert_same_means(result, "current_infected", infectious, 0.2)


def test_sirs_infects_as_many_as_ndlibs(real_network):
    """NDlib calls waning eta; its rounds are ours."""
    real, rounds = real_network("wiki-Vote"), 15
    result = real.run("SIRS", OUR_REPLICATES, rounds, beta=0.05, gamma=0.3, waning=0.2)
    _, infectious = ndlib_counts(real.graph, real.seeds, "SIRSModel", 8, rounds, beta=0.05, gamma=0.3, eta=0.2)
    assert_same_means(result, "current_infected", infectious, 0.2)
