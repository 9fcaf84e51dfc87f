"""The `zoo` command, for `python -m zoo` too."""

from zoo.cli import main

if __name__ == "__main__":
    main()
