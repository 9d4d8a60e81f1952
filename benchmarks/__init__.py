"""What Baton costs, and how that compares: each benchmark prints a table. `python -m benchmarks --help`."""
