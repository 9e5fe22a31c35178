"""What scans came to: a row an image, counts and ids, for lists, pulls and whoever scans again."""
