"""The standing platform of one user on one machine: Prefect's server, a worker and a warm runner."""
