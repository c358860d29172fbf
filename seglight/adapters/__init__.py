"""Adapters: small layers that train on a frozen encoder."""
