"""Layers that load lazily: written, verified, reused."""
