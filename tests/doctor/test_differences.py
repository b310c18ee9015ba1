import numpy as np
import pytest

from chainrule.doctor.differences import directional, entry, whole


def test_a_smooth_slope_is_known_to_nine_digits():
    theta = {"w": np.array([0.3, -1.2, 2.0])}
    slopes = [entry(lambda p: float(np.sin(p["w"]).sum()), theta, "w", i) for i in range(3)]
    assert [s.value for s in slopes] == pytest.approx(np.cos(theta["w"]), rel=1e-9)
    assert all(s.smooth for s in slopes)


def test_a_direction_is_the_sum_over_its_entries():
    theta = {"w": np.array([0.5, 1.5])}
    slope = directional(lambda p: float((p["w"] ** 3).sum()), theta, {"w": np.array([1.0, -2.0])})
    assert slope.value == pytest.approx(3 * 0.25 - 2 * 3 * 2.25, rel=1e-8)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_step_fits_small_and_large_parameters_and_losses(scale):
    theta = {"w": np.array([2.0 * max(scale, 1)])}
    slope = entry(lambda p: float(scale * (p["w"] ** 2).sum()), theta, "w", 0)
    assert slope.value == pytest.approx(2 * scale * theta["w"][0], rel=1e-6)


def test_a_kink_is_recognised():
    slope = entry(lambda p: float(np.maximum(p["w"], 0).sum()), {"w": np.zeros(1)}, "w", 0)
    assert not slope.smooth


def test_beside_a_kink_the_slope_is_smooth():
    slope = entry(lambda p: float(np.maximum(p["w"], 0).sum()), {"w": np.array([0.1])}, "w", 0)
    assert slope.smooth
    assert slope.value == pytest.approx(1)


def test_float32_is_less_exact_and_says_so():
    def loss(p):
        return float(np.exp(p["w"].astype(np.float32)).sum())

    slope = entry(loss, {"w": np.array([0.7])}, "w", 0)
    assert abs(slope.value - np.exp(0.7)) <= 10 * slope.error


def test_a_whole_array_has_its_own_shape_and_nan_at_kinks():
    theta = {"w": np.array([[0.0, 1.0], [-1.0, 2.0]])}
    found = whole(lambda p: float(np.maximum(p["w"], 0).sum()), theta, "w")
    assert np.isnan(found[0, 0])
    assert found[0, 1] == pytest.approx(1)
    assert found[1] == pytest.approx([0, 1])
