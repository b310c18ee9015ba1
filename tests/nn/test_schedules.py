import itertools

import pytest

from chainrule.errors import ValueRangeError
from chainrule.nn.schedules import Constant, ExponentialDecay, InverseScaling, StepDecay, WarmupCosine


def rates(schedule, steps):
    return [schedule(step) for step in range(steps)]


def test_constant_stays():
    assert rates(Constant(0.3), 3) == [0.3, 0.3, 0.3]


def test_step_decay_drops_every_so_many_steps():
    assert rates(StepDecay(8.0, every=2, factor=0.5), 7) == [8, 8, 4, 4, 2, 2, 1]


def test_step_decay_drops_to_a_tenth_if_nobody_says():
    assert StepDecay(1.0, every=5)(5) == pytest.approx(0.1)


def test_exponential_decay_loses_the_same_fraction_every_step():
    assert rates(ExponentialDecay(8.0, 0.5), 4) == [8, 4, 2, 1]


def test_inverse_scaling_falls_with_the_examples_of_the_passes_before():
    schedule = InverseScaling(6.0, examples=4, every=2)  # √(1 + 4·2) = 3
    assert rates(schedule, 2) == [6, 6]
    assert rates(schedule, 6)[4:] == [2, 2]
    assert InverseScaling(6.0, examples=2, every=1, power=1.0)(1) == 2


def test_cosine_without_warmup_starts_at_the_rate_and_ends_at_zero():
    schedule = WarmupCosine(2.0, total=6)
    # ½(1 + cos(π s/6)): 1, ¾ at s = 2, ½ at 3, ¼ at 4, 0 at 6
    assert [schedule(s) for s in (0, 2, 3, 4, 6)] == pytest.approx([2.0, 1.5, 1.0, 0.5, 0.0])


def test_warmup_rises_in_a_line_to_the_rate_and_the_cosine_begins_there():
    schedule = WarmupCosine(4.0, total=10, warmup=4)
    assert rates(schedule, 4) == [1.0, 2.0, 3.0, 4.0]
    assert [schedule(s) for s in (4, 6, 7, 8, 10)] == pytest.approx([4.0, 3.0, 2.0, 1.0, 0.0])


def test_the_cosine_stays_at_zero_after_the_end():
    assert rates(WarmupCosine(1.0, total=3), 6)[3:] == pytest.approx([0.0, 0.0, 0.0])


def test_the_cosine_never_rises():
    after = rates(WarmupCosine(1.0, total=50, warmup=7), 60)[7:]
    assert all(later <= earlier for earlier, later in itertools.pairwise(after))


@pytest.mark.parametrize("warmup", [5, 1])
def test_warmup_may_take_all_the_time_there_is(warmup):
    schedule = WarmupCosine(1.0, total=5, warmup=warmup)
    assert rates(schedule, warmup) == pytest.approx([(s + 1) / warmup for s in range(warmup)])


def test_schedules_with_the_same_numbers_are_equal():
    assert WarmupCosine(0.1, 10) == WarmupCosine(0.1, 10)
    assert StepDecay(0.1, 10) != StepDecay(0.1, 11)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("rate", [NAN, INF, -0.1, "0.1", None])
@pytest.mark.parametrize(
    "make",
    [
        Constant,
        lambda rate: StepDecay(rate, 10),
        lambda rate: ExponentialDecay(rate, 0.9),
        lambda rate: InverseScaling(rate, 10, 1),
        lambda r: WarmupCosine(r, 9),
    ],
)
def test_a_rate_is_a_finite_number(make, rate):
    with pytest.raises(ValueRangeError, match="rate is"):
        make(rate)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StepDecay(0.1, 0), "every is 0"),
        (lambda: StepDecay(0.1, -5), "every is -5"),
        (lambda: StepDecay(0.1, 2.5), "every is 2.5"),
        (lambda: StepDecay(0.1, 10, factor=NAN), "factor is nan"),
        (lambda: StepDecay(0.1, 10, factor=10), "factor is 10; expected at most 1"),
        (lambda: ExponentialDecay(0.1, 2.0), "factor is 2.0; expected at most 1"),
        (lambda: ExponentialDecay(0.1, -0.5), "factor is -0.5"),
        (lambda: WarmupCosine(0.1, 0), "total is 0"),
        (lambda: WarmupCosine(0.1, -10), "total is -10"),
        (lambda: WarmupCosine(0.1, 10.5), "total is 10.5"),
        (lambda: WarmupCosine(0.1, 10, warmup=-1), "warmup is -1"),
        (lambda: WarmupCosine(0.1, 5, warmup=8), "warmup is 8 of 5 steps"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueRangeError, match=message):
        make()


@pytest.mark.parametrize(
    "schedule", [Constant(0.1), StepDecay(0.1, 10), ExponentialDecay(0.1, 0.5), WarmupCosine(0.1, 10, warmup=2)]
)
def test_there_is_no_step_before_the_first(schedule):
    with pytest.raises(ValueRangeError, match="no step -5000"):
        schedule(-5000)


def test_a_decay_of_any_length_ends_at_zero():
    assert ExponentialDecay(0.1, 0.5)(10**6) == StepDecay(0.1, 1)(10**6) == 0
