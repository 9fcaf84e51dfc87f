"""Mutated files of every kind that is read: whatever comes in, the answer is one or an error of our tree.

``python -m tests.fuzz --help`` runs as many as wanted; `tests/fuzz/test_fuzz.py` runs 5,000 of each kind.
"""
