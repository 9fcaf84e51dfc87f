"""Data sources: one file each, found by being here. `load(path)` returns a `zoo.dataset.Dataset`."""
