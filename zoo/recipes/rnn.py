"""Elman network: sequences in the fewest operations; forgets what is long past."""

from __future__ import annotations

from zoo.recipes import Training
from zoo.recipes._recurrent import recurrent

RECIPE = recurrent("RNN", Training(epochs=20, lr=1e-3, init="orthogonal", clip=1.0))
