"""Section "Protocol": the configuration and the files that the page was made from."""

from __future__ import annotations

import json
from typing import Any

from eap import __version__
from eap.reporting.results import Results
from eap.schemas import FORMAT_VERSION, table_digest


def configuration(config: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    """Sections of the configuration that reach the report, keys dotted, values as JSON."""
    plain: list[tuple[str, str]] = []
    sections: list[tuple[str, list[tuple[str, str]]]] = []
    for name, value in config.model_dump(mode="json").items():
        if isinstance(value, dict):
            sections.append((name, list(_flat(value))))
        else:
            plain.append((name, json.dumps(value, ensure_ascii=False)))
    return [("run", plain), *sections]


def _flat(values: dict[str, Any], prefix: str = "") -> Any:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif key == "path" and value is not None:
            yield f"{prefix}{key}", "a file on the machine that ran it"  # pages are passed on, home folders are not
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False)


def file_rows(found: Results) -> list[tuple[str, str, str]]:
    """Path under the folder of results, table, and digest of its rows and of what it was made from."""
    return [(path.relative_to(found.root).as_posix(), name, table_digest(path)) for name, path in found.files]


def program() -> str:
    """What wrote the page."""
    return f"eap {__version__}, table format {FORMAT_VERSION}"
