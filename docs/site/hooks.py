"""MkDocs's hooks: pages that lie outside `docs` or are generated, and the links to them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from docs.site.json_schema import manifest_schema
from docs.site.reference import pages

ROOT = Path(__file__).parents[2]
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages of the checkout's root and what they are called in the site."""


def on_files(files: Files, config: Any) -> Files:
    """Add the reference and the pages of the checkout's root."""
    for name, title in OUTSIDE.items():
        text = (ROOT / name).read_text("utf-8").replace("](docs/", "](").replace('src="docs/', 'src="')
        for other, page in OUTSIDE.items():
            text = text.replace(f"]({other})", f"]({page})")
        files.append(File.generated(config, title, content=text))
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    schema = json.dumps(manifest_schema(), indent=2) + "\n"
    files.append(File.generated(config, "reference/manifest.schema.json", content=schema))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead links that leave `docs` to the pages that the site has in their place."""

    def inside(match: re.Match[str]) -> str:
        return f"]({match[1].removesuffix('../')}{OUTSIDE[match[2]]}"

    return re.sub(rf"\]\(((?:\.\./)+)({'|'.join(map(re.escape, OUTSIDE))})", inside, markdown)
