"""Encoded images: which are opened, what their pixels show, and how they become an input."""
