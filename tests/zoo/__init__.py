"""Tests of recipes, data, training and the command line."""
