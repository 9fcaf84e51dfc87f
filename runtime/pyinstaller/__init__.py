"""PyInstaller's hooks for programs that use edgezoo; PyInstaller finds this package by its entry point."""

from pathlib import Path


def hook_folders() -> list[str]:
    """Return the folder of the hooks."""
    return [str(Path(__file__).parent)]
