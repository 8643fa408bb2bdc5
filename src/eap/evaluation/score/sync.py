"""LSE-D, LSE-C, offset and m(0) of the generated video with the published SyncNet."""

from __future__ import annotations

import numpy as np

from eap.data.crop import find_faces
from eap.data.faces import FaceBox
from eap.data.media import MediaError, iterate_images
from eap.evaluation.face_track import crop_face, longest_track, smooth_track
from eap.evaluation.score.metrics import Measured
from eap.evaluation.score.networks import load_syncnet
from eap.evaluation.score.pair import Pair
from eap.evaluation.score.video import Source, draw_frames
from eap.evaluation.syncnet import SAMPLES_PER_FRAME, n_windows, score_sync, to_syncnet_frame


def measure(pair: Pair) -> Measured:
    """Scores of the generated video's own frames, all of them, at its own size.

    Raises
    ------
    MediaError
        If there is no sound, no face track, or less than six frames of both.
    """
    assert pair.settings.syncnet is not None
    speaker = pair.generated if pair.settings.voice == "generated" else pair.reference
    if speaker.pcm16 is None:
        raise MediaError(f"{pair.settings.voice}: {speaker.sound_fault}; SyncNet needs sound")
    start, frames = 0, None
    if pair.settings.sync_protocol == "whole":
        (frames,) = draw_frames(pair.generated, to_syncnet_frame)
    else:
        start, frames = track_frames(pair.generated, pair.settings.min_track)
    pcm16 = speaker.pcm16[start * SAMPLES_PER_FRAME :]
    if not pcm16.any():
        raise MediaError(f"{pair.settings.voice}: the sound is silence; lips cannot be in time with it")
    try:
        scores = score_sync(load_syncnet(pair.settings.syncnet.path), frames, pcm16)
    except ValueError as error:
        raise MediaError(str(error)) from error
    values = {
        "lse_d": scores.lse_d,
        "lse_c": scores.lse_c,
        "offset": float(scores.offset),
        "abs_offset": float(abs(scores.offset)),
        "lse_at_zero": scores.at_zero,
    }
    facts = {"sync_start": start, "sync_windows": n_windows(len(frames), len(pcm16))}
    return Measured(values, facts=facts)


def track_frames(source: Source, min_track: int) -> tuple[int, np.ndarray]:
    """First frame and crops ``[T, 224, 224, 3]`` of the longest face track.

    Raises
    ------
    MediaError
        If no face is seen for so long.
    """
    found = [find_faces(image, 0) for image in iterate_images(source.path)]
    boxes: list[list[FaceBox]] = [list(found[i]) for i in source.frame_of_tick]
    track = longest_track(boxes, min_track)
    if track is None:
        n = sum(bool(faces) for faces in boxes)
        raise MediaError(f"no face track of {min_track} frames (--min-track): a face in {n} of {len(boxes)} frames")
    places = smooth_track(track)
    crops: list[np.ndarray] = []
    members = source.frame_of_tick[track.start : track.start + len(track)]
    for i, image in enumerate(iterate_images(source.path)):
        crops += [crop_face(image, place) for place in places[members == i]]
    return track.start, np.stack(crops)
