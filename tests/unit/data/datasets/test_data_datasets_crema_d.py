"""`eap.data.datasets.crema_d`: the real clips in the dataset's own folder, and names that do not fit."""

import pytest
from layouts import catalog_of, crema_d, frames_of, touch
from media_files import CLIPS

from eap.data.datasets.crema_d import describe


def test_the_real_clips_in_their_own_layout(tmp_path):
    table = catalog_of(crema_d(tmp_path / "CREMA-D"), tmp_path, "crema_d")
    assert CLIPS.is_dir()
    assert set(table.status) == {"listed"}
    assert dict(table.emotion) == {
        "VideoFlash/1001_DFA_ANG_XX.flv": "angry",
        "VideoFlash/1001_DFA_DIS_XX.flv": "disgusted",
        "VideoFlash/1001_DFA_FEA_XX.flv": "fear",
        "VideoFlash/1001_DFA_HAP_XX.flv": "happy",
        "VideoFlash/1001_DFA_NEU_XX.flv": "neutral",
        "VideoFlash/1001_DFA_SAD_XX.flv": "sad",
    }
    assert set(table.speaker_id) == set(table.split_key) == {"1001"}
    assert set(table.sentence) == {"Don't forget a jacket"}
    assert table.intensity_level.isna().all()
    assert table.labelled.all()
    assert set(table.dataset) == {"CREMA-D"}
    assert table.licence.str.startswith("ODbL-1.0").all()
    assert table.url.isna().all()


def test_a_clip_in_its_own_layout_reaches_the_frame_cache(tmp_path):
    root = crema_d(tmp_path / "CREMA-D")
    for path in root.rglob("*.flv"):
        if "_HAP_" not in path.name:
            path.unlink()
    catalog_of(root, tmp_path, "crema_d")
    assert dict(frames_of(root, tmp_path, "crema_d").status) == {"VideoFlash/1001_DFA_HAP_XX.flv": "used"}


def test_levels_suffixes_copies_and_stray_files(tmp_path):
    root = touch(
        tmp_path / "c",
        [
            "AudioWAV/1001_IEO_ANG_HI.wav",
            "x/VideoFlash/1001_IEO_ANG_HI.FLV",
            "x/VideoFlash/1002_IEO_SAD_MD .flv",
            "x/VideoFlash/1040_ITH_SAD_X.flv",
            "x/VideoFlash/1001_IEO_ANG_LO.flv.1",
            "__MACOSX/VideoFlash/._1001_IEO_ANG_HI.flv",
        ],
    )
    table = catalog_of(root, tmp_path, "crema_d")
    assert dict(table.intensity_level.dropna()) == {
        "x/VideoFlash/1001_IEO_ANG_HI.FLV": "high",
        "x/VideoFlash/1002_IEO_SAD_MD .flv": "medium",
    }
    assert table.status["x/VideoFlash/1040_ITH_SAD_X.flv"] == "listed"
    assert "numbered copy" in table.reason["x/VideoFlash/1001_IEO_ANG_LO.flv.1"]
    assert len(table) == 4


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("holiday.mp4", "'HOLIDAY' is not ACTOR_SENTENCE_EMOTION_LEVEL"),
        ("1092_DFA_ANG_XX.flv", "actors 1001 to 1091, not '1092'"),
        ("1001_ABC_ANG_XX.flv", "no code 'ABC'"),
        ("1001_DFA_CON_XX.flv", "no code 'con'"),
        ("1001_DFA_ANG_ZZ.flv", "no code 'ZZ'"),
    ],
)
def test_names_that_do_not_fit(name, reason):
    (entry,) = describe([name], None)
    assert reason in entry.reason
    assert entry.speaker_id is entry.emotion is None
