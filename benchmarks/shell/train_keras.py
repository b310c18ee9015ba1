"""Keras on JAX, from the shell to a model on disk: SGD with momentum and a cosine learning rate."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
from digits import arguments, load

options = arguments()
keras.utils.set_random_seed(options.seed)
x, y, x_judge, y_judge = load(options.validate)
steps = options.epochs * -(-len(x) // options.batch_size)
rate = keras.optimizers.schedules.CosineDecay(
    0.0, int(0.9 * steps), warmup_target=options.learning_rate, warmup_steps=steps // 10
)
model = keras.Sequential(
    [
        keras.Input((784,)),
        keras.layers.Dense(options.hidden, "relu", kernel_initializer="he_normal"),
        keras.layers.Dense(10),
    ]
)
model.compile(
    optimizer=keras.optimizers.SGD(rate, momentum=0.9),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(x, y, batch_size=options.batch_size, epochs=options.epochs, verbose=0)
model.save("model.keras")
print(model.evaluate(x_judge, y_judge, verbose=0, batch_size=1000)[1])
