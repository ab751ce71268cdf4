"""Fills templates in. Every text of a run is a stranger's: it stays text."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

OURS = Path(__file__).parent


def page_environment(folder: Path) -> Environment:
    """Return what renders the templates of a folder, which may extend `page.html`.

    A page gets its title, style and body from blocks of its template; what it runs is the script that it names by
    `script`, whose hash stands in the page's policy, so that no other script runs whatever text gets into the page.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, OURS]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["script"] = None
    environment.filters["script_hash"] = _script_hash
    return environment


def _script_hash(source: str) -> str:
    """Return the source expression of a policy that lets one inline script run (CSP Level 3)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
