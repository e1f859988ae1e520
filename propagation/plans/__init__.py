"""Physical plans: different ways to run the same rounds. All must give the rows of `propagation.plans.reference`."""
