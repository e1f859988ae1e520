"""Surrogates: what predicts the reach of simulations between the points that were simulated, and those points."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, STRINGS, Column, TableSpecification

_NETWORK_ID = Column("network_id", pa.string(), "network on which the sessions were simulated")
_SURROGATE_ID = Column("surrogate_id", pa.string(), "surrogate: UUID derived from its points and hyperparameters")
_FRACTIONS = pa.list_(pa.field("element", pa.float64()))

SPECIFICATIONS = (
    TableSpecification(
        "surrogates",
        "One row per surrogate: a Gaussian process that predicts reach from parameters.",
        ("network_id", "surrogate_id"),
        (
            _NETWORK_ID,
            _SURROGATE_ID,
            Column("surrogate", pa.string(), "name of the surrogate"),
            Column("snapshot_id", pa.string(), "network snapshot: hash of its content"),
            Column("propagation_model", pa.string(), "registered name of the model"),
            Column("fixed_parameters", pa.string(), "parameters of the model that were not varied, JSON"),
            Column("seeding", pa.string(), "the seed set: name and parameters of a strategy, or agent_ids; JSON"),
            Column("seeds", pa.int64(), "number of seeds; of the first point, if the budget was varied"),
            Column("run_options", pa.string(), "replicates or precision, and other options of the sessions, JSON"),
            Column("varied", STRINGS, "parameters that were varied, in order; budget is that of the seeds"),
            Column("lowest", _FRACTIONS, "lower end of the range of each parameter"),
            Column("highest", _FRACTIONS, "upper end of the range of each parameter"),
            Column("scales", STRINGS, "scale on which the surrogate sees each parameter: linear or log"),
            Column("points", pa.int32(), "simulated points that the surrogate was fitted to"),
            Column("signal_deviation", pa.float64(), "standard deviation of the process, in logits of the share"),
            Column("length_scales", _FRACTIONS, "length scale along each parameter, as a share of its range"),
            Column("spread_factor", pa.float64(), "factor by which standard errors of predictions are widened"),
            Column("error", pa.float64(), "root mean squared leave-one-out error, agents"),
            Column("relative_error", pa.float64(), "error as a share of the largest simulated reach"),
            Column("coverage", pa.float64(), "share of points within the 95 % interval predicted without them"),
            Column("largest_standard_error", pa.float64(), "largest standard error of any prediction, agents"),
            Column("fitted_at", CLOCK, "clock time at which the surrogate was ready"),
        ),
        added=(Column("is_current", pa.bool_(), "whether the name means this surrogate: it was fitted last"),),
    ),
    TableSpecification(
        "current_surrogates",
        "One row per name of a surrogate: the current one, which was fitted last.",
        ("surrogate",),
        (
            Column("surrogate", pa.string(), "name of the surrogate"),
            _NETWORK_ID,
            Column("surrogate_id", pa.string(), "the current one of this name"),
        ),
        keyed=True,
    ),
    TableSpecification(
        "surrogate_points",
        "One row per surrogate and simulated point that it was fitted to.",
        ("network_id", "surrogate_id", "position"),
        (
            _NETWORK_ID,
            _SURROGATE_ID,
            Column("position", pa.int32(), "order of the point, from 0"),
            Column("parameters", pa.string(), "values of the parameters that were varied, JSON"),
            Column("session_id", pa.string(), "session that simulated the point"),
            Column("replicates", pa.int32(), "replicates of that session"),
            Column("reach", pa.float64(), "mean reach that was simulated, agents"),
            Column("reach_standard_error", pa.float64(), "standard error of reach, agents"),
            Column("predicted_reach", pa.float64(), "reach predicted without this point, agents"),
            Column("predicted_low", pa.float64(), "lower end of its 95 % interval"),
            Column("predicted_high", pa.float64(), "upper end of its 95 % interval"),
        ),
    ),
)  # fmt: skip
