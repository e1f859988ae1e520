"""Forecasts of cascades: features of how they begin, models with their tests and scores, and forecasts."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, STRINGS, SYMBOL, Column, TableSpecification

_CASCADE_SET_ID = Column(
    "cascade_set_id", SYMBOL, "set of cascades: UUID of an imported set, or the session_id of a simulated one"
)
_CASCADE = Column("cascade", pa.int32(), "number of the cascade in its set, from 0; of a session: the replicate")
_CASCADE_ID = Column("cascade_id", pa.string(), "id of the cascade in the user's data; of a session: the replicate")
_MODEL_ID = Column("model_id", pa.string(), "UUID derived from everything that determines the model")
_SIZE_SO_FAR = Column("size_so_far", pa.int64(), "agents activated within the observation, seeds included")
_PREDICTED = (
    Column("predicted_size", pa.float64(), "forecast of the final size, agents"),
    Column("predicted_low", pa.float64(), "lower end of its prediction interval, agents"),
    Column("predicted_high", pa.float64(), "upper end of its prediction interval, agents"),
    Column("outcome_probability", pa.float64(), "forecast probability of the model's outcome"),
)


def _count(name: str, documentation: str) -> Column:
    return Column(name, pa.int64(), documentation)


def _unknown(name: str, kind: pa.DataType, documentation: str) -> Column:
    """Return a column that is null where the source does not say."""
    return Column(name, kind, documentation, nullable=True)


SPECIFICATIONS = (
    TableSpecification(
        "cascade_features",
        "One row per set of cascades, observation, and cascade that can be forecast from it.",
        ("cascade_set_id", "observation_id", "cascade"),
        (
            _CASCADE_SET_ID,
            Column(
                "observation_id", SYMBOL, "UUID of what is observed: window, network, grouping, version of features"
            ),
            Column("observation", pa.string(), "what is observed, such as 3600 seconds or first 50 activations"),
            _CASCADE,
            _CASCADE_ID,
            _SIZE_SO_FAR,
            Column("elapsed", pa.float64(), "time observed, in the set's time_unit"),
            _count("growth_1", "activations in the first quarter of that time"),
            _count("growth_2", "activations in the second quarter"),
            _count("growth_3", "activations in the third quarter"),
            _count("growth_4", "activations in the last quarter"),
            Column("half_time", pa.float64(), "time by which half of these activations had happened"),
            Column("time_since_last", pa.float64(), "time from the last of them to the end of the observation"),
            _unknown("mean_gap", pa.float64(), "mean time between consecutive activations; null for one activation"),
            _unknown("gap_deviation", pa.float64(), "standard deviation of these times; null for one activation"),
            _unknown("depth_so_far", pa.int32(), "longest chain of infectors; null if infectors are unknown"),
            _unknown("breadth_so_far", pa.int64(), "most activations at one depth; null if infectors are unknown"),
            _unknown(
                "virality_so_far",
                pa.float64(),
                "structural virality (Goel et al. 2016): mean distance of all pairs of agents in a tree; null if "
                "there is no such pair or infectors are unknown",
            ),
            _unknown("followers_of_first", pa.int64(), "followers, or out-degree, of the first agent; null if unknown"),
            _unknown("followers_sum", pa.int64(), "followers, or out-degrees, of all agents so far; null if unknown"),
            _unknown("followers_max", pa.int64(), "most followers, or largest out-degree, of one; null if unknown"),
            _unknown("communities_so_far", pa.int64(), "communities reached; null without a grouping of the agents"),
            _unknown(
                "exposed_agents",
                pa.int64(),
                "agents not reached, with an edge from an agent that was; null without a network",
            ),
        ),
    ),
    TableSpecification(
        "forecast_models",
        "One row per model that forecasts cascades.",
        ("model_id",),
        (
            _MODEL_ID,
            Column("forecast_model", pa.string(), "name of the model; it means the one that was asked for last"),
            Column("cascade_set_ids", STRINGS, "sets of cascades it was fitted to; sessions by their session_id"),
            Column("cascade_sets", STRINGS, "their names"),
            Column("time_unit", pa.string(), "what a time of 1 means"),
            Column("observation", pa.string(), "what is observed of a cascade"),
            _unknown("observed_window", pa.float64(), "time observed; null if a number of activations is"),
            _unknown("observed_first", pa.int64(), "first activations observed; null if a window of time is"),
            _count("observed_at_least", "cascades with fewer activations in the window are not forecast"),
            _unknown("snapshot_id", SYMBOL, "network of the cascades; null without one"),
            _unknown("grouping", pa.string(), "column of the agents whose values are counted as communities"),
            Column("features", STRINGS, "features that the model uses: columns of cascade_features"),
            Column("outcome", pa.string(), "what outcome_probability is about: double or median"),
            Column(
                "outcome_factor", pa.float64(), "the outcome happens if the size reaches this many times size_so_far"
            ),
            Column("outcome_size", pa.float64(), "and at least this size, agents"),
            Column("size_estimator", pa.string(), "estimator of the final size, chosen by cross-validation"),
            Column("outcome_estimator", pa.string(), "estimator of the outcome, chosen by cross-validation"),
            Column("interval_level", pa.float64(), "probability that a prediction interval is to cover"),
            Column("split", pa.string(), "how test cascades were kept apart: random, last or first_agent"),
            _count("cascades", "cascades of the sets"),
            _count("training_cascades", "those the model was fitted to"),
            _count("test_cascades", "those it was tested on"),
            Column("random_seed", pa.int64(), "random seed of split and estimators"),
            Column("parameters", pa.string(), "fitted parameters and baselines, JSON"),
            _unknown("size_trees", pa.string(), "trees of a boosting estimator of the size: skops, as Base64"),
            _unknown("outcome_trees", pa.string(), "trees of a boosting estimator of the outcome, likewise"),
            Column("library_versions", pa.string(), "versions that it was fitted with, JSON"),
            Column("created_at", CLOCK, "clock time of the fit"),
        ),
        added=(Column("is_current", pa.bool_(), "whether the name means this model: it was asked for last"),),
    ),
    TableSpecification(
        "current_forecast_models",
        "One row per name of a forecast model: its current model, the one that was asked for last.",
        ("forecast_model",),
        (
            Column("forecast_model", pa.string(), "name of the model"),
            Column("model_id", pa.string(), "its current model"),
        ),
        keyed=True,
    ),
    TableSpecification(
        "forecast_tests",
        "One row per model and test cascade: what it became, and what was forecast.",
        ("model_id", "cascade_set_id", "cascade"),
        (
            _MODEL_ID,
            _CASCADE_SET_ID,
            _CASCADE,
            _CASCADE_ID,
            _SIZE_SO_FAR,
            Column("size", pa.int64(), "final size, agents"),
            Column("outcome_happened", pa.bool_(), "whether the model's outcome happened"),
            *_PREDICTED,
            Column("naive_size", pa.float64(), "size so far, times the median growth of training cascades as large"),
            Column("naive_probability", pa.float64(), "share of those training cascades in which the outcome happened"),
            Column("mean_size", pa.float64(), "mean size of all training cascades, at least the size so far"),
            _unknown("seismic_size", pa.float64(), "size by SEISMIC; null where it is infinite or cannot be had"),
            _unknown(
                "calibrated_seismic_size",
                pa.float64(),
                "the same with its factors fitted to the training cascades; null where it is infinite or cannot be had",
            ),
        ),
    ),
    TableSpecification(
        "forecast_scores",
        "One row per model, forecaster, and measure of its forecasts of the test cascades.",
        ("model_id", "forecaster", "measure"),
        (
            _MODEL_ID,
            Column("forecaster", pa.string(), "model, naive, training_mean, seismic or calibrated_seismic"),
            Column("measure", pa.string(), "such as median_absolute_percentage_error, auc, interval_coverage"),
            _unknown("score_value", pa.float64(), "its value; null where it is not defined"),
            _count("cascades", "test cascades that it is computed from"),
        ),
    ),
    TableSpecification(
        "forecasts",
        "One row per model, set of cascades, and cascade that was forecast.",
        ("model_id", "cascade_set_id", "cascade"),
        (
            _MODEL_ID,
            _CASCADE_SET_ID,
            _CASCADE,
            _CASCADE_ID,
            _SIZE_SO_FAR,
            *_PREDICTED,
            Column("created_at", CLOCK, "clock time of the forecast"),
        ),
        added=(
            _unknown(
                "forecast_model", pa.string(), "name of the model; null for a model that a later fit has replaced"
            ),
            _unknown(
                "cascade_set",
                pa.string(),
                "name of the set; null for content that a later import has replaced, and for sessions",
            ),
        ),
    ),
)
