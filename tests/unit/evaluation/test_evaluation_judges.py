"""What the judges of a model's own may say."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_data import EMOTIONS, rewritten, sections

from eap.evaluation.judges import Judges
from eap.synthesis import Synthesizer
from eap.training.checkpoint import read_record


@pytest.mark.parametrize(("target", "definition"), [("va", "norm"), ("intensity", "max")])
def test_theta_names_valence_and_arousal_only_where_it_learnt_them(era_file, store, tmp_path, target, definition):
    record = read_record(era_file, "train-era")
    record["config"]["loss"] |= {"inten_target": target, "intensity": definition}
    face = Synthesizer(rewritten(era_file, tmp_path / "m.safetensors", record), sections("evaluate"))
    judges = Judges(store, points=None, faces=None, face=face, emotions=EMOTIONS)
    clip = store["ann/happy-1.mp4"]
    heard, seen = judges.hear(clip, 12), judges.see(clip, "real", clip.frames[:5])
    assert (heard.judge, seen.judge) == ("audio", "era")
    _, va = face.hear(clip.mel_TM[:12])
    if target == "va":
        np.testing.assert_array_equal(heard.read("valence"), va[:, 0])
        np.testing.assert_allclose(heard.read("intensity"), np.linalg.norm(va, axis=1), rtol=1e-6)
    else:
        assert heard.read("valence") is heard.read("arousal") is seen.read("arousal") is None
        np.testing.assert_allclose(heard.read("intensity"), np.abs(va).max(1), rtol=1e-6)
    assert (len(heard.class_T), len(seen.class_T)) == (12, 5)
