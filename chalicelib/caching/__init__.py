"""Pull-through caches: a namespace that answers from here, or from an upstream registry whose answers it keeps."""
