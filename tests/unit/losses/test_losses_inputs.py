import pytest
import torch

from eap.losses.inputs import check_classes, check_same_shape, check_shape, valid_frames


def test_valid_frames_keeps_order_and_trailing_shape():
    values = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[True, False, True], [False, True, False]])
    assert valid_frames(values, mask, "values").tolist() == [[0, 1], [4, 5], [8, 9]]
    assert valid_frames(values[:, 0], mask[:, 0], "values").tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(2, 3), "must be bool"),
        (torch.zeros(2, 3, dtype=torch.bool), "no real frame"),
        (torch.ones(2, 4, dtype=torch.bool), r"values: shape \(2, 3, 2\) does not start with the mask's \(2, 4\)"),
    ],
)
def test_valid_frames_refuses_a_wrong_mask(mask, message):
    with pytest.raises(ValueError, match=message):
        valid_frames(torch.zeros(2, 3, 2), mask, "values")


def test_shape_checks_name_what_is_wrong():
    check_shape(torch.zeros(4, 2), (None, 2), "points")
    with pytest.raises(ValueError, match=r"points: expected shape \[any, 2\], got \[4, 3\]"):
        check_shape(torch.zeros(4, 3), (None, 2), "points")
    with pytest.raises(ValueError, match=r"points: expected shape \[any, 2\], got \[2\]"):
        check_shape(torch.zeros(2), (None, 2), "points")
    with pytest.raises(ValueError, match="a and b: shapes differ"):
        check_same_shape(torch.zeros(3, 1), torch.zeros(3), "a", "b")


@pytest.mark.parametrize("classes", [[0, 3], [-1, 0], [0, 1, 2], [0.0, 1.0]])
def test_classes_outside_the_model_are_refused(classes):
    with pytest.raises(ValueError, match="emotion: "):
        check_classes(torch.tensor(classes), 2, 3)
