"""Layers that are loaded while they are used: the eStargz format, written and verified. No network, no table."""
