"""The kernel families of the broadcast plan, in order of preference, and how one of them is chosen for a session."""

import functools

from data.networks.network import Network
from propagation.mean_field import ExpectedCascade
from propagation.models.model import Model
from propagation.models.pandas_model import PandasModel
from propagation.plans.broadcast.any_model import AnyModel
from propagation.plans.broadcast.bit_packed_cascades import BitPackedCascades
from propagation.plans.broadcast.event_queue_epidemics import EventQueueEpidemics
from propagation.plans.broadcast.kernel_family import KernelFamily
from propagation.plans.broadcast.lane_queues import CascadeQueues, ThresholdQueues
from propagation.plans.broadcast.parallel_cascades import ParallelCascades
from propagation.sessions import Record, Session

ANY_MODEL = AnyModel()
PARALLEL = ParallelCascades()
FAMILIES: tuple[KernelFamily, ...] = (
    CascadeQueues(),
    BitPackedCascades(),
    PARALLEL,
    ThresholdQueues(),
    EventQueueEpidemics(),
    ANY_MODEL,
)
"""In order of preference; the last one runs every model."""


def family_named(name: str) -> KernelFamily:
    """Return a family by its name."""
    return next(family for family in FAMILIES if family.name == name)


@functools.lru_cache(maxsize=256)
def families_for(model: Model, record: Record) -> tuple[KernelFamily, ...]:
    """Return the families that can run a model and record this detail, in order of preference."""
    if isinstance(model, PandasModel):  # only the reference plan runs it
        return (ANY_MODEL,)
    return tuple(family for family in FAMILIES if family.supports(model, record))


def cheapest_family(
    network: Network, session: Session, lane: ExpectedCascade, lanes_per_thread: float
) -> tuple[KernelFamily, float]:
    """Return the specialised family that runs lanes in the shortest time on one thread, and the seconds per lane.

    Where no specialised family can run them, that is the family of any model.

    Parameters
    ----------
    network : Network
    session : Session
    lane : ExpectedCascade
        What a lane is expected to do.
    lanes_per_thread : float
        Lanes that one thread can run together.
    """
    *specialised, general = families_for(session.model, session.record)
    able = [family for family in specialised if not family.several_threads] or [general]
    seconds = [family.seconds_per_lane(network, session, lane, lanes_per_thread) for family in able]
    fastest = seconds.index(min(seconds))
    return able[fastest], seconds[fastest]
