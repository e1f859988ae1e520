"""The kernel families of the partitioned plan, in order of preference."""

from propagation.plans.partitioned.bit_packed_partitions import BitPackedPartition
from propagation.plans.partitioned.partitions import Partition
from propagation.plans.partitioned.rule_partitions import RulePartition
from propagation.plans.partitioned.scheduled_partitions import ScheduledPartition
from propagation.plans.partitioned.threshold_partitions import ThresholdPartition
from propagation.sessions import Session

FAMILIES: tuple[type[Partition], ...] = (BitPackedPartition, ThresholdPartition, ScheduledPartition, RulePartition)
"""The last one runs every model."""


def family_for(session: Session) -> type[Partition]:
    """Return the first family that can run a session."""
    return next(family for family in FAMILIES if family.supports(session))
