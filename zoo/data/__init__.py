"""Data sources: one file each, found by being here. `load(path, seed)` returns a `zoo.dataset.Dataset`.

A source whose columns can be the target takes it as ``load(path, seed, target)``.
"""
