"""Judge "faces": what is read is the difference to the neutral face."""

from __future__ import annotations

import torch

from eap.models.face_judge import FaceJudge


def test_readings_depend_on_the_difference_to_the_neutral_face_alone():
    torch.manual_seed(0)
    judge = FaceJudge(8, 16, 3).eval()
    frames = torch.rand(4, 3, 32, 32) * 2 - 1
    features = judge.features(frames)
    assert features.shape == (4, 16)
    va, logits = judge.read(features, features[:1])
    assert va.shape == (4, 2)
    assert logits.shape == (4, 3)
    shifted = judge.read(features + 5, features[:1] + 5)
    torch.testing.assert_close(shifted, (va, logits), atol=1e-4, rtol=1e-4)
    # The neutral face itself is read alike, whoever it is of
    alone = [judge.read(features[i : i + 1], features[i : i + 1])[0] for i in range(4)]
    torch.testing.assert_close(alone[0], alone[1])
    assert (va[1] - va[0]).abs().max() > 1e-4
