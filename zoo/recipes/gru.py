"""GRU: sequences with a long memory in three quarters of an LSTM's operations; streams step by step."""

from __future__ import annotations

from zoo.recipes import Training
from zoo.recipes._recurrent import recurrent

RECIPE = recurrent("GRU", Training(epochs=20, lr=5e-3, clip=1.0))
