"""Audit: who changed what, when, from where; sealed minute by minute."""
