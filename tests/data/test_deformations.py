import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from chainrule.data.datasets import load_dataset
from chainrule.data.deformations import PRESETS, Deformation, Deformer, elastic_modes, side_by_side
from chainrule.errors import DtypeError, InputError, ShapeError, ValueRangeError

SHAPE = (28, 28)
CENTRE = 13.5


@pytest.fixture(scope="module")
def images():
    """Forty of the digits that come with the package."""
    return load_dataset("digits").train_images[:40]


class Fixed(np.random.Generator):
    """A generator that gives the same number for everything, so that a range is what happens."""

    def __init__(self, value):
        super().__init__(np.random.PCG64(0))
        self.value = value

    def random(self, size=None, dtype=np.float64, out=None):
        out[...] = (self.value + 1) / 2  # becomes `value` once brought to [−1, 1)
        return out


def deformed(images, value=1.0, **ranges):
    """The pictures with every range taken to the same end."""
    rows = Deformer(Deformation(**ranges), images.shape[1:], np.float64).deform(images, Fixed(value))
    return rows.reshape(images.shape)


def by_scipy(image, matrix, offset):
    """What scipy makes of an affine map from places in the result to places in the picture."""
    return ndimage.affine_transform(np.pad(image.astype(float), 20), matrix, offset, order=1)[20:-20, 20:-20]


def about_the_centre(image, matrix, shift=0.0):
    centre = np.full(2, CENTRE + 20)
    return by_scipy(image, matrix, centre - matrix @ (centre + shift))


# ------------------------------------------------------------------------------------------------ exactly


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_ranges_the_pictures_come_back_exactly(images, dtype):
    rows = Deformer(Deformation(), SHAPE, dtype).deform(images, np.random.default_rng(0))
    assert rows.dtype == dtype
    assert_array_equal(rows, images.reshape(len(images), -1))


def test_moving_by_whole_pixels_moves_down_and_to_the_right(images):
    moved = deformed(images, shift=2.0)
    assert_allclose(moved[:, 2:, 2:], images[:, :-2, :-2], atol=1e-9)
    assert_allclose(moved[:, :2], 0, atol=1e-9)
    assert_allclose(moved[:, :, :2], 0, atol=1e-9)


def test_what_leaves_the_picture_is_gone_and_nothing_comes_in(images):
    assert not deformed(images, shift=29.0).any()
    assert not deformed(images, value=-1.0, shift=29.0).any()


# --------------------------------------------------------------------------------------- as scipy.ndimage


@pytest.mark.parametrize("degrees", [5.0, 15.0, 40.0])
def test_rotation_is_scipys(images, degrees):
    turned = deformed(images, rotation=degrees)
    for image, result in zip(images, turned, strict=True):
        expected = ndimage.rotate(image.astype(float), degrees, reshape=False, order=1)
        inside = np.s_[6:-6, 6:-6]  # scipy treats the frame in a way of its own
        assert_allclose(result[inside], expected[inside], atol=1e-6)


@pytest.mark.parametrize("pixels", [0.5, 1.25, 3.0])
def test_shift_is_scipys(images, pixels):
    moved = deformed(images, shift=pixels)
    for image, result in zip(images, moved, strict=True):
        expected = ndimage.shift(np.pad(image.astype(float), 4), pixels, order=1)[4:-4, 4:-4]
        assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_scaling_makes_larger_and_smaller_about_the_centre(images, value):
    scale = 1 + 0.2 * value
    for image, result in zip(images, deformed(images, value, scaling=0.2), strict=True):
        assert_allclose(result, about_the_centre(image, np.eye(2) / scale), atol=1e-6)
    ink = deformed(images, value, scaling=0.2).sum() / images.sum()
    assert ink > 1.2 if value > 0 else ink < 0.8


def test_shear_leans_to_the_right(images):
    lean = np.tan(np.radians(20))
    for image, result in zip(images, deformed(images, shear=20.0), strict=True):
        assert_allclose(result, about_the_centre(image, np.array([[1, 0], [lean, 1]])), atol=1e-6)
    line = np.zeros((1, *SHAPE), np.uint8)
    line[0, 4:24, 14] = 255
    leaning = deformed(line, shear=20.0)[0]
    assert leaning[5].argmax() > leaning[22].argmax()


def test_all_of_them_together_scale_then_slant_then_turn_then_move(images):
    scale, lean, angle, shift = 1.1, np.tan(np.radians(10)), np.radians(12), 1.5
    turn_back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    back = np.eye(2) / scale @ np.array([[1, 0], [lean, 1]]) @ turn_back
    results = deformed(images, scaling=0.1, shear=10.0, rotation=12.0, shift=1.5)
    for image, result in zip(images, results, strict=True):
        assert_allclose(result, about_the_centre(image, back, shift), atol=1e-6)


def test_elastic_displacement_is_noise_smoothed_by_scipy_and_read_by_scipy(images):
    sigma, alpha = 3.0, 30.0
    deformer = Deformer(Deformation(alpha=alpha, sigma=sigma), SHAPE, np.float64)
    deformer._draw_places(2, np.random.default_rng(5))
    places = deformer._places[:, :2].copy()
    drawn = np.random.default_rng(5).random((2, 2, len(deformer._fields))) * 2 - 1
    modes = elastic_modes(28, sigma)
    orthonormal = modes / np.linalg.norm(modes, axis=1, keepdims=True)
    rows, columns = np.mgrid[:28, :28] - CENTRE
    results = deformer.deform(images[:2], np.random.default_rng(5)).reshape(2, 28, 28)
    for i in range(2):
        there = []
        for axis, straight in enumerate((rows, columns)):
            coefficients = drawn[i, axis, 3:].reshape(len(modes), len(modes))
            noise = orthonormal.T @ coefficients @ orthonormal
            bent = alpha * ndimage.gaussian_filter(noise, sigma, mode="constant", truncate=9)
            # scipy makes its 55 weights sum to 1, as the Gaussian's integral does
            assert_allclose(places[axis, i].reshape(28, 28), straight + bent, atol=1e-6)
            there.append(places[axis, i].reshape(28, 28) + CENTRE)
        expected = ndimage.map_coordinates(np.pad(images[i].astype(float), 1), np.array(there) + 1, order=1)
        assert_allclose(results[i], expected, atol=1e-6)


@pytest.mark.parametrize("sigma", [2.0, 4.0, 6.0])
def test_few_modes_bend_as_much_and_as_smoothly_as_the_noise_of_every_pixel(sigma):
    pixel = np.arange(28)
    smoothing = np.exp(-((pixel[:, None] - pixel) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    modes = elastic_modes(28, sigma)
    assert len(modes) < 28
    assert_allclose(modes.T @ modes, smoothing @ smoothing.T, atol=1e-5)  # the covariance along an axis


# ---------------------------------------------------------------------------------------------- at random


def test_every_picture_is_deformed_in_its_own_way_and_within_the_ranges(images):
    same = np.repeat(images[:1], 40, axis=0)
    rows = Deformer(PRESETS["ciresan-2010"], SHAPE).deform(same, np.random.default_rng(0))
    assert len(np.unique(rows, axis=0)) == 40
    assert rows.min() >= 0
    assert rows.max() <= 255
    small = Deformer(Deformation(shift=1.0), SHAPE).deform(same, np.random.default_rng(0)).reshape(-1, *SHAPE)
    centres = np.array([ndimage.center_of_mass(picture) for picture in small])
    moved = centres - ndimage.center_of_mass(images[0])
    assert (np.abs(moved) <= 1.001).all()
    assert moved.min() < -0.8
    assert moved.max() > 0.8


def test_the_same_seed_gives_the_same_bits_and_a_part_uses_a_part_of_the_stream(images):
    preset = PRESETS["simard-2003"]
    whole = Deformer(preset, SHAPE).deform(images, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    deformer = Deformer(preset, SHAPE)
    parts = [deformer.deform(images[start : start + 7], rng) for start in range(0, len(images), 7)]
    # A product of fewer rows may add up in another order. That moves a place by some roundings of float32, 2e-6 each
    # for numbers about 28, and brightness changes by up to 255 a pixel.
    assert_allclose(np.concatenate(parts), whole, atol=1e-2)


def test_side_by_side_shows_each_picture_and_then_its_copies(images):
    shown = side_by_side(images[:3], PRESETS["ciresan-2010"], 4, np.random.default_rng(0))
    assert shown.shape == (15, *SHAPE)
    assert shown.dtype == np.uint8
    assert_array_equal(shown[::5], images[:3])
    for i in range(15):
        assert (shown[i] != images[i // 5]).any() == (i % 5 > 0)


def test_the_pictures_stay_as_they_were(images):
    before = images.copy()
    Deformer(PRESETS["ciresan-2010"], SHAPE).deform(images, np.random.default_rng(0))
    assert_array_equal(images, before)


def test_pictures_that_are_not_square(images):
    tall = images[:, :, 4:24]
    assert_array_equal(
        Deformer(Deformation(), (28, 20)).deform(tall, np.random.default_rng(0)), tall.reshape(len(tall), -1)
    )
    bent = Deformer(PRESETS["simard-2003"], (28, 20)).deform(tall, np.random.default_rng(0))
    assert 0.7 < bent.sum() / tall.sum() < 1.3


def test_a_warm_batch_allocates_nothing_of_its_size(images):
    deformer, rng = Deformer(PRESETS["ciresan-2010"], SHAPE), np.random.default_rng(0)
    out = np.empty((len(images), 784), np.float32)
    deformer.deform(images, rng, out)
    with np.errstate():
        np.setbufsize(1024)  # as in training
        tracemalloc.start()
        for _ in range(20):
            deformer.deform(images, rng, out)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 16 * 1024


# ------------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    "ranges",
    [
        {"scaling": 1.0},
        {"shear": 90},
        {"rotation": -1},
        {"shift": np.inf},
        {"alpha": "2"},
        {"sigma": 0},
        {"shift": True},
    ],
    ids=str,
)
def test_ranges_without_sense_are_refused_by_name(ranges):
    (name,) = ranges
    with pytest.raises(ValueRangeError, match=name):
        Deformation(**ranges)


def test_pictures_that_do_not_fit_are_refused(images):
    deformer, rng = Deformer(Deformation(), SHAPE), np.random.default_rng(0)
    with pytest.raises(DtypeError, match="uint8"):
        deformer.deform(images / 255, rng)
    with pytest.raises(ShapeError, match=r"\(28, 28\).*\(28, 20\)"):
        deformer.deform(images[:, :, :20], rng)
    with pytest.raises(DtypeError, match="out is float64; expected float32"):
        deformer.deform(images, rng, np.empty((len(images), 784)))
    with pytest.raises(InputError, match="default_rng"):
        deformer.deform(images, 0)


def test_pictures_of_the_deformers_own_dtype_are_bent_as_their_bytes_are(images):
    deformer = Deformer(Deformation(rotation=20.0, shift=2.0, alpha=20.0), SHAPE)
    bytes_bent = deformer.deform(images, np.random.default_rng(1)).copy()
    floats_bent = deformer.deform((images / 255).astype(np.float32), np.random.default_rng(1))
    assert_allclose(255 * floats_bent, bytes_bent, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64])
def test_pictures_of_another_dtype_are_refused(images, dtype):
    with pytest.raises(DtypeError, match="uint8"):
        Deformer(Deformation(), SHAPE).deform(images.astype(dtype), np.random.default_rng(1))
