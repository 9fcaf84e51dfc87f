"""MkDocs's hooks: pages that lie outside `docs`, are notebooks or are generated, and the links to them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from docs.site import notebooks
from docs.site.json_schema import manifest_schema
from docs.site.reference import pages

ROOT = Path(__file__).parents[2]
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages of the checkout's root and what they are called in the site."""


def on_files(files: Files, config: Any) -> Files:
    """Add the reference, the notebooks' pages and the pages of the checkout's root."""
    for name, title in OUTSIDE.items():
        text = (ROOT / name).read_text("utf-8").replace("](docs/", "](").replace('src="docs/', 'src="')
        for other, page in OUTSIDE.items():
            text = text.replace(f"]({other})", f"]({page})")
        files.append(File.generated(config, title, content=text))
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    for path in notebooks.notebooks():
        page = notebooks.page(path)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page.markdown))
        for name, content in page.pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    schema = json.dumps(manifest_schema(), indent=2) + "\n"
    files.append(File.generated(config, "reference/manifest.schema.json", content=schema))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead links that leave `docs`, or to notebooks, to the pages that the site has in their place."""

    def inside(match: re.Match[str]) -> str:
        return f"]({match[1].removesuffix('../')}{OUTSIDE[match[2]]}"

    markdown = re.sub(r"(\]\([^()]*)\.ipynb\)", r"\1.md)", markdown)
    return re.sub(rf"\]\(((?:\.\./)+)({'|'.join(map(re.escape, OUTSIDE))})", inside, markdown)


def on_post_page(output: str, **_: Any) -> str:
    """Name the theme's search for screen readers."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def on_post_template(output: str, **_: Any) -> str:
    """Name the search of the page for wrong addresses, too."""
    return on_post_page(output)
