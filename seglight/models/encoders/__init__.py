"""Encoders: one function and one file of `conf/encoder` each."""
