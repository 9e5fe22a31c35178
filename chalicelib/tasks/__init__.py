"""Tasks: background work that people see, in bounded steps that may be doubled, interrupted and lost."""
