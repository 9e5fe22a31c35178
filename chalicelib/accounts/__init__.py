"""Accounts: whose everything is; their users, sessions and access keys."""
