"""The kernel families of the partitioned plan, in order of preference."""

import functools

from propagation.models.model import Model
from propagation.plans.partitioned.bit_packed_partitions import BitPackedPartition
from propagation.plans.partitioned.partitions import Partition
from propagation.plans.partitioned.rule_partitions import RulePartition
from propagation.plans.partitioned.scheduled_partitions import ScheduledPartition
from propagation.plans.partitioned.threshold_partitions import ThresholdPartition
from propagation.sessions import Record, Session

FAMILIES: tuple[type[Partition], ...] = (BitPackedPartition, ThresholdPartition, ScheduledPartition, RulePartition)
"""The last one runs every model."""


def family_for(session: Session) -> type[Partition]:
    """Return the first family that can run a session."""
    return _family(session.model, session.record)


@functools.lru_cache(maxsize=256)
def _family(model: Model, record: Record) -> type[Partition]:
    return next(family for family in FAMILIES if family.supports(model, record))
