"""Measuring: what networks and files are worth and what they cost, as figures and pictures."""
