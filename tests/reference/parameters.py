"""Parameters that exercise every option of every model; columns are those of `small_networks.attributes_of`."""

FACTORS = {"susceptibility": "openness", "activity": "loudness"}
PARAMETERS = {
    "independent_cascade": [
        {"probability": 0.35},
        {"probability": 1.0},
        {"probability": 0.0},
        {"probability": "weighted_cascade"},
        {"probability": "trivalency"},
        {"probability": "column:share"},
        {"probability": "strength", "activity": "loudness"},
        {"probability": "column", **FACTORS},
        {"probability": "column"},
    ],
    "viral": [
        {"base_rate": 0.4},
        {"base_rate": 0.6, "decay": 0.7},
        {"base_rate": 0.7, "fatigue": 0.6},
        {"base_rate": 0.9, "decay": 0.0, "fatigue": 1.0},
        {"base_rate": 0.8, "fatigue": 0.0},
        {"base_rate": 0.9, "virality": 4.0, "strength": "strength", "susceptibility": "openness"},
        {"base_rate": 0.5, "virality": 1.9, "strength": "column:tie", "decay": 0.9, "fatigue": 0.8, **FACTORS},
        {"base_rate": 1.0, "strength": "column", "decay": 0.8},
    ],
    "linear_threshold": [
        {"weight": "weighted_cascade"},
        {"weight": 0.02},
        {"weight": "trivalency"},
        {"weight": "strength", "susceptibility": "calm", "activity": "calm"},
        {"weight": "column:thin", "activity": "calm"},
        {"weight": "strength"},
    ],
    "diffusion": [
        {"threshold": 0.3},
        {"threshold": 0.0, "strength": "column:tie"},
        {"threshold": 1.0},
        {"threshold": "column"},
        {"threshold": "uniform", "strength": "strength"},
        {"threshold": "uniform", "strength": "column:tie"},
        {"threshold": "uniform", "strength": "column:share", **FACTORS},
        {"threshold": "column:patience", "strength": "column:tie", **FACTORS},
    ],
    "fractional_threshold": [
        {"threshold": 0.4},
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"threshold": "uniform"},
        {"threshold": "column"},
        {"neighbours": 1},
        {"neighbours": 2},
        {"threshold": "column:patience"},
    ],
    "hybrid": [
        {"alpha": 0.5, "base_rate": 0.5, "threshold": 0.3},
        {"alpha": 0.0, "base_rate": 0.5, "threshold": "uniform"},
        {"alpha": 1.0, "base_rate": 0.5, "fatigue": 0.8},
        {"alpha": 0.3, "base_rate": 0.8, "threshold": "column:patience", "strength": "strength"},
        {"alpha": 0.6, "base_rate": 0.7, "threshold": "uniform", "strength": "column:tie", "virality": 1.2, **FACTORS}
        | {"decay": 0.9, "fatigue": 0.7},
    ],
    "si": [
        {"beta": 0.3},
        {"beta": 1.0},
        {"beta": 0.0},
        {"beta": "weighted_cascade"},
        {"beta": "column:share"},
        {"beta": "column", **FACTORS},
    ],
    "sis": [
        {"beta": 0.3, "gamma": 0.5},
        {"beta": 0.2, "gamma": 1.0},
        {"beta": "column", "gamma": 0.0},
        {"beta": "weighted_cascade", "infectious_period": 1},
        {"beta": "column:share", "infectious_period": 3},
        {"beta": "column", "gamma": 0.4, **FACTORS},
    ],
    "sir": [
        {"beta": 0.2, "gamma": 0.4},
        {"beta": "column", "gamma": 1.0},
        {"beta": 0.3, "gamma": 0.0},
        {"beta": "trivalency", "infectious_period": 4},
        {"beta": 0.2, "infectious_period": 2},
        {"beta": "strength", "gamma": 0.3, **FACTORS},
    ],
    "sirs": [
        {"beta": 0.3, "gamma": 0.5, "waning": 0.3},
        {"beta": 0.4, "gamma": 1.0, "waning": 1.0},
        {"beta": 0.3, "gamma": 0.5, "waning": 0.0},
        {"beta": 0.3, "gamma": 0.0, "waning": 0.5},
        {"beta": "weighted_cascade", "infectious_period": 2, "waning": 0.5},
        {"beta": "column", "gamma": 0.6, "waning": 0.5, **FACTORS},
    ],
    "seir": [
        {"beta": 0.3, "gamma": 0.4, "sigma": 0.5},
        {"beta": 0.5, "gamma": 1.0, "sigma": 1.0},
        {"beta": 0.5, "gamma": 0.5, "sigma": 0.0},
        {"beta": 0.3, "gamma": 0.0, "sigma": 0.3},
        {"beta": "column:share", "infectious_period": 2, "sigma": 0.6},
        {"beta": "column", "gamma": 0.4, "sigma": 0.7, **FACTORS},
    ],
    "seiz": [
        {"beta": 0.4, "b": 0.3, "rho": 0.2, "epsilon": 0.2, "p": 0.4, "l": 0.4, "sceptics": 0.3},
        {"beta": 0.4, "b": 0.3, "rho": 0.3, "epsilon": 0.0, "p": 0.2, "l": 0.7, "sceptics": "column"},
        {"beta": 1.0, "b": 1.0, "rho": 0.0, "epsilon": 0.0, "p": 0.5, "l": 0.5, "sceptics": 0.5},
        {"beta": 0.5, "b": 0.0, "rho": 0.0, "epsilon": 1.0, "p": 0.0, "l": 1.0, "sceptics": 0.0},
        {"beta": 0.6, "b": 0.7, "rho": 0.5, "epsilon": 0.1, "p": 1.0, "l": 0.0, "sceptics": 1.0},
        {"beta": 0.6, "b": 0.7, "rho": 0.5, "epsilon": 0.1, "p": 0.3, "l": 0.5, "sceptics": "column:doubt", **FACTORS}
        | {"strength": "column:share"},
    ],
    "maki_thompson": [
        {"spreading": 0.5, "stifling": 0.3},
        {"spreading": 1.0, "stifling": 1.0},
        {"spreading": 0.4, "stifling": 0.0},
        {"spreading": "weighted_cascade", "stifling": 0.2},
        {"spreading": "column", "stifling": 0.2, **FACTORS},
    ],
    "daley_kendall": [
        {"spreading": 0.5, "stifling": 0.3},
        {"spreading": 1.0, "stifling": 1.0},
        {"spreading": 0.4, "stifling": 0.0},
        {"spreading": "column:share", "stifling": 0.2},
        {"spreading": "column", "stifling": 0.2, **FACTORS},
    ],
    "competing_cascades": [
        {"probability": 0.35},
        {"probability": 1.0},
        {"probability": "weighted_cascade", "rates": [0.7, 1.0]},
        {"probability": "trivalency", "rates": [0.0]},
        {"probability": 1.0, "ties": "first_listed"},
        {"probability": 0.6, "delays": [0, 2, 1]},
        {"probability": "column", "rates": [1.0, 0.4], "ties": "first_listed", "delays": [1], **FACTORS},
    ],
}


def seed_set_of(name, seeds):
    """The seeds of a session of a model; of competing messages, each of three has every third of them."""
    if name != "competing_cascades":
        return seeds
    messages = ("rumour", "correction", "rebuttal")
    return {message: own for i, message in enumerate(messages) if (own := list(seeds[i::3]))}


def fitting(parameters, seed_set, max_rounds):
    """The parameters for a session with this seed set: rates and delays of its messages only, none that never start."""
    if not isinstance(seed_set, dict):
        return parameters
    lists = {name: parameters[name][: len(seed_set)] for name in ("rates", "delays") if name in parameters}
    if "delays" in lists:
        lists["delays"] = [min(delay, max_rounds) for delay in lists["delays"]]
    return {**parameters, **lists}


EXAMPLES = [(name, parameters) for name, choices in PARAMETERS.items() for parameters in choices]
HARDEST = {name: choices[-1] for name, choices in PARAMETERS.items()}
