"""Content: manifests, tags, blobs, uploads, referrers. Pushes, pulls, retires; never loses a byte it answered for."""
