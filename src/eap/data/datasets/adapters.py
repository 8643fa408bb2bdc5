"""Which adapter reads which `data.dataset`."""

from __future__ import annotations

from eap.data.datasets import crema_d, folder, grid, mead, phantom, ravdess
from eap.data.datasets.interface import Adapter

ADAPTERS: dict[str, Adapter] = {
    "folder": folder.describe,
    "phantom": phantom.describe,
    "crema_d": crema_d.describe,
    "ravdess": ravdess.describe,
    "mead": mead.describe,
    "grid": grid.describe,
}
