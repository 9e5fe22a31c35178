"""Closing: an instance goes with all it holds."""
