"""Helm charts: shown with their versions and what they hold, and served by the classic index."""
