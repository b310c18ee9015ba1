import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.data.preparation import NoPreparation, Preparation, flatten, one_hot, split
from chainrule.errors import DtypeError, InputError, ShapeError, ValueRangeError


@pytest.fixture
def images():
    images = np.random.default_rng(0).integers(0, 256, (5000, 4, 3), dtype=np.uint8)
    images[:, 0, 0] = 0
    images[:, 3, 2] = 255
    return images


def test_pixels_are_scaled_to_between_0_and_1_row_by_row():
    images = np.array([[[0, 51, 255], [102, 153, 204]]], np.uint8)
    rows = Preparation.fit(images).transform(images)
    assert rows.dtype == np.float32
    assert np.allclose(rows, [[0, 0.2, 1, 0.4, 0.6, 0.8]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaling_never_leaves_the_interval(dtype):
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    rows = Preparation((16, 16)).transform(images, dtype=dtype)
    assert rows.min() == 0
    assert rows.max() == 1
    assert np.allclose(rows[0], np.arange(256) / 255, rtol=1e-6)


def test_mean_and_deviation_are_those_of_the_scaled_training_images(images):
    preparation = Preparation.fit(images, standardise=True)
    scaled = images.reshape(5000, 12) / 255
    assert preparation.shape == (4, 3)
    assert preparation.width == 12
    assert preparation.mean.dtype == preparation.deviation.dtype == np.float64
    assert np.allclose(preparation.mean, scaled.mean(axis=0), rtol=1e-12)
    assert np.allclose(preparation.deviation, scaled.std(axis=0), rtol=1e-12)


def test_standardised_pixels_have_mean_0_and_deviation_1(images):
    rows = Preparation.fit(images, standardise=True).transform(images, dtype=np.float64)
    changing = slice(1, 11)
    assert np.allclose(rows.mean(axis=0), 0)
    assert np.allclose(rows.std(axis=0)[changing], 1)


def test_scikit_learn_standardises_alike(images):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    scaled = images.reshape(5000, 12) / 255
    rows = Preparation.fit(images, standardise=True).transform(images, dtype=np.float64)
    assert np.allclose(rows, preprocessing.StandardScaler().fit_transform(scaled))


def test_a_pixel_that_never_changes_has_deviation_0_and_stays_0(images):
    preparation = Preparation.fit(images, standardise=True)
    rows = preparation.transform(images)
    assert preparation.deviation[0] == preparation.deviation[11] == 0
    assert np.all(rows[:, 0] == 0)
    assert np.allclose(rows[:, 11], 0, atol=1e-7)


def test_without_standardising_there_are_no_statistics(images):
    preparation = Preparation.fit(images)
    assert preparation.mean is None
    assert preparation.deviation is None


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_out_receives_the_rows_in_its_own_dtype(images, standardise, dtype):
    preparation = Preparation.fit(images, standardise=standardise)
    out = np.full((5000, 12), np.nan, dtype)
    assert preparation.transform(images, out=out) is out
    assert np.array_equal(out, preparation.transform(images, dtype=dtype))


def test_images_that_do_not_lie_in_one_piece_are_the_same(images):
    preparation = Preparation.fit(images, standardise=True)
    assert np.array_equal(preparation.transform(images[::-2]), preparation.transform(images)[::-2])


def test_a_warm_transform_allocates_nothing_of_the_batchs_size():
    images = np.ones((1000, 28, 28), np.uint8)
    preparation = Preparation.fit(images, standardise=True)
    out = np.empty((1000, 784), np.float32)
    preparation.transform(images, out=out)
    tracemalloc.start()
    try:
        for _ in range(10):
            preparation.transform(images, out=out)
        assert tracemalloc.get_traced_memory()[1] < images.nbytes / 10
    finally:
        tracemalloc.stop()


def test_fitting_takes_the_same_memory_for_many_images_as_for_few():
    def peak(n):
        images = np.ones((n, 28, 28), np.uint8)
        tracemalloc.start()
        try:
            Preparation.fit(images, standardise=True)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(20_000) < 1.1 * peak(5_000)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_images_of_another_dtype_are_refused_with_the_way_to_convert_them(images, dtype):
    with pytest.raises(DtypeError, match=r"uint8 with pixels 0 to 255.*np.rint\(255 \* images\)"):
        Preparation((4, 3)).transform(images.astype(dtype))
    with pytest.raises(DtypeError):
        Preparation.fit(images.astype(dtype))


def test_images_of_another_size_are_refused_and_both_sizes_named(images):
    with pytest.raises(ShapeError, match=r"for images \(28, 28\), and these are \(4, 3\)"):
        Preparation((28, 28)).transform(images)


def test_a_single_image_or_flat_rows_are_refused(images):
    with pytest.raises(ShapeError, match=r"\(N, height, width\), and these are \(4, 3\); one image is images\[None\]"):
        Preparation((4, 3)).transform(images[0])
    with pytest.raises(ShapeError, match=r"\(5000, 12\)"):
        Preparation((4, 3)).transform(images.reshape(5000, 12))


def test_out_of_another_shape_or_dtype_is_refused(images):
    with pytest.raises(ShapeError, match=r"out has the shape \(10, 12\); expected \(5000, 12\)"):
        Preparation((4, 3)).transform(images, out=np.empty((10, 12), np.float32))
    with pytest.raises(DtypeError, match="float16"):
        Preparation((4, 3)).transform(images, dtype=np.float16)
    with pytest.raises(DtypeError, match="int64"):
        Preparation((4, 3)).transform(images, out=np.empty((5000, 12), np.int64))


def test_nothing_can_be_learned_from_no_images(images):
    with pytest.raises(ShapeError, match=r"\(0, 4, 3\)"):
        Preparation.fit(images[:0], standardise=True)


def test_no_images_become_no_rows(images):
    assert Preparation((4, 3)).transform(images[:0]).shape == (0, 12)


def test_a_preparation_made_by_hand_is_checked():
    with pytest.raises(ShapeError, match="both a mean and a deviation"):
        Preparation((1, 2), np.zeros(2))
    with pytest.raises(ShapeError, match=r"mean has the shape \(3,\); pictures \(1, 2\) need \(2,\)"):
        Preparation((1, 2), np.zeros(3), np.ones(2))
    with pytest.raises(ValueRangeError, match="deviation is negative"):
        Preparation((1, 2), np.zeros(2), np.array([1, -1]))
    with pytest.raises(ValueRangeError, match="mean has values that are infinite"):
        Preparation((1, 2), np.array([0, np.nan]), np.ones(2))


def test_a_preparation_does_not_change_when_the_array_it_was_made_from_does():
    mean = np.zeros(2)
    preparation = Preparation((1, 2), mean, np.ones(2))
    mean[:] = 5
    assert preparation.mean.tolist() == [0, 0]
    with pytest.raises(ValueError, match="read-only"):
        preparation.mean[:] = 5


# -------------------------------------------------------------------------------------- flatten, split, one-hot


def test_flattening_is_a_view():
    images = np.zeros((2, 3, 4), np.uint8)
    rows = flatten(images)
    assert rows.shape == (2, 12)
    assert np.shares_memory(rows, images)


@pytest.mark.parametrize(("validation", "held_out"), [(0, 0), (0.25, 25), (1, 1), (30, 30), (99, 99), (0.001, 1)])
def test_a_split_is_complete_and_does_not_overlap(validation, held_out):
    training, kept_back = split(100, validation, np.random.default_rng(1))
    assert len(kept_back) == held_out
    assert sorted([*training, *kept_back]) == list(range(100))


def test_a_split_is_shuffled_and_follows_the_seed():
    one, same, other = (split(100, 0.5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one[1].tolist() != sorted(one[1])


@pytest.mark.parametrize("validation", [-1, -0.1, 1.5, np.nan, np.inf])
def test_a_validation_part_that_is_neither_fraction_nor_count_is_refused(validation):
    with pytest.raises(ValueRangeError, match=f"validation is {validation}; expected 0, a fraction"):
        split(100, validation, np.random.default_rng(1))


@pytest.mark.parametrize(("n", "validation"), [(100, 100), (100, 101), (1, 0.5), (100, 0.999), (0, 0)])
def test_a_split_that_leaves_nothing_to_train_on_is_refused(n, validation):
    message = f"of {n} rows; at least one must be left to train on: hold out a fraction such as 0.1, or 0.$"
    with pytest.raises(ValueRangeError, match=message):
        split(n, validation, np.random.default_rng(1))


def test_a_seed_splits_as_its_generator_does():
    for one, other in zip(split(10, 0.2, 7), split(10, 0.2, np.random.default_rng(7)), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("rng", [None, -1, 0.5, "seed", np.random.RandomState(0)])
def test_what_is_neither_generator_nor_seed_is_refused(rng):
    with pytest.raises(InputError, match=r"rng is .* a seed ≥ 0; got (None|-1|0\.5|'seed'|a Random)"):
        split(10, 0.2, rng)


@pytest.mark.parametrize(
    ("validation", "said"),
    [(1 / 12, "0.0833"), (0.99999, "0.99999"), (np.float64(0.1), "0.1"), (6, "6"), (2000.0, "2000")],
)
def test_fractions_are_said_in_few_digits(validation, said):
    with pytest.raises(ValueRangeError, match=f"validation of {said} holds out"):
        split(1, validation, 0)


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueRangeError, match=r"validation is '0\.1'; expected 0, a fraction"):
        split(10, "0.1", 0)
    with pytest.raises(InputError, match=r"n is the number of rows, such as len\(images\); got a list"):
        split([1, 2, 3], 0.1, 0)


def test_targets_are_1_at_the_label_and_0_elsewhere():
    targets = one_hot(np.array([2, 0]), 3)
    assert targets.dtype == np.float32
    assert targets.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot(np.array([2, 0]), 3, np.float64).dtype == np.float64


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_out_of_range_is_refused_and_its_image_named(label):
    with pytest.raises(
        ValueRangeError, match=rf"labels: image 1 \(counted from 0\) has the label {label}; expected 0 to 2"
    ):
        one_hot(np.array([0, label, 5]), 3)


def test_what_is_no_array_is_refused_with_what_to_do(images):
    preparation = Preparation((4, 3))
    for use in (Preparation.fit, preparation.transform):
        with pytest.raises(DtypeError, match=r"NumPy array of uint8 .*, and this is a list: use np\.asarray"):
            use(images[:2].tolist())
        with pytest.raises(DtypeError, match="this is None"):
            use(None)
    with pytest.raises(DtypeError, match="out is a list; expected a NumPy array of float32 or float64"):
        preparation.transform(images[:1], out=[[0.0] * 12])
    with pytest.raises(DtypeError, match=r"NumPy array of integers, and this is a list: use np\.asarray"):
        one_hot([0, 1], 3)


def test_labels_that_are_no_row_of_integers_are_refused():
    with pytest.raises(DtypeError, match="float64"):
        one_hot(np.array([0.0, 1.0]), 3)
    with pytest.raises(ShapeError, match=r"\(2, 1\)"):
        one_hot(np.array([[0], [1]]), 3)


@pytest.mark.parametrize("classes", [0, -1, 2.0, True, None])
def test_targets_need_at_least_one_class_even_where_there_is_no_label(classes):
    with pytest.raises(ValueRangeError, match="expected a whole number, at least 1"):
        one_hot(np.zeros(0, int), classes)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, ">f4", int, bool, object, complex])
def test_rows_and_targets_are_float32_or_float64_alone(dtype):
    for ask in (
        lambda: one_hot(np.array([2, 0]), 3, dtype),
        lambda: Preparation((2, 2)).transform(np.zeros((1, 2, 2), np.uint8), dtype=dtype),
    ):
        with pytest.raises(DtypeError, match="float32 or float64"):
            ask()


# ---------------------------------------------------------------------------------------------- no preparation


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_a_preparation_rows_stay_as_they_are(dtype):
    rows = np.random.default_rng(0).normal(size=(5, 6)).astype(dtype)
    found = NoPreparation((2, 3)).transform(rows, dtype=dtype)
    assert_array_equal(found, rows)
    assert found.dtype == dtype
    assert not np.shares_memory(found, rows)


@pytest.mark.parametrize("rows", [np.zeros((5, 7)), np.zeros((5, 2, 3)), np.zeros((5, 6), np.uint8), np.zeros(6)])
def test_without_a_preparation_rows_are_floats_of_its_width(rows):
    with pytest.raises(ShapeError, match=r"floats, shape \(N, 6\)"):
        NoPreparation((2, 3)).transform(rows)


def test_without_a_preparation_a_list_is_refused():
    with pytest.raises(DtypeError, match="rows is a list"):
        NoPreparation((1, 2)).transform([[0.0, 1.0]])
