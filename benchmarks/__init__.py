"""What the program costs, beside the least that the same work could cost: ``python -m benchmarks`` (README.md)."""
