"""Whether the generated face is the reference's person."""

from __future__ import annotations

from eap.data.media import MediaError
from eap.evaluation.identity import EVERY, compare_faces, embed_faces
from eap.evaluation.score.metrics import Measured
from eap.evaluation.score.pair import Pair


def measure(pair: Pair) -> Measured:
    """Mean cosine and distance over every fifth frame.

    Raises
    ------
    MediaError
        If none of these shows a face in both videos.
    """
    pair.require_faces()
    reference, generated = (
        embed_faces(frames[::EVERY], points[::EVERY])
        for frames, points in zip(pair.frames, pair.landmarks, strict=True)
    )
    cosine, distance, n = compare_faces(generated, reference)
    if n == 0:
        raise MediaError(f"none of the {len(reference)} frames that are compared shows a face in both videos")
    return Measured({"identity_cosine": cosine, "identity_distance": distance})
