"""The vocabulary of the score tables: what each variant and each metric is called, means and where better lies.

The report treats names generically: a name that is not known here is still shown, after the known ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Direction = Literal["lower", "higher"]

VARIANTS: dict[str, tuple[str, str]] = {
    "generated": ("Generated", "ERA, emotion heard in the voice (g = 1)"),
    "neutral": ("Neutral", "generated with emotion switched off (g = 0)"),
    "real": ("Real video", "upper bound: the recording at the model's resolution"),
    "reencoded": ("Real, re-encoded", "upper bound of what is written: the same through x264"),
    "still": ("Still frame", "control: the source frame, copied to every frame"),
    "shuffled": ("Shuffled voice", "control: generated from another clip's voice, scored against this clip"),
    "rolled": ("Rolled voice", "control: generated from the clip's own voice, 1.5 s out of step"),
    "shifted": ("Real, 5 frames late", "control: the recording, its sound 0.2 s too early"),
}
"""Rows of the score tables: label and role."""

GROUPS: dict[str, tuple[str, str]] = {
    "lips": ("Lips", "Mouth landmarks against those of the real video, dlib's 68-point model."),
    "sync": (
        "Lip sync",
        "Scored by the sync expert that this pipeline trained itself: not comparable to published SyncNet numbers.",
    ),
    "published": (
        "Lip sync, by the published SyncNet",
        "Whole pictures at 224 px with the clip's own sound, lossless; windows and offsets as published.",
    ),
    "pictures": (
        "Pictures",
        "Against the recording at the model's size, frame by frame. Identity by dlib's embedding: not ArcFace's CSIM.",
    ),
    "intensity/era": (
        "Emotion, judged by ERA's own regressor",
        "theta(F(video)): trained together with the generator, so it must not be the only judge.",
    ),
    "intensity/points": (
        "Emotion, judged by landmarks, fitted",
        "A regression from dlib's points to valence, arousal and class, fitted on real validation clips: it saw no "
        "generated frame, none of the training or test people, and took no part in any training. Real video's own "
        "score tells how good it is.",
    ),
    "intensity/faces": (
        "Emotion, judged by a network",
        "A network that compares a frame with the person's neutral face; it learnt from real frames of validation "
        "clips (of training clips, where validation lacks an emotion) and took no part in any training. Real "
        "video's own score tells how good it is.",
    ),
    "intensity/landmarks": (
        "Emotion, judged by landmarks",
        "Deviation of dlib's points from the person's neutral shape: took no part in training the generator directly, "
        "but is the rule that made the pseudo labels.",
    ),
    "intensity/emonet": (
        "Emotion, judged by EmoNet",
        "A published network, trained on ratings of faces; it took no part in this training unless it made the labels.",
    ),
    "intensity/audio": (
        "Emotion, judged from the voice",
        "theta(E_E(mel)): what was heard before anything was drawn. It does not look at the video.",
    ),
}
OTHER = ("Other scores", "Scores that this report has no description of.")


@dataclass(frozen=True)
class Metric:
    """One column of a score table; `better` None: no direction is known."""

    name: str
    label: str
    group: str
    unit: str = ""
    better: Direction | None = None
    meaning: str = ""
    decimals: int = 3

    @property
    def full_label(self) -> str:
        """The label, with the judge where several share it."""
        judge = self.group.partition("/")[2]
        return f"{self.label} ({judge})" if judge else self.label


_KNOWN = {
    metric.name: metric
    for metric in (
        Metric(
            "lmd", "LMD", "lips", "px", "lower",
            "Landmark distance: mean distance between the 20 mouth points (48-67) of the video and of the real "
            "video, in pixels of a 256-pixel face. It contains head pose as well as lips.",
        ),
        Metric(
            "lmd_center", "LMD, centred", "lips", "px", "lower",
            "LMD after the centres of both mouths are aligned: the share of the head's position is removed.",
        ),
        Metric(
            "lmd_interocular", "LMD / eye distance", "lips", "", "lower",
            "LMD divided by the distance between the eyes: independent of how large the face is.", 4,
        ),
        Metric(
            "opening_correlation", "Opening correlation", "lips", "", "higher",
            "Pearson correlation over time between the mouth opening of the video and of the real video. "
            "A still mouth has none: there it is undefined.",
        ),
        Metric(
            "opening_amplitude", "Opening amplitude", "lips", "", None,
            "How far the mouth opens and closes: standard deviation of its opening over the real video's. 1 is as "
            "much, 0 a still mouth.",
        ),
        Metric(
            "width_correlation", "Width correlation", "lips", "", "higher",
            "Pearson correlation over time between the mouth's width in the video and in the real video: rounded and "
            "spread lips, which the opening does not show.",
        ),
        Metric(
            "coverage", "Coverage", "lips", "", "higher",
            "Share of frames in which a face was found. Distances are measured on these frames only.",
        ),
        Metric(
            "lse_d_expert", "LSE-D", "sync", "", "lower",
            "Lip-sync error, distance: the smallest mean distance between lip and voice embeddings over all offsets.",
        ),
        Metric(
            "lse_c_expert", "LSE-C", "sync", "", "higher",
            "Lip-sync error, confidence: the median of these distances over the offsets minus the smallest.",
        ),
        Metric(
            "offset_expert", "Offset", "sync", "frames", "lower",
            "Size of the offset at which the distance is smallest: LSE alone would forgive a constant lag.", 2,
        ),
        Metric(
            "lse_at_zero_expert", "Distance at 0", "sync", "", "lower",
            "Mean distance between lip and voice embeddings without any offset, which no lag can flatter.",
        ),
        Metric("lse_d", "LSE-D", "published", "", "lower", "LSE-D as above, by the published SyncNet."),
        Metric("lse_c", "LSE-C", "published", "", "higher", "LSE-C as above, by the published SyncNet."),
        Metric("offset", "Offset", "published", "frames", "lower", "Offset as above, by the published SyncNet.", 2),
        Metric("lse_at_zero", "Distance at 0", "published", "", "lower", "As above, by the published SyncNet."),
        Metric(
            "psnr", "PSNR", "pictures", "dB", "higher",
            "Peak signal-to-noise ratio, mean over the frames that differ from the recording's (equal ones have an "
            "infinite one).", 2,
        ),
        Metric("ssim", "SSIM", "pictures", "", "higher", "Structural similarity to the recording's frames."),
        Metric("lpips", "LPIPS", "pictures", "", "lower", "Perceptual distance (AlexNet) to the recording's frames."),
        Metric(
            "fid", "FID", "pictures", "", "lower",
            "Distance between the distributions of all generated and all real frames. Below 10,000 frames it is biased "
            "upwards; below 2,048 it is not given.", 1,
        ),
        Metric(
            "identity_cosine", "Identity, cosine", "pictures", "", "higher",
            "Cosine between dlib's embeddings of both faces, once a second.",
        ),
        Metric(
            "identity_distance", "Identity, distance", "pictures", "", "lower",
            "Distance between the same embeddings: below 0.6 dlib counts two faces as one person.",
        ),
    )
}  # fmt: skip
_STATISTICS: dict[str, tuple[str, Direction, str]] = {
    "rmse": ("RMSE", "lower", "Root mean squared error between"),
    "pcc": ("PCC", "higher", "Pearson correlation of"),
    "ccc": ("CCC", "higher", "Concordance correlation (lowered by a shift or another scale) of"),
}
ACCURACY = "emotion_accuracy/"
_ACCURACY_MEANS = "Share of clips in which the emotion that the judge names in most frames is the clip's label."
_QUANTITIES = ("intensity", "valence", "arousal")
_EMOTION = re.compile(rf"({'|'.join(_STATISTICS)})_({'|'.join(_QUANTITIES)})/(.+)")


def describe(name: str) -> Metric:
    """Label, group, unit, direction and meaning of a metric; an unknown name keeps itself as its label."""
    if name in _KNOWN:
        return _KNOWN[name]
    if name.startswith(ACCURACY):
        return Metric(name, "Class accuracy", f"intensity/{name.removeprefix(ACCURACY)}", "", "higher", _ACCURACY_MEANS)
    match = _EMOTION.fullmatch(name)
    if match is None:
        return Metric(name, name, "other")
    label, better, statistic = _STATISTICS[match[1]]
    meaning = f"{statistic} the judged and the true {match[2]} (the label)."
    return Metric(name, f"{label} {match[2]}", f"intensity/{match[3]}", "", better, meaning)


def group_title(group: str) -> tuple[str, str]:
    """Heading and note of a group of metrics."""
    if group.startswith("intensity/") and group not in GROUPS:
        return f"Emotion, judged by {group.partition('/')[2]}", ""
    return GROUPS.get(group, OTHER)


def definitions(names: Iterable[str]) -> list[tuple[str, str]]:
    """Label and meaning of the metrics shown, each once: the judges share theirs."""
    metrics = (describe(name) for name in sorted(names, key=sort_key))
    return list(dict.fromkeys((metric.label, metric.meaning) for metric in metrics if metric.meaning))


def sort_key(name: str) -> tuple[int, int, int, str]:
    """Order of metrics: known groups and known metrics first, the rest by name."""
    metric = describe(name)
    groups = list(GROUPS)
    group = groups.index(metric.group) if metric.group in groups else len(groups) + (metric.group == "other")
    if name in _KNOWN:
        return group, list(_KNOWN).index(name), 0, name
    match = _EMOTION.fullmatch(name)
    if match is None:
        return group, len(_QUANTITIES), 0, name
    return group, _QUANTITIES.index(match[2]), list(_STATISTICS).index(match[1]), name


def variant_key(name: str) -> tuple[int, str]:
    """Order of variants: known ones first, the rest by name."""
    return (list(VARIANTS).index(name) if name in VARIANTS else len(VARIANTS)), name


def judge_key(name: str) -> tuple[int, str]:
    """Order of the judges of emotion: known ones first, the rest by name."""
    known = [group.partition("/")[2] for group in GROUPS if group.startswith("intensity/")]
    return (known.index(name) if name in known else len(known)), name
