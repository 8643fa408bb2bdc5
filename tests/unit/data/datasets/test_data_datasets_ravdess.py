"""`eap.data.datasets.ravdess`: phantom takes under the dataset's folders and names, down to the frame cache."""

import shutil

import pytest
from layouts import catalog_of, frames_of, touch

from eap.data.datasets.interface import ClipEntry
from eap.data.datasets.ravdess import describe


class Speech:
    """Section ``data``, as far as the adapter reads it."""

    songs = False


@pytest.fixture
def root(tmp_path, takes):
    """As ``Video_Speech_Actor_12.zip`` unpacks: audio-video and video-only; and the sound of another archive."""
    folder = tmp_path / "ravdess" / "Video_Speech_Actor_12" / "Actor_12"
    folder.mkdir(parents=True)
    angry, neutral = takes
    shutil.copy(angry, folder / "01-01-05-02-02-01-12.mp4")
    shutil.copy(angry, folder / "02-01-05-02-02-01-12.mp4")
    shutil.copy(neutral, folder / "01-01-01-01-01-02-12.mp4")
    touch(tmp_path / "ravdess", ["Audio_Speech_Actors_01-24/Actor_12/03-01-05-02-02-01-12.wav"])
    return tmp_path / "ravdess"


def test_phantom_takes_in_its_layout_reach_the_frame_cache(root, tmp_path):
    table = catalog_of(root, tmp_path, "ravdess").rename(index=lambda clip_id: clip_id.rpartition("/")[2])
    angry = table.loc["01-01-05-02-02-01-12.mp4"]
    assert (angry.speaker_id, angry.split_key, angry.emotion) == ("Actor_12", "Actor_12", "angry")
    assert (angry.intensity_level, angry.sentence) == ("strong", "Dogs are sitting by the door")
    assert angry.licence == "CC BY-NC-SA 4.0"
    assert table.emotion["01-01-01-01-01-02-12.mp4"] == "neutral"
    assert "video only (modality 02)" in table.reason["02-01-05-02-02-01-12.mp4"]
    assert "audio only (modality 03)" in table.reason["03-01-05-02-02-01-12.wav"]
    media = frames_of(root, tmp_path, "ravdess")
    assert set(media.status) == {"used"}
    assert len(media) == 2
    assert (media.n_frames > 25).all()


def test_all_eight_emotions_and_songs():
    names = [f"Actor_01/01-01-0{code}-01-01-01-01.mp4" for code in range(1, 9)]
    entries = describe(names, Speech)
    assert [entry.emotion for entry in entries] == [
        *("neutral", "calm", "happy", "sad", "angry", "fear", "disgusted", "surprised")
    ]
    song = ["Actor_01/01-02-03-01-01-01-01.mp4"]
    assert "data.songs: true" in describe(song, Speech)[0].reason
    Singing = type("Singing", (), {"songs": True})
    assert describe(song, Singing)[0].reason is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("01-01-09-01-01-01-01.mp4", "emotion 01 to 08, not 09"),
        ("01-01-03-01-01-01-25.mp4", "actor 01 to 24, not 25"),
        ("01-01-03-01-01-01.mp4", "seven two-digit codes"),
        ("03-01-03-01-01-01-01.wav", "no picture"),
    ],
)
def test_names_that_do_not_fit(name, reason):
    assert reason in describe([name], Speech)[0].reason


def test_blanks_and_upper_case_are_no_obstacle():
    (entry,) = describe([" 01-01-04-01-01-01-07 .MP4 "], Speech)
    assert isinstance(entry, ClipEntry)
    assert (entry.speaker_id, entry.emotion, entry.reason) == ("Actor_07", "sad", None)
