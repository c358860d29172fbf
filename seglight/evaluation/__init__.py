"""Scores trained runs on a split, on one rank or several, and writes what came out."""
