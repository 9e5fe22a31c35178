"""Layers of images as streams of entries: decompressed, read, listed, and never unpacked. No I/O of its own."""
