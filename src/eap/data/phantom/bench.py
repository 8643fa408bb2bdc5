"""How fast the phantom corpus is rendered, and whether a detector that knows only real faces agrees with its truth."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from eap.data.faces import detect_faces, predict_landmarks
from eap.data.media import iterate_images
from eap.data.phantom.corpus import render_corpus
from eap.data.phantom.truth import TRUTH
from eap.schemas import read_table

ERROR_SIDE_PX = 256
"""Errors are given in px of a picture of this side."""


def measure(phantom: Any, n_checked: int) -> dict[str, float]:
    """Render a corpus on one core, then find its faces again in the decoded clips.

    Parameters
    ----------
    phantom
        Section ``phantom`` of the configuration.
    n_checked
        Frames that dlib examines, spread evenly over the corpus.

    Returns
    -------
    dict
        ``frames_per_s_per_core``: speech, rendering, encoding and truth; ``dlib_found``: share of the checked frames
        in which dlib finds exactly one face; ``dlib_error_px``: mean distance of its 68 points to the truth, at 256 px.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        started = time.perf_counter()
        made = render_corpus(phantom, root, 1)
        seconds = time.perf_counter() - started
        truth = read_table(sorted(root.glob(f"*/{TRUTH}")), "truth")
        checked = np.unique(np.linspace(0, len(truth) - 1, n_checked).astype(int))
        found, errors = 0, []
        for clip_id, rows in truth.iloc[checked].groupby("clip_id", sort=False):
            wanted = dict(zip(rows["frame"], rows["landmarks"], strict=True))
            for index, image in enumerate(iterate_images(root / str(clip_id))):
                if index in wanted:
                    boxes = detect_faces(image)
                    found += len(boxes) == 1
                    if boxes:
                        points = np.asarray(wanted[index]).reshape(68, 2)
                        errors.append(np.linalg.norm(predict_landmarks(image, boxes[0]) - points, axis=1))
    error = np.stack(errors) * ERROR_SIDE_PX / phantom.size
    return {
        "frames_per_s_per_core": made["n_frames"] / seconds,
        "dlib_found": found / len(checked),
        "dlib_error_px": float(error.mean()),
        "dlib_error_p95_px": float(np.percentile(error.mean(1), 95)),
        "n_identities": phantom.identities,
        "n_clips": int(made["n_clips"]),
        "n_frames": int(made["n_frames"]),
        "n_checked": len(checked),
    }
