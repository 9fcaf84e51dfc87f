"""Readers of model files, without an engine or a library of their format."""
