"""A simulated fleet that speaks the agent's contract, for demo, tests and benchmarks."""
