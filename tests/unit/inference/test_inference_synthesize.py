"""A picture and a voice to a file: in step to the frame, marked, with its record; and what is refused."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest
from media_files import tone, write_media
from PIL import Image
from tiny_data import rewritten

from eap.data.media import iterate_images, read_timeline
from eap.data.sound import read_sound
from eap.digest import file_sha256
from eap.inference.provenance import read_provenance
from eap.inference.synthesize import Request, synthesize
from eap.stage import StageError
from eap.training.checkpoint import read_record


@pytest.fixture(scope="module")
def request_(clip, portrait, era_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthesize")
    voice = write_media(
        folder / "voice.mp3", waveform=tone(1.0, 300, 44100), sample_rate=44100, audio_codec="libmp3lame"
    )
    return Request(era_file, portrait, voice, folder / "out.mp4", device="cpu")


def made(request, **changes):
    """The frames of what a changed request makes, and what was said."""
    said, calls = [], []
    request = replace(request, **changes)
    result = synthesize(request, said.append, lambda done, total: calls.append((done, total)))
    frames = np.stack(list(iterate_images(request.out)))
    assert calls == [(i + 1, len(frames)) for i in range(len(frames))]
    assert result.metrics["n_frames"] == len(frames)
    return frames.astype(int), said


@pytest.mark.parametrize("seconds", [0.02, 1.0, 1.33])
@pytest.mark.parametrize("sample_rate", [16000, 44100])
def test_picture_and_sound_are_equally_long_to_the_sample(request_, tmp_path, seconds, sample_rate):
    voice = write_media(tmp_path / "v.wav", waveform=tone(seconds, 440, sample_rate), sample_rate=sample_rate)
    made(request_, audio=voice, out=tmp_path / "out.mp4")
    n_frames = -(-round(seconds * 16000) // 640)
    with av.open(str(tmp_path / "out.mp4")) as container:
        codecs = {stream.type: stream.codec_context.name for stream in container.streams}
        shown = [frame.time for frame in container.decode(video=0)]
    assert codecs == {"video": "h264", "audio": "aac"}
    np.testing.assert_allclose(shown, np.arange(n_frames) / 25, atol=1e-6)
    sound = read_sound(tmp_path / "out.mp4", 10)
    assert sound.start_s == 0
    assert sound.sample_rate in (44100, 48000)
    assert len(sound.waveform) == n_frames * sound.sample_rate // 25
    with av.open(str(tmp_path / "out.mp4")) as container:  # also for those who do not look at the stream's duration
        n_samples = sum(frame.samples for frame in container.decode(audio=0))
    assert 0 <= n_samples / sound.sample_rate - n_frames / 25 < 1 / 25
    if n_frames > 1:
        assert read_timeline(tmp_path / "out.mp4", 10).end_s == pytest.approx(sound.end_s)


def test_sound_is_in_time(request_, tmp_path):
    """A click in the middle of frame 15 is heard there."""
    waveform = np.zeros(30 * 640, np.float32)
    waveform[15 * 640 : 16 * 640] = tone(0.04, 1000)
    made(request_, audio=write_media(tmp_path / "v.wav", waveform=waveform), out=tmp_path / "out.mp4")
    sound = read_sound(tmp_path / "out.mp4", 10)
    energy = sound.waveform.astype(float) ** 2
    centre = (np.arange(len(energy)) * energy).sum() / energy.sum() / sound.sample_rate
    assert centre == pytest.approx(15.5 / 25, abs=0.005)


def test_marked_unless_told_otherwise_and_always_recorded(request_, portrait, era_file):
    marked, _ = made(request_, crf=0)
    record = read_provenance(request_.out)
    assert record["ai_generated"] is True
    assert record["model_sha256"] == file_sha256(era_file)
    assert record["inputs_sha256"] == {"image": file_sha256(portrait), "audio": file_sha256(request_.audio)}
    assert record["visible_mark"] is True
    bare, _ = made(request_, mark=False, crf=0)
    again = read_provenance(request_.out)
    assert again == {**record, "visible_mark": False}
    difference = np.abs(marked - bare).max((0, 3))
    assert difference[-12:, -16:].max() > 60
    assert difference[:14, :14].max() == 0


def test_paste_back_keeps_the_picture(request_, portrait, tmp_path):
    small = np.asarray(Image.open(portrait))
    scene = np.full((301, 401, 3), (40, 160, 90), np.uint8)
    scene[30:286, 100:356] = small
    Image.fromarray(scene).save(tmp_path / "scene.png")
    frames, said = made(request_, image=tmp_path / "scene.png", paste_back=True, crf=1, out=tmp_path / "out.mp4")
    assert frames.shape[1:] == (302, 402, 3)
    assert said == []
    assert np.abs(frames[:, :20, :90] - scene[:20, :90]).max() <= 6
    assert np.abs(frames[:, 100:200, 180:280] - scene[100:200, 180:280]).mean() > 1
    frames, said = made(
        request_, image=tmp_path / "scene.png", paste_back=True, max_side=200, out=tmp_path / "out.mp4"
    )  # fmt: skip
    assert frames.shape[1:] == (150, 200, 3)
    assert said == ["the picture of 401 x 301 px is reduced to 200 x 150 px (--max-side)"]


def test_what_drives_emotion_is_used_and_recorded(request_, tmp_path):
    (tmp_path / "curve.csv").write_text("time_s,valence,arousal\n0,0.9,0.9\n")
    settings = {
        "voice": {}, "neutral": {"neutral": True}, "zero": {"intensity": 0.0}, "curve": {"va": tmp_path / "curve.csv"},
    }  # fmt: skip
    frames, records = {}, {}
    for name, changes in settings.items():
        frames[name], _ = made(request_, mark=False, crf=0, **changes)
        records[name] = read_provenance(request_.out)
    np.testing.assert_array_equal(frames["neutral"], frames["zero"])
    assert (frames["curve"] != frames["neutral"]).any()
    assert (frames["voice"] != frames["neutral"]).any()
    assert (records["neutral"]["intensity"], records["neutral"]["emotion_from"]) == (0.0, "voice")
    assert (records["curve"]["intensity"], records["curve"]["emotion_from"]) == (1.0, "curve")
    assert records["curve"]["inputs_sha256"]["va"] == file_sha256(tmp_path / "curve.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out": "v.avi"}, r"--out: .*v\.avi must end in \.mp4"),
        ({"intensity": 2.1}, "--intensity: 2.1; allowed: 0"),
        ({"intensity": -0.1}, "--intensity: -0.1; allowed: 0"),
        ({"intensity": float("nan")}, "--intensity: nan; allowed"),
        ({"neutral": True, "va": "c.csv"}, "--neutral is --intensity 0"),
        ({"neutral": True, "intensity": 1.5}, "--neutral is --intensity 0"),
        ({"intensity": 0.0, "va": "c.csv"}, "--va has no effect with --intensity 0"),
        ({"checkpoint": "absent.safetensors"}, "--checkpoint: absent.safetensors is not a file"),
        ({"image": "absent.png"}, "--image: absent.png is not a file"),
        ({"audio": "absent.wav"}, "--audio: absent.wav is not a file"),
        ({"pose": "absent.mp4"}, "--pose: absent.mp4 is not a file"),
        ({"va": "absent.csv"}, "--va: absent.csv is not a file"),
        ({"device": "cuda"}, "--device: cuda, but torch sees no GPU"),
    ],
)
def test_what_cannot_be_is_refused_by_its_option(request_, tmp_path, monkeypatch, changes, message):
    from pathlib import Path

    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    paths = {"out", "va", "checkpoint", "image", "audio", "pose"}
    changes = {key: Path(value) if key in paths else value for key, value in changes.items()}
    changes.setdefault("out", tmp_path / "out.mp4")
    with pytest.raises(StageError, match=message):
        synthesize(replace(request_, **changes), print, lambda done, total: None)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_learnt_no_curves_refuses_one(request_, era_file, tmp_path):
    (tmp_path / "curve.csv").write_text("time_s,valence,arousal\n0,0.5,0.5\n")
    record = read_record(era_file, "train-era")
    record["config"]["loss"]["decode"] = 0
    model = rewritten(era_file, tmp_path / "m.safetensors", record)
    with pytest.raises(StageError, match=r"--va: .*m\.safetensors never learnt to show a given curve"):
        made(request_, checkpoint=model, va=tmp_path / "curve.csv", out=tmp_path / "out.mp4")


def test_no_input_is_overwritten(request_, clip):
    with pytest.raises(StageError, match="is one of the inputs"):
        replace(request_, audio=clip.path, out=clip.path)


def test_nothing_is_left_of_a_video_that_broke_off(request_, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(replace(request_, out=tmp_path / "out.mp4"), print, stop)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(request_, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StageError, match=r"--out: .* cannot be written"):
        synthesize(replace(request_, out=tmp_path / "file" / "out.mp4"), print, lambda done, total: None)
