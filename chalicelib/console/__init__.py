"""The console: everything the API can do, as pages for people. Nothing here decides what is allowed (C1)."""
