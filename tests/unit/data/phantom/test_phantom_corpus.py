"""The corpus on disk: complete, deterministic, in step with its truth, and careful with other people's folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from media_files import sections

from eap.data.alignment import read_clip
from eap.data.faces import detect_faces, predict_landmarks
from eap.data.media import iterate_images, read_timeline
from eap.data.phantom.corpus import EMOTIONS, render_corpus, render_phantom, takes_of
from eap.data.phantom.truth import MANIFEST, TRUTH, read_truth
from eap.data.sound import read_sound
from eap.digest import file_sha256
from eap.schemas import read_table
from eap.stage import StageError

SMALL = {"phantom": {"identities": 1, "takes": 1, "neutral_takes": 1, "size": 128}, "data": {"dataset": "phantom"}}


def _only(monkeypatch: pytest.MonkeyPatch, *emotions: str) -> None:
    """Fewer clips per person, to keep the tests short."""
    monkeypatch.setattr("eap.data.phantom.corpus.EMOTIONS", ("neutral", *emotions))
    monkeypatch.setattr("eap.data.phantom.corpus.LEVEL_INTENSITY", {3: 0.92})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("phantom") / "corpus"
    with pytest.MonkeyPatch.context() as patch:
        _only(patch, "happy")
        render_corpus(sections("render-phantom", root, SMALL).phantom, root, 1)
    return root


def test_the_plan_says_one_sentence_at_every_level_of_a_take_and_no_other_twice() -> None:
    config = sections("render-phantom", Path("."), {"phantom": {"takes": 2, "neutral_takes": 4}}).phantom
    plan = pd.DataFrame(takes_of(config, 0), columns=["emotion", "level", "sentence"])
    assert (plan.emotion == "neutral").sum() == 4
    counts = plan.groupby(["emotion", "level"]).size()
    assert all(counts[emotion, level] == 2 for emotion in EMOTIONS[1:] for level in (1, 2, 3))
    emotional = plan[plan.emotion != "neutral"]
    levels = emotional.groupby(["emotion", "sentence"])["level"].agg(sorted)
    assert len(levels) == 2 * 7
    assert all(found == [1, 2, 3] for found in levels)
    assert plan.sentence.nunique() == 4 + 2 * 7
    assert not plan.equals(pd.DataFrame(takes_of(config, 1), columns=plan.columns))


def test_manifest_truth_and_clips_agree(corpus: Path) -> None:
    manifest = pd.read_csv(corpus / MANIFEST)
    assert list(manifest.emotion) == ["neutral", "happy"]
    truth = read_table(corpus / "P000" / TRUTH, "truth")
    for line in manifest.itertuples():
        path = corpus / line.path
        assert file_sha256(path) == line.sha256
        rows = truth[truth.clip_id == line.path]
        frames = list(iterate_images(path))
        assert len(rows) == len(frames) == line.n_frames
        assert list(rows.frame) == list(range(len(frames)))
        assert not rows.av_offset_frames.any()


def test_audio_and_video_end_together_in_the_file(corpus: Path) -> None:
    for path in sorted(corpus.glob("P000/*.mp4")):
        timeline, sound = read_timeline(path, 60), read_sound(path, 60)
        assert timeline.fps == pytest.approx(25)
        assert abs(timeline.times_s[0] - sound.start_s) < 1e-3
        assert abs(timeline.end_s - sound.end_s) < 1e-3


def test_dlib_finds_the_truth_in_the_decoded_frames(corpus: Path) -> None:
    truth = read_truth(corpus, ["P000/happy_3_n01.mp4"])["P000/happy_3_n01.mp4"]
    errors = []
    for points, image in list(zip(truth.landmarks, iterate_images(corpus / "P000/happy_3_n01.mp4"), strict=True))[::8]:
        boxes = detect_faces(image, 1)
        assert len(boxes) == 1
        errors.append(np.linalg.norm(predict_landmarks(image, boxes[0]) - points.reshape(68, 2), axis=1).mean())
    assert np.mean(errors) < 1.6  # px at 128: 3.2 at 256


def test_the_mouth_moves_with_the_sound(corpus: Path) -> None:
    clip = "P000/happy_3_n01.mp4"
    config = sections("frames", corpus, SMALL)
    decoded = read_clip(corpus / clip, corpus / clip, config.video, config.audio)
    loud = np.sqrt((decoded.waveform.reshape(-1, config.audio.hop_length) ** 2).mean(1))
    points = np.stack(read_truth(corpus, [clip])[clip].landmarks).reshape(-1, 68, 2)
    gap = points[:, 66, 1] - points[:, 62, 1]
    lags = range(-4, 5)
    inner = slice(4, len(gap) - 4)
    match = [np.corrcoef(np.roll(gap, -lag)[inner], loud[inner])[0, 1] for lag in lags]
    assert abs(lags[int(np.argmax(match))]) <= 1
    assert max(match) > 0.3


def test_the_same_seed_gives_the_same_frames_sound_and_truth(corpus: Path, tmp_path: Path, monkeypatch) -> None:
    _only(monkeypatch, "happy")
    render_corpus(sections("render-phantom", tmp_path, SMALL).phantom, tmp_path / "again", 1)
    for path in sorted(corpus.glob("P000/*.mp4")):
        twin = tmp_path / "again" / path.relative_to(corpus)
        assert all(np.array_equal(a, b) for a, b in zip(iterate_images(path), iterate_images(twin), strict=True))
        assert np.array_equal(read_sound(path, 60).waveform, read_sound(twin, 60).waveform)
    ours, theirs = (read_table(root / "P000" / TRUTH, "truth") for root in (corpus, tmp_path / "again"))
    pd.testing.assert_frame_equal(ours, theirs)


def test_complete_people_are_kept_and_torn_ones_made_again(tmp_path: Path, monkeypatch) -> None:
    _only(monkeypatch)
    config = sections("render-phantom", tmp_path, SMALL)
    root = tmp_path / "corpus"
    assert render_corpus(config.phantom, root, 1)["n_rendered"] == 1
    assert render_corpus(config.phantom, root, 1)["n_rendered"] == 0
    next(root.glob("P000/*.mp4")).unlink()
    assert render_corpus(config.phantom, root, 1)["n_rendered"] == 1


def test_a_foreign_folder_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").write_bytes(b"mine")
    with pytest.raises(StageError, match="no phantom corpus"):
        render_corpus(sections("render-phantom", tmp_path, SMALL).phantom, tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.mp4"]


def test_the_stage_says_how_large_the_corpus_is(tmp_path: Path, monkeypatch) -> None:
    _only(monkeypatch)
    config = sections("render-phantom", tmp_path / "corpus", SMALL)
    result = render_phantom(config, tmp_path / "phantom.json", 1)
    assert result.metrics["n_clips"] == 1
    assert '"n_clips": 1' in (tmp_path / "phantom.json").read_text()


def test_absent_truth_is_named(corpus: Path) -> None:
    with pytest.raises(StageError, match=r"no truth of 'P001/x.mp4'"):
        read_truth(corpus, ["P000/happy_3_n01.mp4", "P001/x.mp4"])
