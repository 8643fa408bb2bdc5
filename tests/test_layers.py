"""The package's layers, one way, read from the source: no import is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
LAYERS = (
    ("eap", "eap.urls"),
    ("eap.config", "eap.progress"),
    ("eap.files", "eap.digest", "eap.schemas", "eap.seeding", "eap.stage", "eap.experiments", "eap.housekeeping"),
    ("eap.data",),
    ("eap.models",),
    ("eap.losses",),
    ("eap.training",),
    ("eap.synthesis",),
    ("eap.inference",),
    ("eap.evaluation",),
    ("eap.reporting",),
    ("eap.tracking", "eap.workflow_bench", "eap.kubernetes_jobs", "eap.doctor"),
    ("eap.cli", "eap.cli_options", "eap.cli_bench", "eap.cli_track", "eap.__main__"),
)
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((SOURCE / "eap").rglob("*.py"))
}


def imports(module: str) -> Iterator[str]:
    """Every module that `module` imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in MODULES else str(node.module)


def layer(module: str) -> int:
    """Position of a module's layer; the longest matching name decides."""
    matches = [
        (len(name), level)
        for level, names in enumerate(LAYERS)
        for name in names
        if module == name or (name != "eap" and module.startswith(name + "."))
    ]
    assert matches, f"{module} belongs to no layer; name one in {__file__}"
    return max(matches)[1]


def within(module: str, package: str) -> bool:
    """Whether a module is a package or lies in it."""
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_from_its_own_layer_or_below(module: str) -> None:
    upward = [name for name in imports(module) if within(name, "eap") and layer(name) > layer(module)]
    assert not upward, f"{module} imports upwards: {', '.join(upward)}"


def test_only_tracking_imports_mlflow() -> None:
    importers = {module for module in MODULES if any(within(name, "mlflow") for name in imports(module))}
    assert importers == {f"eap.tracking.{name}" for name in ("store", "delivery", "registry", "packaged_model")}


def test_configuration_imports_no_torch() -> None:
    """The Snakefile loads these for every command; torch would add seconds to each."""
    seen: set[str] = set()
    queue = ["eap.config", "eap.digest", "eap.data.layout", "eap.cli"]
    while queue:
        module = queue.pop()
        if module not in seen:
            seen.add(module)
            at_import = ast.parse(MODULES[module].read_text(encoding="utf-8")).body
            names = [alias.name for node in at_import if isinstance(node, ast.Import) for alias in node.names]
            names += [str(node.module) for node in at_import if isinstance(node, ast.ImportFrom)]
            heavy = [name for name in names if name.partition(".")[0] in {"torch", "torchvision", "mlflow", "cv2"}]
            assert not heavy, f"{module} imports {heavy}"
            queue.extend(name for name in names if name in MODULES)


@pytest.mark.parametrize("module", [name for name in MODULES if within(name, "eap.models")])
def test_models_know_no_data_and_no_losses(module: str) -> None:
    forbidden = ("eap.data.layout", "eap.data.clip_store", "eap.files", "eap.schemas", "eap.losses", "eap.config")
    assert not [name for name in imports(module) if any(within(name, bad) for bad in forbidden)]


@pytest.mark.parametrize("module", [name for name in MODULES if within(name, "eap.losses")])
def test_losses_know_no_models_and_no_paths(module: str) -> None:
    forbidden = ("eap.models", "eap.data.layout", "eap.data.clip_store", "eap.files", "eap.schemas", "pathlib")
    assert not [name for name in imports(module) if any(within(name, bad) for bad in forbidden)]
