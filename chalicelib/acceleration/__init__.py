"""Accelerated images: each converted, in the background, to one that runs before it is downloaded."""
