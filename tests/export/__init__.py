"""Tests of export, parity and atomic writes."""
