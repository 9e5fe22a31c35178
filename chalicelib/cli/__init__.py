"""`crs`: what an operator types."""
