"""Collection: what nothing needs any more is freed, online, at a cost that follows what was deleted."""
