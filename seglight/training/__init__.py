"""Trains the run of a directory."""
