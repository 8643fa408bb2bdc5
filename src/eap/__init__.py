"""Audio-driven emotional talking faces: an unofficial implementation of EAP (ECCV 2024)."""

__version__ = "0.1.0"
