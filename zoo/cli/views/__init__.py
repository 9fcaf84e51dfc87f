"""Views of results: tables with units, one closing line, or JSON for scripts. Views write no files."""
