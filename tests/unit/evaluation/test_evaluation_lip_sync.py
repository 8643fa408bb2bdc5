import numpy as np
import pytest
import torch

from eap.evaluation.lip_sync import sync_distances, sync_scores


def _embeddings(seed, length=40, width=64):
    return np.random.default_rng(seed).normal(size=(length, width))


def test_hand_value_with_zero_vectors_at_the_ends():
    # Video (3, 4), (0, 0); audio (0, 0), (3, 4). One zero vector before and after: 0, a_0, a_1, 0.
    # o = -1: v_0 - 0 is 5, v_1 - a_0 is 0: 2.5. o = 0: v_0 - a_0 and v_1 - a_1 are 5: 5.
    # o = 1: v_0 - a_1 and v_1 - 0 are 0: 0.
    video, audio = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [3.0, 4.0]])
    assert sync_distances(video, audio, 1) == pytest.approx([2.5, 5, 0], abs=1e-5)


def test_the_shift_of_every_coordinate_counts():
    # Equal embeddings of width 4: sqrt(4 x (1e-6)^2) = 2e-6, not 0 and not 1e-6.
    same = np.ones((3, 4))
    assert sync_distances(same, same, 0) == pytest.approx([2e-6], rel=1e-6)
    # Its sign counts too: video above audio by 1e-6 doubles, below by 1e-6 cancels.
    assert sync_distances(same + 1e-6, same, 0) == pytest.approx([4e-6], rel=1e-6)
    assert sync_distances(same - 1e-6, same, 0) == pytest.approx([0], abs=1e-12)


def test_embeddings_are_not_normalised():
    # Length 2 against length 1 in the same direction: distance 1, not 0.
    assert sync_distances(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0]]), 0) == pytest.approx([1], abs=1e-5)


def test_equals_torch_pairwise_distance():
    video, audio = _embeddings(0), _embeddings(1)
    padded = torch.nn.functional.pad(torch.tensor(audio), (0, 0, 15, 15))
    expected = [
        torch.stack(
            [
                torch.nn.functional.pairwise_distance(torch.tensor(v)[None], padded[i + k][None])[0]
                for i, v in enumerate(video)
            ]
        ).mean()
        for k in range(31)
    ]
    distances = sync_distances(video, audio)
    assert distances.shape == (31,)
    np.testing.assert_allclose(distances, np.array(expected), rtol=1e-12)


@pytest.mark.parametrize("late", [-15, -3, 0, 1, 7, 15])
def test_a_known_shift_is_recovered(late):
    # The voice is late by `late` frames: what belongs to video window i stands at audio window i + late.
    signal = _embeddings(0, 80)
    video, audio = signal[20:60], signal[20 - late : 60 - late]
    scores = sync_scores(sync_distances(video, audio))
    assert scores.offset == late
    assert scores.lse_d < scores.at_zero or late == 0
    assert scores.lse_c > 1


def test_scores_hand_value():
    # Sorted 1, 3, 4, 6, 9: smallest 1, median 4. The smallest stands one after the middle; the middle is 9.
    scores = sync_scores(np.array([4.0, 6, 9, 1, 3]))
    assert (scores.lse_d, scores.lse_c, scores.offset, scores.at_zero) == (1, 3, 1, 9)


def test_unrelated_embeddings_have_little_confidence():
    # Not none: at the ends the zero vectors, shorter than any embedding, lower the distance.
    unrelated, related = (sync_scores(sync_distances(_embeddings(0), _embeddings(seed))) for seed in (1, 0))
    assert unrelated.lse_c < related.lse_c / 10
    assert abs(unrelated.offset) == 15


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match=r"need \[L > 0, D\] twice"):
        sync_distances(_embeddings(0, 5), _embeddings(1, 4))
    with pytest.raises(ValueError, match=r"need \[L > 0, D\] twice"):
        sync_distances(_embeddings(0, 0), _embeddings(1, 0))
    with pytest.raises(ValueError, match="not finite"):
        sync_distances(_embeddings(0) * np.nan, _embeddings(1))
    with pytest.raises(ValueError, match="max_offset: must be 0 or more, got -1"):
        sync_distances(_embeddings(0), _embeddings(1), -1)
    with pytest.raises(ValueError, match="odd length"):
        sync_scores(np.zeros(30))
