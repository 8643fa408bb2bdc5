"""`eap.data.datasets.mead`: phantom takes under the dataset's folders, sound apart, down to the frame cache."""

import shutil

import av
import pytest
from layouts import catalog_of, frames_of, touch

from eap.data.datasets.mead import describe


class FrontOnly:
    """Section ``data``, as far as the adapter reads it."""

    views = ("front",)


def split_sound(take, video, sound):
    """Copy a clip's pictures and its sound into two files, packets untouched."""
    for target, kind in ((video, "video"), (sound, "audio")):
        target.parent.mkdir(parents=True, exist_ok=True)
        # libav chooses the container by the suffix; it calls .m4a "ipod"
        with av.open(str(take)) as source, av.open(str(target), "w") as out:
            stream = source.streams.best(kind)
            copy = out.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.dts is not None:
                    packet.stream = copy
                    out.mux(packet)


@pytest.fixture
def root(tmp_path, takes):
    """Two speakers' ``001.mp4`` with the sound in a folder of its own, and a side view."""
    folder = tmp_path / "MEAD"
    angry, neutral = takes
    split_sound(angry, folder / "M003/video/front/angry/level_3/001.mp4", folder / "M003/audio/angry/level_3/001.m4a")
    split_sound(
        neutral, folder / "M003/video/front/neutral/level_1/001.mp4", folder / "M003/audio/neutral/level_1/001.m4a"
    )
    shutil.copytree(folder / "M003/video/front", folder / "M003/video/left_30")
    whole = folder / "W009/video/front/neutral/level_1/001.mp4"  # with its sound inside, and none apart
    whole.parent.mkdir(parents=True)
    shutil.copy(neutral, whole)
    return folder


def test_phantom_takes_in_its_layout_find_their_sound(root, tmp_path):
    table = catalog_of(root, tmp_path, "mead")
    clip_id = "M003/video/front/angry/level_3/001.mp4"
    assert table.audio_path[clip_id] == "M003/audio/angry/level_3/001.m4a"
    assert table.audio_path["M003/video/front/neutral/level_1/001.mp4"] == "M003/audio/neutral/level_1/001.m4a"
    assert table.audio_path.isna()["W009/video/front/neutral/level_1/001.mp4"]
    assert (table.emotion[clip_id], table.intensity_level[clip_id]) == ("angry", "level_3")
    assert table.speaker_id[clip_id] == table.split_key[clip_id] == "M003"
    assert table.index.is_unique
    assert (table.status == "listed").sum() == 3
    side = table.loc["M003/video/left_30/angry/level_3/001.mp4"]
    assert side.reason == "view 'left_30'; data.views allows front"
    media = frames_of(root, tmp_path, "mead")
    assert media.status["W009/video/front/neutral/level_1/001.mp4"] == "used"


def test_other_views_can_be_asked_for(root, tmp_path):
    table = catalog_of(root, tmp_path, "mead", views=["left_30"])
    used = table[table.status == "listed"]
    assert set(used.index) == {
        "M003/video/left_30/angry/level_3/001.mp4",
        "M003/video/left_30/neutral/level_1/001.mp4",
    }
    assert used.audio_path.notna().all()


def test_repeated_take_numbers_never_collide(tmp_path):
    names = [
        f"{speaker}/video/front/{emotion}/level_{level}/001.mp4"
        for speaker in ("M003", "W011")
        for emotion in ("angry", "contempt", "disgusted", "fear", "happy", "sad", "surprised")
        for level in (1, 2, 3)
    ]
    table = catalog_of(touch(tmp_path / "MEAD", names), tmp_path, "mead")
    assert sorted(table.index) == sorted(names)
    assert set(table.status) == {"listed"}
    assert dict(table.emotion.value_counts()) == dict.fromkeys(
        ("angry", "contempt", "disgusted", "fear", "happy", "sad", "surprised"), 6
    )


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("M003/video/front/bored/level_1/001.mp4", "no emotion 'bored'"),
        ("M003/video/front/calm/level_1/001.mp4", "no emotion 'calm'"),
        ("M003/video/front/angry/level_4/001.mp4", "levels 1 to 3, not 4"),
        ("M003/video/down/angry/level_1/001.mp4", "view 'down'"),
        ("front/angry/001.mp4", "does not end like MEAD's"),
    ],
)
def test_paths_that_do_not_fit(path, reason):
    assert reason in describe([path], FrontOnly)[0].reason


def test_unpacked_twice_and_in_upper_case():
    (entry,) = describe(["MEAD/m003/M003/video/Front/Angry/level_2/ 012 .MP4"], FrontOnly)
    assert (entry.speaker_id, entry.emotion, entry.intensity_level, entry.reason) == ("M003", "angry", "level_2", None)
