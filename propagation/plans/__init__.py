"""Physical plans: different ways to run the same rounds. All must give the rows of `propagation.plans.reference`."""

from typing import Literal

PlanChoice = Literal["auto", "broadcast", "partitioned", "reference"]
"""A plan, or `auto`: the planner's choice."""
