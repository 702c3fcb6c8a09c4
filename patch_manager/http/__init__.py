"""Quart-Trio over a guarded Hypercorn: one routes module per resource, live stream, errors, SPA files."""
