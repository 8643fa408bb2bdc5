"""Digests that decide what is rebuilt and say what a result was made from."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent


def text_digest(text: str) -> str:
    """First 12 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def value_digest(value: Any) -> str:
    """Digest of a JSON-serialisable value, independent of key order."""
    return text_digest(json.dumps(value, sort_keys=True, default=str))


def file_sha256(path: str | Path) -> str:
    """Full SHA-256 of a file's bytes, read in chunks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listing_digest(root: str | Path) -> str:
    """Digest of the names, sizes and modification times of all files under a folder; of nothing if it is absent."""
    found: list[tuple[str, int, int]] = []
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link back up the tree would never end
            folders.clear()
            continue
        seen.add(real)
        inner = os.path.relpath(folder, root)
        prefix = "" if inner == os.curdir else inner + os.sep
        for name in names:  # plain strings: a corpus may have hundreds of thousands of files
            path = os.path.join(folder, name)
            try:
                stat = os.stat(path)
            except OSError:  # a link whose target is absent
                stat = os.lstat(path)
            found.append((prefix + name, stat.st_size, stat.st_mtime_ns))
    return value_digest(sorted(found))


def code_digest(module: str) -> str:
    """Digest of a module and of every `eap` module that it imports, directly or not.

    Taken over the syntax tree without docstrings: comments, blank lines and docstrings do not count, code does.
    `eap.config` is left out: what a stage reads of it is its own sections, which rules carry beside this digest.

    Parameters
    ----------
    module
        Dotted name inside the package, e.g. ``eap.training.ant``.
    """
    seen: dict[str, str] = {}
    queue = [module]
    while queue:
        name = queue.pop()
        if name not in seen and name != "eap.config":
            tree, imports = _parse(name)
            seen[name] = tree
            queue.extend(imports)
    return value_digest(seen)


@lru_cache
def _parse(module: str) -> tuple[str, tuple[str, ...]]:
    """A module's syntax tree without docstrings, and the `eap` modules that it imports."""
    tree = ast.parse(_module_file(module).read_text(encoding="utf-8"))
    imports: set[str] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_bare_string(part)]  # type: ignore[attr-defined]
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names if alias.name.startswith("eap."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "eap":
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                imports.add(submodule if _exists(submodule) else node.module)
    return ast.dump(tree), tuple(sorted(imports))


def _is_bare_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _module_file(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _exists(module: str) -> bool:
    return _module_file(module).is_file()


@lru_cache
def git_sha() -> str:
    """Commit of the source tree, with `-dirty` if files differ from it, or `unknown` outside a git checkout."""
    command = ["git", "-C", str(PACKAGE), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"
