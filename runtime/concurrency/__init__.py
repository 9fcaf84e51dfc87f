"""Threads, forks and signals: several callers at once, and results in order."""
