"""The 24 real clips that some tests read (CREMA-D, GRID, their manifest). They are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
CLIPS = Path(os.environ.get("EAP_CLIPS", CHECKOUT.parent / "shared" / "data" / "clips"))
