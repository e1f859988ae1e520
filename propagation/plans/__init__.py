"""Physical plans: ways to run the same round fast. `propagation.plans.reference` is what they must equal."""
