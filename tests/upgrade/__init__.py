"""Versions of the service beside each other, and rows that say which of them may read them."""
