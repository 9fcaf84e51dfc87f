"""What PyInstaller must know to package programs that use edgezoo; it finds this by its entry point."""

from pathlib import Path


def hook_folders() -> list[str]:
    """Return the folder of the hooks."""
    return [str(Path(__file__).parent)]
