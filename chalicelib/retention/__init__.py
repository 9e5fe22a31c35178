"""Retention: which tags of a namespace stay, when the others go, and what every run did."""
