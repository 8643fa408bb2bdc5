"""The visible mark: a small label in the corner of every frame."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LABELS = ("AI-generated", "AI")
"""The longest that fits is used."""

TEXT_SHARE = 0.042
"""Height of the letters / shorter side of the picture (CHOSEN: small, and legible where the picture is)."""

MIN_TEXT_PX = 10
"""Smaller letters cannot be read."""

BACKDROP = 0.55
"""How much the dark field behind the letters covers."""

STRENGTH = 1.5
"""Letters of few px are all soft edge: it is made harder."""


class Mark:
    """Draws the mark on frames of one size.

    Parameters
    ----------
    height, width
        Of the frames, px.
    """

    def __init__(self, height: int, width: int) -> None:
        text_px = max(MIN_TEXT_PX, round(TEXT_SHARE * min(height, width)))
        font = ImageFont.load_default(text_px)
        pad = max(2, text_px // 3)
        label = next((label for label in LABELS if font.getlength(label) + 4 * pad <= width), LABELS[-1])
        left, top, right, bottom = font.getbbox(label)
        box_w, box_h = round(right - left) + 2 * pad, round(bottom - top) + 2 * pad
        cover = Image.new("L", (box_w, box_h), 0)
        ImageDraw.Draw(cover).rounded_rectangle((0, 0, box_w - 1, box_h - 1), pad, fill=round(255 * BACKDROP))
        letters = Image.new("L", (box_w, box_h), 0)
        ImageDraw.Draw(letters).text((pad - left, pad - top), label, fill=255, font=font)
        margin = min(pad, max(width - box_w, 0), max(height - box_h, 0))
        y, x = max(height - margin - box_h, 0), max(width - margin - box_w, 0)
        self.place = slice(y, min(y + box_h, height)), slice(x, min(x + box_w, width))
        fits = slice(0, self.place[0].stop - y), slice(0, self.place[1].stop - x)
        self._keep = 1 - np.asarray(cover, np.float32)[fits][..., None] / 255
        self._letters = np.minimum(np.asarray(letters, np.float32)[fits][..., None] * STRENGTH / 255, 1)

    def __call__(self, frame_HWC: np.ndarray) -> np.ndarray:
        """A copy of the uint8 RGB frame with the mark in its lower right corner."""
        out = frame_HWC.copy()
        under = out[self.place].astype(np.float32) * self._keep
        out[self.place] = (under + (255 - under) * self._letters).round().astype(np.uint8)
        return out
