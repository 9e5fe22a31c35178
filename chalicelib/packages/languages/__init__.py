"""What languages' own package managers installed, and what programs say they were built from."""
