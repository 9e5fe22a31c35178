"""Repositories: their names, their visibility, and who may do what with them."""
