"""Speed of this registry beside others: one client, one disk, one run. Start with ``python -m benchmarks``."""
