"""Overview: an instance at a glance, read across rooms."""
