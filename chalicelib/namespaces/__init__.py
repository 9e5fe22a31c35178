"""Namespaces: the first part of every repository's name, with the settings its repositories share."""
