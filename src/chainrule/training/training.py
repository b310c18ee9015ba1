"""The training loop, which belongs to the caller: iterate it, and do what you like between two reports.

    training = Training(network, images, labels, optimizer=SGD(0.1, momentum=0.9), epochs=10)
    for report in training:
        print(report.epoch, report.loss, report.validation_accuracy)     # break whenever you like
    network = training.result

A progress bar, early stopping, a checkpoint, a plot: each is a body of that loop. It yields only where everything is
whole, and goes on from there when iterated again.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from chainrule.data.deformations import Deformation
from chainrule.data.preparation import Preparation
from chainrule.data.streams import Room, Stream
from chainrule.devices import CPU, Processor
from chainrule.errors import DivergenceError, InputError, ShapeError, ValueRangeError
from chainrule.machine import ONE_BLAS_THREAD, cores
from chainrule.model import BLOCK, LARGE, Model
from chainrule.nn.arrays import (
    SCRATCH,
    Array,
    generator,
    is_number,
    require_array,
    require_count,
    require_labels,
    require_row_numbers,
)
from chainrule.nn.layers import Dropout
from chainrule.nn.losses import Loss, cross_entropy
from chainrule.nn.network import Network
from chainrule.nn.objective import Adversary
from chainrule.nn.optimizers import ExponentialAverage, Optimizer, limit_norms
from chainrule.nn.schedules import Schedule
from chainrule.parallel import ALONE, Ranks
from chainrule.training import state as saved
from chainrule.training.batch import BatchGradient
from chainrule.training.history import History, Report
from chainrule.training.reading import ReadAhead

#: While it runs, training accuracy is measured on this many of the training rows.
SAMPLE = 5_000
#: Additions and multiplications in a matrix product below which a second thread costs more than it does.
WORTH_SHARING = 10_000_000
#: Rows that go through each core at once where a batch is shared out: more than otherwise, as Python threads wait for
#: each other at every call.
SHARED_BLOCK = 2048
#: What a training counts.
_COUNTED = ("epoch", "step", "seconds", "_position")


#: What the arrays of `Training.state` are in words.
_KEPT = {
    "parameters": "parameters",
    "average": "average of the parameters",
    "optimizer.velocity": "optimizer's momentum",
    "optimizer.mean": "optimizer's mean of the gradients",
    "optimizer.square": "optimizer's mean of the gradients' squares",
}


class Steepest(NamedTuple):
    """The largest number in a gradient so far, in which array of θ it was, and at which step."""

    size: float
    name: str
    step: int


class Training:
    """Mini-batch or full-batch gradient descent on labelled pictures.

    Parameters
    ----------
    network : Network
        Trained in place; on another device, a copy of it.
    images : uint8 array, shape (N, height, width), or Stream
        Or float array, shape (N, D), with a `NoPreparation`. A stream is read by the window, see data/streams.py, and
        its accuracies are of a sample until the last report.
    labels : integer array, shape (N,); None for a stream
    optimizer : Optimizer
    preparation : Preparation, optional
        What is done to the pictures; scaling to [0, 1] where not given.
    loss : callable, optional
        See losses.py.
    rows : integer array, optional
        Which pictures to learn from; where not given, all that are not kept for validation.
    validation_rows : integer array, optional
        Which pictures to keep for validation; none of them may be learned from.
    validation : Stream, optional
        What to validate on while learning from a stream.
    sample_weight : float array, shape (N,), optional
        How much each picture counts, 1 where not given: 2 as the picture given twice, 0 as not given. What counts is
        their ratio; see docs/mathematics.md.
    batch_size : int or None
        None takes all pictures at once: gradient descent as in a first tutorial.
    shuffle : bool
        Whether each epoch takes the rows in a new order.
    epochs : int
    schedule : callable, optional
        The learning rate of each step; the optimizer's own where not given.
    deformation : Deformation, optional
        Every picture is deformed anew each time it is learned from.
    adversary : Adversary, optional
        Adds the loss at inputs moved for the worse.
    max_norm : float, optional
        After each step, the greatest length of the weights into a unit.
    average : ExponentialAverage, optional
        Averages θ; the average is then what is evaluated and kept.
    evaluate_every : int
        Epochs between two reports with accuracies.
    train_sample : int
        Of how many of the training rows to measure the accuracy while it runs; 0 for none, at the end neither.
    report_every : int, optional
        Steps between light reports in the middle of an epoch.
    rng : numpy.random.Generator or int, optional
        Shuffles, and draws dropout's masks. The same seed gives the same bits.
    device : Processor, optional
        Where to compute, see devices.py; this computer's processor where not given.
    ranks : Ranks, optional
        The processes that train this network together, see parallel.py; this one alone where not given. All of them
        iterate, and get the same reports.

    Attributes
    ----------
    result : Network, the one to keep
    model : Model, `result` with its preparation (class names "0", "1", …)
    history : History, the reports with accuracies
    examples : int, pictures learned from in an epoch
    epoch, step : int, finished so far
    seconds : float, spent training so far

    Raises
    ------
    DivergenceError
        While iterating, at the step where the loss stops being finite, or at the report where θ or what is kept with
        it does; names step, learning rate and largest gradient. A step whose loss is not finite is not taken. On a
        graphics card the losses are looked at where a report is due, and further steps have been taken by then.
    FailureError
        While iterating, if a graphics card's memory is full, or after an epoch not all ranks hold the same θ.
    ShapeError, DtypeError
        If pictures, labels and network do not fit together, or one of them is no array.
    ValueRangeError
        If there is nothing to learn from, a row is both learned from and kept for validation, a weight is negative or
        not finite, an adversary is to learn with weights, or a setting is out of range.
    """

    def __init__(
        self,
        network: Network,
        images: Array | Stream,
        labels: Array | None = None,
        *,
        optimizer: Optimizer,
        preparation: Preparation | None = None,
        loss: Loss = cross_entropy,
        rows: Array | None = None,
        validation_rows: Array | None = None,
        validation: Stream | None = None,
        sample_weight: Array | None = None,
        batch_size: int | None = 128,
        shuffle: bool = True,
        epochs: int = 10,
        schedule: Schedule | None = None,
        deformation: Deformation | None = None,
        adversary: Adversary | None = None,
        max_norm: float | None = None,
        average: ExponentialAverage | None = None,
        evaluate_every: int = 1,
        train_sample: int = SAMPLE,
        report_every: int | None = None,
        rng: np.random.Generator | int | None = None,
        device: Processor = CPU,
        ranks: Ranks = ALONE,
    ) -> None:
        self.rng = generator(rng)
        self._stream, self._validation = images if isinstance(images, Stream) else None, validation
        self._reading: ReadAhead | None = None
        if isinstance(images, Stream):
            if batch_size is None or any(given is not None for given in (labels, rows, validation_rows, sample_weight)):
                raise InputError("A stream is learned from in batches, all of it alike, and brings its own labels.")
            self._reading = ReadAhead(images, batch_size, int(self.rng.integers(1 << 62)))
            images, labels = self._reading.room.images, self._reading.room.labels
        labels = _require_pictures(images, labels, network.outputs)
        self.optimizer, self.average, self.device, self.ranks = optimizer, average, device, ranks
        with device.at_work():
            self.network = network if device is CPU else network.with_parameters(device.put(network.parameters))
        self.images, self.labels = images, labels.astype(np.int64, copy=False)
        self.rows, self.validation_rows = _choose_rows(rows, validation_rows, len(images))
        if sample_weight is not None:
            self.rows, sample_weight = _weigh(self.rows, sample_weight, len(images), adversary)
        self.preparation = Preparation.fit(images) if preparation is None else preparation
        self.preparation.transform(images[:1])  # refuses now what it would refuse in the first step
        self.schedule = schedule
        if max_norm is not None and not (is_number(max_norm) and max_norm > 0):
            raise ValueRangeError(f"max_norm is {max_norm!r}; expected above 0, or None for none.")
        self.max_norm = max_norm
        self._asked_rate = optimizer.learning_rate  # before a schedule takes over
        if len(self.rows) == 0:
            raise ValueRangeError("There is nothing to learn from: no rows were given.")
        self.examples = len(self.rows) if self._stream is None else self._stream.rows
        self.shuffles = shuffle and batch_size is not None
        self.batch_size = len(self.rows) if batch_size is None else batch_size
        require_count(batch_size=self.batch_size, epochs=epochs, evaluate_every=evaluate_every)
        require_count(0, train_sample=train_sample)
        if self.batch_size < ranks.size:
            raise ValueRangeError(
                f"A batch of {self.batch_size} cannot be shared out among {ranks.size} ranks. Take a larger batch, or "
                f"start fewer."
            )
        if report_every is not None:
            require_count(report_every=report_every)
        self.epochs, self.evaluate_every, self.report_every = epochs, evaluate_every, report_every
        self._begin()
        self._sample = self.rows[:: math.ceil(len(self.rows) / train_sample)] if train_sample else None
        _ = self.model  # refuses a preparation for another network
        dropout = any(isinstance(layer, Dropout) for layer in network.layers)
        draws = dropout or deformation is not None or adversary is not None  # one stream cannot serve two threads
        parts = 1 if draws or self.batch_size < LARGE * ranks.size or device is not CPU else cores()
        block = device.block(BLOCK) if parts == 1 else SHARED_BLOCK
        if not draws:  # else the blocks are as in one process, and so is the order of what is drawn
            block *= ranks.size
        block = min(self.batch_size, block)
        given = (images, self.labels, self.preparation, self.network, block, loss, deformation, adversary, device)
        with device.at_work():
            self._batches = [BatchGradient(*given, ranks, sample_weight) for _ in range(parts)]

    def _begin(self) -> None:
        """Nothing is learned yet."""
        self.epoch = self.step = 0
        self.seconds = 0.0
        self.history = History()
        self._position = 0  # rows of this epoch that are done
        self._paused = self._others_paused = False
        self._order = self.rows
        self._losses: list[Any] = []  # since the last report with accuracies; on the device until a report
        self._worst = -math.inf  # the largest loss so far
        self._steepest = Steepest(0.0, "", 0)

    @property
    def batch(self) -> BatchGradient:
        """Where ∂ℓ/∂θ of the last batch is."""
        return self._batches[0]

    @property
    def validation_examples(self) -> int:
        """Pictures kept for validation."""
        if self._stream is not None:
            return 0 if self._validation is None else self._validation.rows
        return 0 if self.validation_rows is None else len(self.validation_rows)

    @property
    def steps_per_epoch(self) -> int:
        """Updates of θ in one pass over the rows."""
        return math.ceil(self.examples / self.batch_size)

    @property
    def result(self) -> Network:
        """The network to keep: the average where there is one."""
        there = self._result_there
        return there if self.device is CPU else there.with_parameters(self.device.get(there.parameters))

    @property
    def _result_there(self) -> Network:
        """The network to keep, on the device."""
        if self.average is None or self.average.parameters is None:
            return self.network
        return self.network.with_parameters(self.average.parameters)

    @property
    def model(self) -> Model:
        """The result with its preparation, ready to predict."""
        return Model(self.result, self.preparation, tuple(str(c) for c in range(self.network.outputs)))

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Everything that a training which goes on needs, between two reports: arrays by name, and the rest as JSON."""
        numbers = {name: getattr(self, name) for name in _COUNTED}
        numbers |= {
            "optimizer_steps": self.optimizer.steps,
            "learning_rate": self.optimizer.learning_rate,
            "rng": self.rng.bit_generator.state,
            "history": self.history.columns(),
            "updates": 0,
        }
        if self._reading is not None:
            numbers["order_seed"] = self._reading.seed
        if self.average is not None and self.average.parameters is not None:
            numbers["updates"] = self.average.updates
        return self._arrays(), numbers

    def _arrays(self) -> dict[str, Array]:
        """The arrays of `state`."""
        get = self.device.get
        order = self._order if self._reading is None else self._order[:0]  # which follows from a seed
        losses = np.array(self._losses, float)
        arrays = {"parameters": get(self.network.parameters), "order": order, "losses": losses}
        arrays |= {f"optimizer.{name}": get(array) for name, array in self.optimizer.state.items()}
        if self.average is not None and self.average.parameters is not None:
            arrays["average"] = get(self.average.parameters)
        return arrays

    def restore(self, arrays: dict[str, Array], numbers: dict[str, Any]) -> None:
        """Go on from where another training with the same settings and data was; the next bits are what its were.

        Parameters
        ----------
        arrays, numbers : as from `state`

        Raises
        ------
        ShapeError
            If an array does not have the shape of what it is to replace.
        InputError
            If something is missing, or is no state of such a training.

        After either of them the training is as it was.
        """
        self._require_state(arrays, numbers)
        history = History.from_columns(numbers["history"])
        put = self.device.put
        self.network.parameters[...] = put(arrays["parameters"])
        self._order, self._losses, self.history = arrays["order"].copy(), arrays["losses"].tolist(), history
        if self._reading is not None:
            self._reading.seed = numbers["order_seed"]
        remembered = self.optimizer.remembers if numbers["optimizer_steps"] else ()
        self.optimizer.state = {name: put(arrays[f"optimizer.{name}"].copy()) for name in remembered}
        self.optimizer.steps, self.optimizer.learning_rate = numbers["optimizer_steps"], numbers["learning_rate"]
        if self.average is not None:
            self.average.updates = numbers["updates"]
            self.average.parameters = put(arrays["average"].copy()) if self.average.updates else None
        self.rng.bit_generator.state = numbers["rng"]
        for name in _COUNTED:
            setattr(self, name, numbers[name])

    def _require_state(self, arrays: dict[str, Array], numbers: dict[str, Any]) -> None:
        """Refuse what this training cannot go on from."""
        saved.require_names("numbers", numbers, self.state()[1])
        saved.require_progress(numbers, rows=self.examples, batch_size=self.batch_size, epochs=self.epochs)
        step, most = numbers["step"], saved.MOST_STEPS
        saved.require_whole(step, most, optimizer_steps=numbers["optimizer_steps"])
        saved.require_whole(*((0, 0) if self.average is None else (step, most)), updates=numbers["updates"])
        floats = [f"optimizer.{name}" for name in self.optimizer.remembers] if numbers["optimizer_steps"] else []
        floats += ["parameters", "average"] if numbers["updates"] else ["parameters"]
        saved.require_names("arrays", arrays, ["order", "losses", *floats])
        saved.require_floats_like(self.network.parameters, {name: arrays[name] for name in floats})
        if self._reading is None:
            saved.require_order(arrays["order"], self.rows, shuffled=self.shuffles)
        else:
            saved.require_like("order", arrays["order"], self._order[:0])
            saved.require_whole(0, 1 << 62, order_seed=numbers["order_seed"])
        saved.require_losses(arrays["losses"], step)
        saved.require_generator(self.rng, numbers["rng"])

    def __iter__(self) -> Iterator[Report]:
        while self.epoch < self.epochs:
            yield self._advance()

    def pause(self) -> None:
        """Ask for a report right after the step that is being taken, where everything is whole.

        It may be called at any moment, from a signal's handler or another thread too. Who iterates then decides whether
        to go on.
        """
        self._paused = True

    def _advance(self) -> Report:
        """Train until the next report is due."""
        started = time.perf_counter()
        with self.at_work():
            while True:
                self._take_step(self._next_rows())
                if self._position == self.examples:
                    self._position = 0
                    self.epoch += 1
                    if self.epoch == self.epochs or self.epoch % self.evaluate_every == 0:
                        break
                if self._is_to_pause() or self._light_report_is_due():
                    self._bring_losses()
                    self.seconds += time.perf_counter() - started
                    return self._report(None, None)
        with quiet(), self.device.at_work():
            self._bring_losses()
            return self._evaluate(started)

    def _is_to_pause(self) -> bool:
        """Whether a report was asked for. Ranks go by what all knew when they last summed up: all stop, or none."""
        return self._others_paused if self.ranks.size > 1 else self._paused

    def _light_report_is_due(self) -> bool:
        """Whether this is a place in the middle of an epoch that was asked for."""
        return bool(self._position and self.report_every and self.step % self.report_every == 0)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """NumPy's and BLAS's settings while steps are taken."""
        shared_out = len(self._batches) > 1
        # With one thread θ stays in one core's cache from step to step.
        small = _largest_product(self.network, self.batch) < WORTH_SHARING
        one_thread = ONE_BLAS_THREAD if shared_out or small else contextlib.nullcontext()
        with quiet(), one_thread, self.device.at_work():
            yield

    def _next_rows(self) -> Array:
        """Which pictures the next step learns from; a new order at the start of each epoch, or of a stream's window."""
        start = self._position
        if self._reading is not None:
            index, start = divmod(self._position, self._reading.rows)
            if start == 0 or len(self._order) == 0:
                self._open_window(self._reading.window(self.epoch, index))
        elif start == 0 and self.shuffles:
            self._order = self.rng.permutation(self.rows)
        rows = self._order[start : start + self.batch_size]
        self._position += len(rows)
        return rows

    def _open_window(self, room: Room) -> None:
        """Learn from that part of a stream from now on."""
        for batch in self._batches:
            batch.gatherer.use(room.images, room.labels)
        self._order = room.order

    def _take_step(self, rows: Array) -> None:
        """One update of θ."""
        if self.schedule is not None:
            self.optimizer.learning_rate = self.schedule(self.step)
        loss = self._compute_gradient(rows)
        if self.ranks.size > 1:
            loss = self._sum_up(loss)
        if self.device.waits:
            self._look_at(loss)
        self.optimizer.step(self.network, self.batch.gradient)
        if self.max_norm is not None:
            limit_norms(self.network, self.max_norm)
        if self.average is not None:
            self.average.update(self.network.parameters)
        self._losses.append(loss)
        self.step += 1

    def _sum_up(self, loss: float) -> float:
        """All ranks' loss, and their gradients' sum in place of each one's own."""
        gradient = self.device.get(self.batch.gradient)
        own = self.device.numbers([loss])[0]
        loss, self._others_paused = self.ranks.sum(gradient, own, self._paused)
        if self.device is not CPU:
            self.batch.gradient[...] = self.device.put(gradient)
        return loss

    def _look_at(self, loss: float) -> None:
        """Stop at a loss that is not finite, before its step is taken; remember the gradient of the largest."""
        if not math.isfinite(loss):
            raise self._divergence(f"The loss became {loss}", self.step + 1, self.epoch + 1)
        if loss > self._worst:  # a healthy training comes here a few times, a diverging one at each step
            self._worst = loss
            self._note_gradient(self.step + 1)

    def _bring_losses(self) -> None:
        """Bring the losses here that are still on the device, and look at them."""
        if self.device.waits:
            return
        self._losses = self.device.numbers(self._losses)
        for step, loss in enumerate(self._losses, start=self.step - len(self._losses) + 1):
            if not math.isfinite(loss):
                raise self._divergence(f"The loss became {loss}", step, (step - 1) // self.steps_per_epoch + 1)

    def _compute_gradient(self, rows: Array) -> float:
        """ℓ of a batch, and ∂ℓ/∂θ in `batch.gradient`. A large batch is shared out, a part to each core."""
        if len(self._batches) == 1:
            return self.batch.compute(self.network, rows, self.rng, len(rows))

        def compute(batch: BatchGradient, part: Array) -> float:
            with quiet():  # which NumPy has anew in each thread
                return batch.compute(self.network, part, self.rng, len(rows))

        parts = [part for part in np.array_split(rows, len(self._batches)) if len(part)]
        with ThreadPoolExecutor(len(parts)) as pool:
            loss = sum(pool.map(compute, self._batches, parts))
        for other in self._batches[1 : len(parts)]:
            np.add(self.batch.gradient, other.gradient, out=self.batch.gradient)
        return loss

    def _evaluate(self, started: float) -> Report:
        """A report with accuracies. The last one's training accuracy is on all rows, and off the clock."""
        self._require_finite()
        self.ranks.require_equal(self.device.get(self.network.parameters), f"After epoch {self.epoch}")
        last = self.epoch == self.epochs
        if self._stream is not None:
            validation = None if self._validation is None else self._stream_accuracy(self._validation.parts())
            sample = self._stream_accuracy(self._stream.sample())
            self.seconds += time.perf_counter() - started
            return self._record(self._stream_accuracy(self._stream.parts()) if last else sample, validation)
        model = self.model if self.device.waits else None  # a graphics card is asked where it is
        validation = None
        if self.validation_rows is not None and len(self.validation_rows):
            validation = self._accuracy(model, self.validation_rows)
        train = None if self._sample is None else self._accuracy(model, self._sample)
        self.seconds += time.perf_counter() - started
        train = self._accuracy(model, self.rows) if last and train is not None else train
        return self._record(train, validation)

    def _record(self, train: float | None, validation: float | None) -> Report:
        """A report with accuracies, kept in the history."""
        report = self._report(train, validation)
        self.history.append(report)
        self._losses.clear()
        return report

    def _accuracy(self, model: Model | None, rows: Array) -> float:
        own = rows[self.ranks.part(len(rows))]
        if model is None:
            right: float = self.batch.count_right(self._result_there, own)
        else:
            right = self._count_right(model, self.images, self.labels, own)
        return self._over_all(right, len(rows))

    def _stream_accuracy(self, parts: Iterable[tuple[Array, Array]]) -> float:
        """Of what may be too much for memory."""
        model, right, total = self.model, 0.0, 0
        for images, labels in parts:
            right += self._count_right(model, images, labels, np.arange(len(labels))[self.ranks.part(len(labels))])
            total += len(labels)
        return self._over_all(right, total)

    @staticmethod
    def _count_right(model: Model, images: Array, labels: Array, rows: Array) -> float:
        """NaN where θ is finite and too large to be multiplied: all ranks must hear of it before one of them stops."""
        try:
            return int(np.count_nonzero(model.predict(images, rows) == labels[rows]))
        except ValueRangeError:
            return math.nan

    def _over_all(self, right: float, total: int) -> float:
        """The accuracy, as every rank has counted its own share."""
        right = self.ranks.total(right)
        if math.isnan(right):
            raise self._divergence("The network's outputs stopped being finite", self.step, self.epoch)
        return right / total

    def _require_finite(self) -> None:
        """Look at all that is kept: there may be no next step whose loss would tell, or the loss may not tell."""
        for name, array in self._arrays().items():
            if not np.isfinite(array).all():
                raise self._divergence(f"The {_KEPT.get(name, name)} stopped being finite", self.step, self.epoch)

    def _note_gradient(self, step: int) -> None:
        """Remember the largest number of a gradient, for the message of a divergence."""
        for block in self.network.layout:
            part = self.batch.gradient[block.slice]
            size = max(float(part.max()), -float(part.min()))
            if not size <= self._steepest.size:  # NaN is larger than all
                self._steepest = Steepest(math.inf if math.isnan(size) else size, block.name, step)

    def _divergence(self, what: str, step: int, epoch: int) -> DivergenceError:
        now = self.optimizer.learning_rate
        asked = now if self.schedule is None else getattr(self.schedule, "rate", self._asked_rate)
        rate = "" if self.schedule is None else f", where the schedule had come to {now:g}"
        if not self._steepest.name or np.isfinite(self.batch.gradient).all():
            self._note_gradient(step)
        size, name, when = self._steepest
        gradient = f"The largest gradient, {size:.3g}, was in {name} at step {when}. " if size else ""
        return DivergenceError(
            f"{what} at step {step} (epoch {epoch}){rate}. {gradient}Is the learning rate of {asked:g} too large? "
            f"Try {asked / 10:g}."
        )

    def _report(self, train: float | None, validation: float | None) -> Report:
        self._paused = self._others_paused = False  # whoever asked has one now
        loss = math.fsum(self._losses) / len(self._losses)
        return Report(self.epoch, self.step, loss, train, validation, self.seconds, self.optimizer.learning_rate)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """NumPy's settings while steps are taken: little scratch, and no warnings, as each step looks at its own loss."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # puts the next line's setting back as well
        np.setbufsize(SCRATCH)
        yield


def _largest_product(network: Network, batch: BatchGradient) -> int:
    """Additions and multiplications in the largest matrix product of a block."""
    widths = (network.inputs, *network.widths)
    return 2 * batch.capacity * max(n_in * n_out for n_in, n_out in itertools.pairwise(widths))


def fit(network: Network, images: Array, labels: Array, **settings: Any) -> tuple[Network, History]:
    """Train to the end: `Training` for those who want no loop.

    Parameters
    ----------
    network, images, labels, **settings
        As for `Training`.

    Returns
    -------
    network : Network, the one to keep
    history : History
    """
    training = Training(network, images, labels, **settings)
    for _ in training:
        pass
    return training.result, training.history


def _require_pictures(images: Array, labels: Array | None, classes: int) -> Array:
    """Refuse anything but pictures, at least one, and their labels; the labels."""
    require_array("images", images)
    if images.ndim == 0 or len(images) == 0:
        raise ValueRangeError("There is nothing to learn from: no pictures were given.")
    if labels is None:
        raise InputError("There are no labels to learn from; expected one for each picture.")
    require_labels(labels, len(images), classes)
    return labels


def _choose_rows(rows: Array | None, validation_rows: Array | None, count: int) -> tuple[Array, Array | None]:
    """Which pictures to learn from and which to validate on: no picture is in both."""
    held_out = np.zeros(count, bool)
    if validation_rows is not None:
        validation_rows = require_row_numbers("validation_rows", validation_rows, count)
        held_out[validation_rows] = True
    rows = np.flatnonzero(~held_out) if rows is None else require_row_numbers("rows", rows, count)
    both = rows[held_out[rows]]
    if len(both):
        raise ValueRangeError(
            f"{len(both)} rows are both learned from and kept for validation, picture {both[0]} first; expected none."
        )
    return rows, validation_rows


def _weigh(rows: Array, sample_weight: Array, count: int, adversary: Adversary | None) -> tuple[Array, Array]:
    """The rows that count, and the weights divided by their mean over those rows.

    A batch is then divided by its number of rows, as without weights, and its gradient is right on the average.
    """
    if adversary is not None:
        raise ValueRangeError("An adversary does not know weights; expected sample_weight or adversary.")
    require_array("sample_weight", sample_weight)
    if sample_weight.shape != (count,) or sample_weight.dtype.kind not in "fiu":
        raise ShapeError(f"sample_weight is {sample_weight.dtype} {sample_weight.shape}; expected floats ({count},).")
    if not ((sample_weight >= 0) & (sample_weight < math.inf)).all():  # which NaN is not
        raise ValueRangeError("sample_weight has NaN, infinite or negative numbers; expected finite, at least 0.")
    rows = rows[sample_weight[rows] > 0]
    if len(rows) == 0:
        raise ValueRangeError("There is nothing to learn from: every weight is zero.")
    return rows, sample_weight / np.mean(sample_weight[rows], dtype=np.float64)
