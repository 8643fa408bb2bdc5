"""The embedded phantom corpus: a folder like any other, described by the manifest that its renderer wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eap.data.datasets.folder import read_manifest
from eap.data.datasets.interface import ClipEntry
from eap.data.listing import is_clip
from eap.data.phantom.truth import MANIFEST


def describe(paths: Sequence[str], data: Any) -> list[ClipEntry]:
    """Entries of the corpus's clips; `data.manifest` is not read."""
    return read_manifest([path for path in paths if is_clip(path)], Path(data.root), MANIFEST)
