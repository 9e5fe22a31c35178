"""Credentials: how registry clients prove who they are, by password or by token."""
