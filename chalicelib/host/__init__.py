"""The embedded host: one machine's gateway process and its process of consumers."""
