"""The vulnerability database, and which advisories of it concern which packages. Reads what it is given; no network."""
