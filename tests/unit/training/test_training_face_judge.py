"""Judge "faces": whom it learns from, that it learns, and that it does so the same way twice."""

from __future__ import annotations

import shutil

import pytest
import torch
from tiny_data import sections

from eap.data.clip_store import ClipStore
from eap.data.layout import PreparedData
from eap.schemas import read_table, write_table
from eap.stage import StageError, no_log
from eap.training.build import load_face_judge
from eap.training.checkpoint import read_record
from eap.training.face_judge import NeutralClips, judges_split, train_judge


def train(config, data, folder):
    files = (folder / "model.safetensors", folder / "history.parquet", folder / "checkpoints")
    return train_judge(config, data, *files, no_log), files[0]


def with_splits(tiny_data, folder, change) -> PreparedData:
    """A copy of the data whose clips lie in other splits: `change` gets each clip id and its split."""
    shutil.copytree(tiny_data.root, folder)
    data = PreparedData(folder)
    splits = read_table(data.splits, "splits")
    splits["split"] = [change(clip_id, split) for clip_id, split in zip(splits.clip_id, splits.split, strict=True)]
    write_table(data.splits, "splits", splits)
    return data


def test_validation_people_are_learnt_from_where_they_show_every_emotion(tiny_data, tmp_path, store):
    assert judges_split(store) == "train"  # validation is neutral
    swapped = with_splits(tiny_data, tmp_path / "a", lambda _, split: {"train": "validation"}.get(split, split))
    assert judges_split(ClipStore(swapped, 32)) == "validation"
    none = with_splits(tiny_data, tmp_path / "b", lambda *_: "test")
    with pytest.raises(StageError, match=r"no validation or training clip.*change the split"):
        judges_split(ClipStore(none, 32))


def test_a_face_stands_beside_other_neutral_clips_of_the_person(store):
    neutral = NeutralClips(store)
    assert neutral.beside(store["ann/happy-1.mp4"]) == [f"ann/neutral-{i}.mp4" for i in range(3)]
    assert neutral.beside(store["bob/neutral-1.mp4"]) == ["bob/neutral-0.mp4", "bob/neutral-2.mp4"]
    # A video of a clip's voice is not read against the clip that lent its face, either
    drawn = neutral.beside(store["ann/happy-1.mp4"], store["ann/neutral-1.mp4"])
    assert drawn == ["ann/neutral-0.mp4", "ann/neutral-2.mp4"]
    drawn = neutral.beside(store["bob/neutral-1.mp4"], store["bob/neutral-2.mp4"])
    assert drawn == ["bob/neutral-0.mp4"]
    # In the validation split each has one
    alone = NeutralClips(store, "validation")
    assert alone.beside(store["ann/happy-1.mp4"]) == ["ann/neutral-2.mp4"]
    assert alone.beside(store["ann/neutral-2.mp4"]) == ["bob/neutral-2.mp4"]
    with pytest.raises(StageError, match="no neutral clip"):
        NeutralClips(store, "test")


def test_it_learns_and_two_trainings_are_one(tiny_data, tmp_path):
    config = sections("train-judge", {"judge": {"steps": 60, "batch_size": 16, "lr": 3e-3}})
    (first, model), (second, again) = (train(config, tiny_data, tmp_path / name) for name in "ab")
    assert first.metrics == second.metrics
    weights = [load_face_judge(path, config)[0].state_dict() for path in (model, again)]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    rows = read_table(tmp_path / "a/history.parquet", "history")
    accuracy = rows[(rows.term == "accuracy") & (rows.part == "train")].sort_values("step").value
    assert accuracy.iloc[-1] > 0.6 > accuracy.iloc[0]
    assert read_record(model, "train-judge")["split"] == "train"


def test_validation_of_a_judge_that_learnt_from_validation_people_is_the_training_split(tiny_data, tmp_path):
    def change(clip_id: str, split: str) -> str:
        return {"train": "validation", "validation": "train"}.get(split, split)

    data = with_splits(tiny_data, tmp_path / "data", change)
    config = sections("train-judge", {"judge": {"steps": 4, "batch_size": 4}})
    result, _ = train(config, data, tmp_path)
    assert "validation_accuracy" in result.metrics
