"""Notifications: events of an instance, told to servers that its people name (X5)."""
