"""Calibrations: edge values and model parameters estimated from observed cascades, and how well they predict others."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, STRINGS, Column, TableSpecification

_NETWORK_ID = Column("network_id", pa.string(), "name of the network")
_CALIBRATION_ID = Column(
    "calibration_id",
    pa.string(),
    "UUID derived from network, cascades or curve, options, and the name of the calibrated network",
)


def _later(name: str, kind: pa.DataType, documentation: str) -> Column:
    return Column(name, kind, documentation, nullable=True, later=True)


def _part(name: str) -> Column:
    text = "all or part of the set, as where a share is held out; unknown without the set; null for parameters"
    return _later(name, pa.string(), text)


SPECIFICATIONS = (
    TableSpecification(
        "calibrations",
        "One row per calibration of a network's edges, or of a model's parameters on it.",
        ("network_id", "calibration_id"),
        (
            _NETWORK_ID,
            _CALIBRATION_ID,
            Column("snapshot_id", pa.string(), "snapshot of the network"),
            Column("cascade_set", pa.string(), "name of the observed cascades, or of the observed curve"),
            _later(
                "fitted_cascades", pa.int64(), "number of cascades that were fitted to; null for a curve of numbers"
            ),
            _part("fitted_part"),
            _later("fitted_share", pa.float64(), "share of the set's cascades that were fitted to; null if unknown"),
            Column("propagation_model", pa.string(), "registered name of the model"),
            Column("method", pa.string(), "em, agents, bernoulli, jaccard, partial_credit, or abc for parameters"),
            Column("options", pa.string(), "what else determines the calibration, JSON"),
            Column(
                "calibrated_network_id",
                pa.string(),
                "network that has the values as edge columns; null for parameters",
                nullable=True,
            ),
            Column("calibrated_snapshot_id", pa.string(), "snapshot of that network; null as there", nullable=True),
            Column("estimates", pa.string(), "the one probability of all edges, or the parameters' medians, JSON"),
            Column("counts", pa.string(), "what was counted: activations, exposed edges, candidates and so on, JSON"),
            Column(
                "log_likelihood",
                pa.float64(),
                "of the cascades under the edge values; null for parameters",
                nullable=True,
            ),
            Column("warnings", STRINGS, "what the data cannot tell, in sentences"),
            Column("created_at", CLOCK, "clock time of the calibration"),
        ),
    ),
    TableSpecification(
        "calibration_posteriors",
        "One row per calibration of a model's parameters and accepted candidate.",
        ("network_id", "calibration_id", "position"),
        (
            _NETWORK_ID,
            _CALIBRATION_ID,
            Column("position", pa.int32(), "order of the candidate, from 1, the nearest to the observed curve first"),
            Column("candidate", pa.int64(), "number of the candidate, from 0; its replicates follow from it"),
            Column("parameters", pa.string(), "values of the parameters that were calibrated, JSON"),
            Column(
                "distance",
                pa.float64(),
                "root mean square difference between its curve and the observed one, agents per round",
            ),
        ),
    ),
    TableSpecification(
        "calibration_scores",
        "One row per calibration of a network's edges, set of cascades that it was not fitted to, and predictor.",
        ("network_id", "score_id", "predictor"),
        (
            _NETWORK_ID,
            Column("score_id", pa.string(), "UUID derived from the calibration and the cascades"),
            _CALIBRATION_ID,
            Column("test_cascade_set", pa.string(), "name of the set of cascades that were predicted"),
            _later("test_cascades", pa.int64(), "number of cascades that were predicted"),
            _part("test_part"),
            _later("test_share", pa.float64(), "share of the set's cascades that were predicted; null if unknown"),
            Column("predictor", pa.string(), "calibrated, uniform or weighted_cascade: whose edge values"),
            Column("log_likelihood", pa.float64(), "of the cascades under the predictor's edge values"),
            Column("log_likelihood_per_outcome", pa.float64(), "log_likelihood / outcomes"),
            Column("mrr", pa.float64(), "mean reciprocal rank of an adopter among all who have not adopted"),
            Column("hits_at_10", pa.float64(), "share of the steps in which the adopter is among the first ten"),
            Column(
                "precision_at_10", pa.float64(), "share of the first ten who adopt then or later in the cascade, mean"
            ),
            Column("outcomes", pa.int64(), "attempts that failed, and activations that have a possible cause"),
            Column("steps", pa.int32(), "adopters after the first time, each predicted from those before it"),
            _later("observed_mean_size", pa.float64(), "mean size of the cascades, agents"),
            _later(
                "simulated_mean_size",
                pa.float64(),
                "mean size of cascades simulated with the predictor from the same first agents; null without a network",
            ),
            _later(
                "size_distance",
                pa.float64(),
                "largest difference of the cumulative distributions of both sizes, 0 to 1 (Kolmogorov and Smirnov)",
            ),
            Column("unexplained", pa.int64(), "later activations without a possible cause; not in the likelihood"),
        ),
    ),
)
