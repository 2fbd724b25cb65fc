"""Deals in the API."""
