"""Bindings: environments and services, each bound to the repository of its images (B1–B4)."""
