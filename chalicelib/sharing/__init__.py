"""Shares: who of other accounts may pull from a private repository."""
