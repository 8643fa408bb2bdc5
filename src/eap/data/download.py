"""The source of the clips: a folder, fetched first where the configuration says so, listed with size and SHA-256."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from eap.config import DOWNLOADABLE
from eap.data.listing import MEDIA_SUFFIXES, find_files
from eap.data.phantom.truth import MANIFEST
from eap.data.remote.dataset import Limits, fetch_dataset, read_lock, url_of
from eap.data.remote.sources import source_of
from eap.digest import file_sha256
from eap.schemas import write_table
from eap.stage import StageError, StageResult


def list_source(config: Any, inventory: Path) -> StageResult:
    """List the clips of `data.root`, their companion files and its manifest.

    With `download.enabled` the dataset is fetched first, as far as it is not there.

    Parameters
    ----------
    config
        Sections of stage ``download``.
    inventory
        Table ``inventory`` to write, sorted by path. A link whose target is absent has neither size nor SHA-256.

    Raises
    ------
    StageError
        If the folder is absent, unreadable or holds no clip, if a file's name is not valid Unicode, or if the dataset
        cannot be fetched.
    """
    root = Path(config.data.root)
    remedy = _remedy(config.data.dataset)
    if config.download.enabled:
        limits = Limits(config.download.mirror, config.download.max_extracted_gb * 1e9)
        fetch_dataset(source_of(config.data), root, limits)
    if not root.is_dir():
        raise StageError(f"data.root: {config.data.root!r} is not a folder (looked at {root.absolute()}); {remedy}")
    files = sorted(find_files(root, config.data.dataset), key=lambda path: path.relative_to(root).as_posix())
    if config.data.dataset == "phantom":  # remains of a corpus of other settings may lie there too
        manifest = pd.read_csv(root / MANIFEST, dtype=str)
        files = [path for path in files if path.relative_to(root).as_posix() in set(manifest["path"])]
    if not files:
        raise StageError(
            f"data.root: {config.data.root!r} holds no clip ({', '.join(sorted(MEDIA_SUFFIXES))}); {remedy}"
        )
    name = manifest_name(config.data)
    if name is not None and (root / name).is_file():
        files.append(root / name)
    lock = read_lock(root)
    rows = [row | {"url": url_of(row["path"], lock)} for row in (_describe(path, root) for path in files)]
    rows.sort(key=lambda row: row["path"])
    # Without section `download`: the table says what is there, not how it was asked for
    write_table(inventory, "inventory", rows, config=config.data.model_dump(mode="json"))
    sizes = [row["size_bytes"] or 0 for row in rows]
    return StageResult({"n_files": len(rows), "n_bytes": sum(sizes)})


def _remedy(dataset: str) -> str:
    """What to do where the folder holds no clip."""
    if dataset in DOWNLOADABLE:
        return (
            "set data.root to the folder of the dataset, or download.enabled: true to fetch it there, with which you "
            "accept its licence (README, Datasets)"
        )
    if dataset == "mead":
        return (
            "MEAD may not be passed on: ask its authors for it, unpack each speaker's archives to e.g. "
            "data.root/M003/video and data.root/M003/audio, and set data.root"
        )
    return "put clips there, run `make demo CLIPS=folder`, or set data.root in config.yaml to the folder of your clips"


def manifest_name(data: Any) -> str | None:
    """The file in `data.root` that describes the clips; None: their names and folders do."""
    return {"phantom": MANIFEST, "folder": data.manifest}.get(data.dataset)


def _describe(path: Path, root: Path) -> dict[str, Any]:
    name = path.relative_to(root).as_posix()
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise StageError(f"{name!r} in data.root: the name is not valid Unicode; rename the file") from None
    if not path.exists():
        return {"path": name, "size_bytes": None, "sha256": None}
    return {"path": name, "size_bytes": path.stat().st_size, "sha256": file_sha256(path)}
