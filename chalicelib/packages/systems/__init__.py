"""What systems installed: their package managers' databases, and which system it is."""
