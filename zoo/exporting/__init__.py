"""Exporting: a run folder to a proven bundle, and what becomes of its files: budgets, diagnoses, cards."""
