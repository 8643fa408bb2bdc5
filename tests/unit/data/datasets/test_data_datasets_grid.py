"""`eap.data.datasets.grid`: the real clips in both layouts of the alignments, and what does not fit."""

import pandas as pd
import pytest
from layouts import catalog_of, frames_of, grid, touch
from media_files import CLIPS

from eap.data.datasets.grid import aligned_words, spoken


@pytest.mark.parametrize("align", ["{speaker}/align", "{speaker}", "alignments/{speaker}"])
def test_the_real_clips_in_their_own_layout(tmp_path, align):
    table = catalog_of(grid(tmp_path / "grid", align), tmp_path, "grid")
    manifest = pd.read_csv(CLIPS / "manifest.csv").set_index("path").sentence
    assert len(table) == 13
    assert set(table.status) == {"listed"}
    assert dict(table.speaker_id.value_counts()) == {"s1": 12, "s2": 1}
    for clip_id, sentence in table.sentence.items():
        speaker, name = clip_id.split("/")
        assert sentence == manifest[f"grid/{speaker}_{name}"]
    assert set(table.emotion) == {"neutral"}
    assert not table.labelled.any()
    assert set(table.licence) == {"CC BY 4.0"}


def test_a_clip_in_its_own_layout_reaches_the_frame_cache(tmp_path):
    root = grid(tmp_path / "grid")
    for path in (root / "s1").glob("*.mpg"):
        path.unlink()
    catalog_of(root, tmp_path, "grid")  # one clip of s2 is left
    assert dict(frames_of(root, tmp_path, "grid").status) == {"s2/pwij3p.mpg": "used"}


def test_what_was_spoken_counts_not_the_name(tmp_path):
    root = grid(tmp_path / "grid")
    (root / "s1/align/bbaf2n.align").write_text("0 23750 sil\n23750 29500 lay\n29500 34000 blue\n34000 35500 sil\n")
    assert catalog_of(root, tmp_path, "grid").sentence["s1/bbaf2n.mpg"] == "lay blue"


def test_layouts_of_the_wild(tmp_path):
    root = touch(
        tmp_path / "g",
        [
            "GRID/s03/video/mpg_6000/SWWP2S.MPG",
            "s4/s4/bbaf2n.mpg",
            "bbaf3s.mpg",
            "s35/bbaf4p.mpg",
            "s5/bbaw2n.mpg",
            "s5/._bbaf5a.mpg",
        ],
    )
    table = catalog_of(root, tmp_path, "grid")
    assert table.speaker_id["GRID/s03/video/mpg_6000/SWWP2S.MPG"] == "s3"
    assert table.sentence["GRID/s03/video/mpg_6000/SWWP2S.MPG"] == "set white with p two soon"
    assert table.speaker_id["s4/s4/bbaf2n.mpg"] == "s4"
    assert "no folder above it names a speaker" in table.reason["bbaf3s.mpg"]
    assert "(s1 to s34)" in table.reason["s35/bbaf4p.mpg"]
    assert "six-letter code" in table.reason["s5/bbaw2n.mpg"]
    assert len(table) == 5


def test_words():
    assert spoken("bbaf2n") == "bin blue at f two now"
    assert spoken("pwbzzp") == "place white by z zero please"
    assert spoken("bbaf2") is None
    assert aligned_words(["0 10 sil", "10 20 bin", "20 21 sp", "21 30 blue", ""]) == "bin blue"
