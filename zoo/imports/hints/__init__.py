"""Readers of the metadata of a file: inside it, or in files beside it. One file for each kind of metadata.

Such a module has two members:

``SOURCE``
    Where its facts come from, for people.
``read(path, data, graph) -> ModelFacts | None``
    The facts that it finds about the file at `path` with the content `data`; None if this way was not taken. Raises
    `OptionError` where it was, and what it found makes no sense.
"""
