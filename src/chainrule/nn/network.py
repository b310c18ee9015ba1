"""The network: layers in a row, over one flat vector of parameters θ.

Follow one batch through it:

    trace    = network.forward(x, rng=rng)           # every layer's output, in order; rng: we are training
    loss, d  = cross_entropy(trace.output, labels)   # ℓ and ∂ℓ/∂output
    gradient = network.backward(trace, d)            # ∂ℓ/∂θ, one flat array like θ
    optimizer.step(network, gradient)                # θ ← θ − …, in place

The network holds θ and nothing else; the `Trace` holds the batch. So two threads with two traces can share it.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import DtypeError, FailureError, InputError, ShapeError, UnknownNameError, ValueRangeError
from chainrule.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from chainrule.nn.arrays import (
    FLOATS,
    Array,
    float_dtype,
    generator,
    is_whole,
    require_array,
    require_finite,
    require_rows,
    require_writable,
    with_little_scratch,
)
from chainrule.nn.initializers import Initializer, he_normal, zeros
from chainrule.nn.layers import Dense, Dropout, Layer

LAYERS: dict[str, type[Layer]] = {kind.kind: kind for kind in (Dense, ReLU, LeakyReLU, Tanh, Sigmoid, Dropout)}
ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
}


#: More parameters than any machine's memory has room for; NumPy has other words for them than "memory".
LARGEST = 1 << 50


class Block(NamedTuple):
    """Where one array of parameters lies in θ."""

    name: str
    slice: slice
    shape: tuple[int, ...]
    decays: bool

    def view(self, flat: Array) -> Array:
        """This block of θ, of a gradient or of a momentum, in its own shape."""
        return flat[self.slice].reshape(self.shape)


class Network:
    """Layers in a row, over one flat vector of parameters.

    Parameters
    ----------
    layers : sequence of Layer
        At least one `Dense`. They are copied and bound to θ; the originals are left as they were.
    rng : numpy.random.Generator or int, optional
        Draws the initial weights.
    dtype : float dtype, optional
        float32 to train, float64 to check.
    parameters : float array, shape (P,), optional
        θ itself, borrowed and not copied, instead of drawing it. It may be read-only for a network that predicts.

    Attributes
    ----------
    layers : tuple of Layer, each `weight` and `bias` a view into θ
    parameters : float array, shape (P,), contiguous; θ
    layout : tuple of Block, one for each array in θ: name, slice, shape, and whether weight decay applies
    inputs, outputs : int, the width of a row that goes in (D) and comes out (C)
    size : int, the number of parameters (P)

    Raises
    ------
    ShapeError
        If neighbouring layers do not fit, there is nothing to learn, or θ has another size.
    DtypeError
        If θ is neither float32 nor float64, or no array.
    FailureError
        If θ does not fit into memory.
    """

    def __init__(
        self,
        layers: Iterable[Layer],
        *,
        rng: np.random.Generator | int | None = None,
        dtype: Any = np.float32,
        parameters: Array | None = None,
    ) -> None:
        specs = tuple(layers)
        if not any(isinstance(layer, Dense) for layer in specs):
            raise ShapeError("A network needs at least one Dense layer; without it there is nothing to learn.")
        self.inputs = next(layer.inputs for layer in specs if isinstance(layer, Dense))
        self.widths = tuple(_widths(specs, self.inputs))
        self.outputs = self.widths[-1]
        self._blocks = _blocks_by_layer(specs)
        self._first_learning = next(i for i, blocks in enumerate(self._blocks) if blocks)
        self.layout = tuple(block for blocks in self._blocks for block in blocks.values())
        self.size = self.layout[-1].slice.stop
        if parameters is None:
            parameters = _draw(specs, self.layout, generator(rng), float_dtype(dtype))
        _require_flat("parameters", parameters, self.size)
        self.parameters = parameters
        self.layers = tuple(layer.bind(views) for layer, views in zip(specs, self._views(parameters), strict=True))

    @property
    def dtype(self) -> np.dtype[Any]:
        """θ's dtype, and so that of everything that goes through."""
        return self.parameters.dtype

    def with_parameters(self, parameters: Array) -> Network:
        """The same network on another θ: an average, float64 for a check, another device."""
        return Network(self.layers, parameters=parameters)

    def __reduce__(self) -> tuple[Callable[..., Network], tuple[Any, ...]]:
        """Bind the layers of a copy or a pickle to its own θ; NumPy alone would copy every view apart."""
        return _rebuilt, (self.layers, self.parameters)

    def configuration(self) -> list[dict[str, Any]]:
        """The layers as JSON; `Network.from_configuration` builds them again."""
        return [layer.configuration() for layer in self.layers]

    @staticmethod
    def from_configuration(configuration: Sequence[dict[str, Any]], parameters: Array) -> Network:
        """The network that `configuration()` describes, on the given θ.

        Parameters
        ----------
        configuration : sequence of dict
            One for each layer: its `kind`, and its settings by name.
        parameters : float array, shape (P,)

        Raises
        ------
        UnknownNameError
            If there is no layer of a kind that is asked for.
        InputError
            If a layer has no kind, or settings that its kind does not take; names the layer, counted from 1.
        ShapeError, DtypeError
            As from `Network`.
        """
        layers = [_layer_from(number, settings) for number, settings in enumerate(configuration, start=1)]
        return Network(layers, parameters=parameters)

    def trace(self, capacity: int, *, keep_all: bool = False) -> Trace:
        """Room for a batch of up to `capacity` examples.

        With `keep_all`, no activation is written over the z before it, so that both can be looked at. The
        numbers are the same, bit for bit.
        """
        return Trace(self, capacity, keep_all=keep_all)

    @with_little_scratch
    def forward(self, x: Array, *, rng: np.random.Generator | None = None, into: Trace | None = None) -> Trace:
        """Send a batch through all layers.

        Parameters
        ----------
        x : float array, shape (N, D), θ's dtype; borrowed until `backward`
        rng : numpy.random.Generator, optional
            With one the network trains (dropout drops), without it predicts.
        into : Trace, optional
            Written again instead of making a new one; nothing of the batch's size is then allocated.

        Returns
        -------
        trace : Trace
            `trace.outputs[i]` is what layer i gave, shape (N, width), and `trace.output` the last of them.

        Raises
        ------
        ShapeError, DtypeError
            If x is no array, not (N, D) or not θ's dtype; nothing is cast.
        InputError
            If rng is a seed instead of a generator.
        ValueRangeError
            If x is not finite; not looked for with `into`.
        """
        if rng is not None and not hasattr(rng, "bit_generator"):
            raise InputError(f"rng is {rng!r}; expected a generator, numpy.random.default_rng(0), made once.")
        require_rows("x", x, self.inputs, self.dtype)
        if into is None:  # on the hot path the loss tells, and nobody pays for looking at every number
            require_finite("x", x)
        trace = self.trace(len(x)) if into is None else into
        trace.receive(x, self)
        for i, layer in enumerate(self.layers):
            trace.outputs[i] = layer.forward(trace.input_of(i), trace.room[i], trace.workspaces[i], rng)
        return trace

    @with_little_scratch
    def backward(
        self,
        trace: Trace,
        d: Array,
        *,
        into: Array | None = None,
        add: bool = False,
        input_gradient: bool = False,
    ) -> Array:
        """Walk back through the layers, applying the chain rule to each.

        Parameters
        ----------
        trace : Trace, from `forward`
        d : float array, shape (N, C); ∂ℓ/∂output. May be overwritten.
        into : float array, shape (P,), optional
            Receives the gradient.
        add : bool
            Add to `into`, where given, instead of replacing it, for a batch that comes in parts.
        input_gradient : bool
            Leave ∂ℓ/∂x, shape (N, D), in `trace.d_input`.

        Returns
        -------
        gradient : float array, shape (P,); ∂ℓ/∂θ, laid out as θ is

        Raises
        ------
        ShapeError, DtypeError
            If d is not like the trace's output, or `into` not like θ, or one of them no array.
        InputError
            If `into` is read-only, the trace was not written by this network's `forward`, or d was written over an
            output that is still needed.
        """
        self._require_on_the_way_back(trace, d)
        add = add and into is not None
        gradient = np.empty_like(self.parameters) if into is None else into
        _require_flat("into", gradient, self.size, self.dtype)
        require_writable("into", gradient)
        part = trace.part if add else gradient
        views = trace.views_of(part, self)
        first = 0 if input_gradient else self._first_learning
        for i in range(len(self.layers) - 1, first - 1, -1):
            d = self._through(i, trace, d, views[i], wanted=i > first or input_gradient)
        trace.d_input = d if input_gradient else None
        return np.add(gradient, part, out=gradient) if add else gradient

    @with_little_scratch
    def input_gradient(self, trace: Trace, d: Array) -> Array:
        """∂ℓ/∂x alone, and not θ's gradient, which saves a third of the way back.

        Parameters
        ----------
        trace : Trace, from `forward`
        d : float array, shape (N, C); ∂ℓ/∂output. May be overwritten.

        Returns
        -------
        d_x : float array, shape (N, D); ∂ℓ/∂x, in the trace's room

        Raises
        ------
        ShapeError, DtypeError, InputError
            As from `backward`.
        """
        self._require_on_the_way_back(trace, d)
        for i in range(len(self.layers) - 1, -1, -1):
            d = self._through(i, trace, d, {}, wanted=True)
        return d

    def _through(self, i: int, trace: Trace, d: Array, views: dict[str, Array], *, wanted: bool) -> Array:
        """Back through layer i; `wanted`: somebody asks for ∂ℓ/∂(its input)."""
        layer = self.layers[i]
        d_x = trace.room_for_d_input(i) if wanted and not layer.elementwise else None
        return layer.backward(trace.input_of(i), trace.outputs[i], d, d_x, trace.workspaces[i], views)

    def _require_on_the_way_back(self, trace: Trace, d: Array) -> None:
        """Refuse what does not belong together."""
        require_rows("d", d, self.outputs, self.dtype)
        if trace.network is not self:
            raise InputError("This trace does not hold a batch of this network; call network.forward first.")
        if len(d) != trace.rows:
            raise ShapeError(f"d has {len(d)} rows, the trace {trace.rows}; expected one row for each example.")
        if not isinstance(self.layers[-1], Dense) and np.may_share_memory(d, trace.output):
            raise InputError(
                f"d was written over the output of {type(self.layers[-1]).__name__}, whose derivative needs it; "
                "give the loss another out= (or none)."
            )

    def _views(self, flat: Array) -> list[dict[str, Array]]:
        """For each layer, its parameters' places in θ or in a gradient, by name."""
        return [{name: block.view(flat) for name, block in blocks.items()} for blocks in self._blocks]


class Trace:
    """One batch on its way through a network: what each layer gave, and what the way back needs.

    It has room for `capacity` examples and serves smaller batches with its leading rows. An activation that
    follows a Dense layer is written over it where its derivative allows (ReLU, tanh, …), unless `keep_all`.

    Attributes
    ----------
    x : float array, shape (N, D); the batch, borrowed
    outputs : list of float arrays, one for each layer, shape (N, width)
    output : float array, shape (N, C); the last of them
    d_input : float array, shape (N, D), or None; ∂ℓ/∂x where `backward` was asked for it
    rows, capacity : int; N, and the largest N there is room for
    network : Network, or None; whose `forward` wrote here last
    """

    def __init__(self, network: Network, capacity: int, *, keep_all: bool = False) -> None:
        if not is_whole(capacity) or capacity < 1:
            raise ShapeError(f"A trace needs room for a whole number of examples, at least one, not {capacity!r}.")
        self.capacity = capacity
        self.widths = (network.inputs, *network.widths)
        self.network: Network | None = None
        self._kinds = tuple(map(type, network.layers))
        self._like = np.empty_like(network.parameters, shape=0)
        self._buffers = self._output_buffers(network.layers, keep_all)
        self._workspaces = [
            layer.new_workspace(capacity, width, self._like)
            for layer, width in zip(network.layers, network.widths, strict=True)
        ]
        self._d_inputs: dict[int, Array] = {}
        self._part: Array | None = None
        self._viewed: tuple[Array, list[dict[str, Array]]] | None = None
        self._size = network.size
        self.d_input: Array | None = None
        self._use_rows(capacity)

    def _output_buffers(self, layers: Sequence[Layer], keep_all: bool) -> list[Array]:
        buffers: list[Array] = []
        for i, layer in enumerate(layers):
            if layer.overwrites and not keep_all and i > 0 and isinstance(layers[i - 1], Dense):
                buffers.append(buffers[-1])
            else:
                buffers.append(np.empty_like(self._like, shape=(self.capacity, self.widths[i + 1])))
        return buffers

    def _use_rows(self, rows: int) -> None:
        self.rows = rows
        self.room = [buffer[:rows] for buffer in self._buffers]
        self.workspaces = [workspace[:rows] for workspace in self._workspaces]
        self.outputs = list(self.room)

    @property
    def output(self) -> Array:
        """What the last layer gave, shape (N, C)."""
        return self.outputs[-1]

    def receive(self, x: Array, network: Network) -> None:
        """Take in a new batch; what was here before is overwritten."""
        if network is not self.network:
            fits = self._kinds == tuple(map(type, network.layers)) and self._like.dtype == network.dtype
            if not fits or self.widths != (network.inputs, *network.widths):
                raise ShapeError("This trace was made for another network; make one with network.trace(capacity).")
        if len(x) > self.capacity:
            raise ShapeError(f"x has {len(x)} rows, the trace room for {self.capacity}; make a larger one.")
        self.network, self.x = network, x
        if len(x) != self.rows:
            self._use_rows(len(x))

    def input_of(self, i: int) -> Array:
        """What layer i was given."""
        return self.x if i == 0 else self.outputs[i - 1]

    def room_for_d_input(self, i: int) -> Array:
        """Room for ∂ℓ/∂(input of layer i), made when first asked for."""
        if i not in self._d_inputs:
            self._d_inputs[i] = np.empty_like(self._like, shape=(self.capacity, self.widths[i]))
        return self._d_inputs[i][: self.rows]

    def __getstate__(self) -> dict[str, Any]:
        """Without the views: NumPy copies them apart from what they are views of."""
        return {**self.__dict__, "_viewed": None}

    def views_of(self, gradient: Array, network: Network) -> list[dict[str, Array]]:
        """The layers' places in a gradient, cut out once as long as the same array receives it."""
        if self._viewed is None or self._viewed[0] is not gradient:
            self._viewed = gradient, network._views(gradient)
        return self._viewed[1]

    @property
    def part(self) -> Array:
        """Room for the gradient of one part of a batch, made when first asked for."""
        if self._part is None:
            self._part = np.empty_like(self._like, shape=self._size)
        return self._part


def multilayer_perceptron(
    widths: Sequence[int],
    *,
    activation: str | Callable[[], Layer] = "relu",
    initializer: Initializer = he_normal,
    bias_initializer: Initializer = zeros,
    input_dropout: float = 0.0,
    hidden_dropout: float = 0.0,
    rng: np.random.Generator | int | None = None,
    dtype: Any = np.float32,
) -> Network:
    """Dense layers of the given widths with an activation between them: (784, 128, 10) has one hidden layer.

    Parameters
    ----------
    widths : sequence of int
        Inputs D, hidden units H₁, H₂, …, and classes C.
    activation : {"relu", "leaky_relu", "tanh", "sigmoid"}, or callable
        Or what makes the layer, called without arguments for each: `ReLU`, or `lambda: LeakyReLU(0.2)`.
    initializer, bias_initializer : callable
        See initializers.py. A bias has one axis: `zeros` or `uniform`, or one of your own.
    input_dropout, hidden_dropout : float, 0 ≤ rate < 1
    rng : numpy.random.Generator or int, optional
    dtype : float dtype

    Returns
    -------
    network : Network; its outputs are logits

    Raises
    ------
    UnknownNameError
        If there is no such activation.
    InputError
        If the activation is neither a name nor a callable that makes a layer.
    ShapeError
        If there are fewer than two widths, or one is not a whole number, at least 1.
    ValueRangeError
        If a dropout rate is outside [0, 1).
    DtypeError, FailureError
        As from `Network`.
    """
    make = _activation_maker(activation)
    if not isinstance(widths, Iterable) or len(tuple(widths)) < 2:
        raise ShapeError(f"widths are {widths!r}; expected at least the inputs and the outputs, as (784, 10).")
    layers: list[Layer] = _dropout(input_dropout)
    for i, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        layers.append(Dense(n_in, n_out, initializer=initializer, bias_initializer=bias_initializer))
        if i < len(widths) - 2:
            layers.append(make())
            layers += _dropout(hidden_dropout)
    return Network(layers, rng=rng, dtype=dtype)


def _dropout(rate: float) -> list[Layer]:
    """A layer that drops, or none where nothing is dropped."""
    layer = Dropout(rate)
    return [layer] if layer.rate else []


def _activation_maker(activation: str | Callable[[], Layer]) -> Callable[[], Layer]:
    """What makes the activation of that name; a callable is taken at its word once it has made a layer."""
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise UnknownNameError("activation", activation, ACTIVATIONS)
        return ACTIVATIONS[activation]
    try:
        made = activation() if callable(activation) else None
    except TypeError:  # it wants arguments, as NumPy's own tanh does
        made = None
    if not isinstance(made, Layer):
        raise InputError(
            f"activation is {activation!r}; expected one of {', '.join(ACTIVATIONS)}, or what makes a layer when "
            f"called without arguments, as ReLU does."
        )
    return activation


def _layer_from(number: int, settings: Any) -> Layer:
    """The layer that one part of a configuration describes."""
    if not isinstance(settings, dict) or not isinstance(settings.get("kind"), str):
        raise InputError(f"Layer {number} has no kind; expected {{'kind': one of {', '.join(LAYERS)}, …}}.")
    arguments = dict(settings)
    kind = arguments.pop("kind")
    if kind not in LAYERS:
        raise UnknownNameError("layer", kind, LAYERS)
    try:
        return LAYERS[kind](**arguments)
    except TypeError as error:  # Python's own words name the setting that is missing or unknown
        reason = str(error).replace(".__init__()", "")
        raise InputError(f"Layer {number}, {kind}, cannot be built from its settings: {reason}.") from error
    except ValueRangeError as error:
        raise ValueRangeError(f"Layer {number}, {kind}, cannot be built from its settings. {error}") from error


def _rebuilt(layers: Sequence[Layer], parameters: Array) -> Network:
    return Network(layers, parameters=parameters)


def _widths(layers: Sequence[Layer], inputs: int) -> Iterator[int]:
    """The width that each layer gives."""
    width = inputs
    for layer in layers:
        width = layer.output_width(width)
        yield width


def _blocks_by_layer(layers: Sequence[Layer]) -> list[dict[str, Block]]:
    """Lay the layers' parameters one behind the other: dense1.weight, dense1.bias, dense2.weight, …"""
    start = 0
    count: Counter[str] = Counter()
    by_layer = []
    for layer in layers:
        count[layer.kind] += 1
        blocks = {}
        for spec in layer.parameter_specs():
            stop = start + math.prod(spec.shape)
            name = f"{layer.kind}{count[layer.kind]}.{spec.name}"
            blocks[spec.name] = Block(name, slice(start, stop), spec.shape, spec.decays)
            start = stop
        by_layer.append(blocks)
    return by_layer


def _draw(layers: Sequence[Layer], layout: Sequence[Block], rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """A first θ, drawn in float64 and then rounded, so that float32 and float64 begin alike."""
    size = layout[-1].slice.stop
    specs = (spec for layer in layers for spec in layer.parameter_specs())
    try:
        if size > LARGEST:
            raise MemoryError
        parameters = np.empty(size, dtype)
        for block, spec in zip(layout, specs, strict=True):
            block.view(parameters)[...] = spec.initializer(spec.shape, rng)
    except MemoryError as error:
        raise FailureError(
            f"This network has {size:,} parameters, {size * dtype.itemsize / 1e9:,.1f} GB as {dtype}, and there is "
            f"not memory enough to draw them. Make its layers narrower."
        ) from error
    return parameters


def _require_flat(name: str, flat: Array, size: int, dtype: np.dtype[Any] | None = None) -> None:
    """Refuse anything but one contiguous float array of that size."""
    require_array(name, flat)
    if flat.ndim != 1 or len(flat) != size or not flat.flags.c_contiguous:
        raise ShapeError(f"{name} has shape {flat.shape}; expected one contiguous array, shape ({size},).")
    if flat.dtype not in FLOATS or (dtype is not None and flat.dtype != dtype):
        raise DtypeError(f"{name} is {flat.dtype}; expected {dtype or 'float32 or float64'}.")
