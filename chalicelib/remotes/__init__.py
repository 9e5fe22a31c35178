"""Registries elsewhere that an instance knows: where they are, and how it logs in there."""
