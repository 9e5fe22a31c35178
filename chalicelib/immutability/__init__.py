"""Immutability: rules under which a tag, once pushed, keeps its digest."""
