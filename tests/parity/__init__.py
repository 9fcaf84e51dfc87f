"""Parity of recipe, format and precision, found from disk."""
