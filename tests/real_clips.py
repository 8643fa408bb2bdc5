"""The 24 real clips that some tests read (CREMA-D, GRID, their manifest). They are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
CLIPS = Path(os.environ.get("EAP_CLIPS", CHECKOUT.parent / "shared" / "data" / "clips"))
ABSENT = f"the real clips are not at {CLIPS}; set EAP_CLIPS to their folder (crema_d/, grid/, manifest.csv)"
