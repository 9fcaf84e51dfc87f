"""LSTM: sequences with a long memory; streams step by step."""

from __future__ import annotations

from zoo.recipes import Training
from zoo.recipes._recurrent import recurrent

RECIPE = recurrent("LSTM", Training(epochs=20, lr=5e-3, clip=1.0))
