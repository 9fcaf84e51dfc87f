"""Elman network: sequences in the fewest operations; forgets what is long past."""

from __future__ import annotations

from zoo.recipe import Training
from zoo.recurrent import recurrent

RECIPE = recurrent("RNN", Training(epochs=20, lr=5e-3, clip=1.0))
