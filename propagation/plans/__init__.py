"""Physical plans: ways to run the same round fast. `propagation.rounds` is the reference they must equal."""
