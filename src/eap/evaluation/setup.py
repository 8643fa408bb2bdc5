"""What the parts of an evaluation share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from eap.data.clip_store import ClipStore
from eap.evaluation.judges import Judges
from eap.evaluation.pictures import Pictures
from eap.models.syncnet import SyncExpert
from eap.synthesis import Synthesizer


@dataclass(frozen=True)
class Setup:
    """One seed of one experiment, ready to be scored."""

    config: Any
    seed: int
    store: ClipStore
    levels: pd.DataFrame
    """Columns level, sentence and labelled of each clip id."""
    face: Synthesizer
    expert: SyncExpert
    judges: Judges
    pictures: Pictures
    chosen: list[str]
    """The test clips that are scored."""
    out: Path
    """Folder of this seed's tables."""

    @property
    def probe_frames(self) -> int:
        """Frames of a clip that the input-bias and saturation tests speak."""
        return PROBE_S * self.config.video.fps

    def level(self, clip_id: str) -> str | None:
        """How strong the clip's emotion was meant, in the dataset's own words."""
        return self.levels["level"].get(clip_id)

    def labelled(self, clip_id: str) -> bool:
        """Whether the clip's emotion was given, and is not only assumed to be neutral."""
        return bool(self.levels["labelled"].get(clip_id))


PROBE_S = 2
"""Means over frames are asked for there, so the first seconds of a clip do. CHOSEN: it bounds the cost."""

PROBE_DETECT_EVERY = 5
"""Frames between two in which they detect the face; it is tracked in between. CHOSEN: it bounds the cost."""
