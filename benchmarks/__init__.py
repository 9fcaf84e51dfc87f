"""Ours against hand-written baselines; `make bench` prints one table of medians and ratios."""
