"""Pictures and videos of the page, embedded as `data:` addresses."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from eap.stage import StageError

_MIME = {".mp4": "video/mp4", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
_KNOWN = {
    "source": ("Source face", False),
    "real": ("Real recording", False),
    "neutral": ("Neutral, g = 0", True),
    "emotional": ("Emotional, g = 1", True),
}


@dataclass(frozen=True)
class Medium:
    """A picture or a video of one clip, embedded."""

    variant: str
    caption: str
    generated: bool
    uri: str

    @property
    def is_video(self) -> bool:
        """Whether it plays."""
        return self.uri.startswith("data:video/")


def media(rows: pd.DataFrame, folder: Path) -> list[Medium]:
    """The pictures and videos of one clip and seed, known variants first.

    Parameters
    ----------
    rows
        Of table "videos".
    folder
        What their paths are relative to.
    """
    by_variant = dict(zip(rows["variant"], rows["path"], strict=True))
    known = [variant for variant in _KNOWN if variant in by_variant]
    found = []
    for variant in [*known, *sorted(set(by_variant) - set(known))]:
        caption, generated = _KNOWN.get(variant, (variant, True))
        found.append(Medium(variant, caption, generated, data_uri(folder / by_variant[variant])))
    return found


def data_uri(path: Path) -> str:
    """A file's content as a `data:` address.

    Raises
    ------
    StageError
        If the file is missing or of a kind that a browser cannot show.
    """
    mime = _MIME.get(path.suffix.lower())
    if mime is None:
        raise StageError(f"{path}: the report embeds {', '.join(_MIME)} only; evaluate writes these")
    if not path.is_file():
        raise StageError(f"{path}: missing, but a table of its folder lists it; run the evaluation of this seed again")
    return f"data:{mime};base64,{base64.b64encode(path.read_bytes()).decode()}"
