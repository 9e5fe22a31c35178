"""Vulnerabilities of images: scans on request and on push, reports, the database they go by, scanning again."""
