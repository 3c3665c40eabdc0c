"""One optimiser step and one evaluation pass over the part of the network that trains.

The same step serves every phase: its body is the part between the tensor that the frozen layers deliver (cached, or
computed on the fly) and the pooled features. Dropout is drawn from a stateless key, so that a resumed run repeats
exactly what the uninterrupted one would have done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.network.keras_backend import keras, tf
from batikkit.network.model import HEAD, learned, pooled_layer
from batikkit.settings import TrainConfig
from batikkit.training.folded import folded, in_bfloat16


class Engine:
    """Trains the layers of `model` between the output of layer `start` and its head.

    Made within the scope of a `tf.distribute` strategy it trains on all of that strategy's processors; what it is fed
    is this machine's part of a batch.

    Args:
        model: The whole flat model; its `trainable` flags say what is learned, its weights are updated in place.
        start: Layer whose output is fed; the model's input layer for whole-network training.
        config: Dropout, weight averaging and weight decay.
        precision: `bfloat16` for the convolutions of what trains; everything else is float32.
    """

    def __init__(self, model: Any, *, start: str, config: TrainConfig, precision: str = "float32") -> None:
        self._config = config
        self._strategy = tf.distribute.get_strategy()
        self._several = tf.distribute.has_strategy()
        source = model.get_layer(start).output
        self._body = None if start == pooled_layer(model) else _body(model, start, config, precision)
        self._head = model.get_layer(HEAD)
        self._variables = list(model.trainable_variables)
        self.optimizer = _optimizer(config, self._variables)
        # Statistics of batch normalization too: averaged kernels with the last step's statistics fit nothing.
        self._averaged = list(learned(model).values()) if config.weight_average else []
        self._averages = [tf.Variable(variable.numpy(), trainable=False) for variable in self._averaged]
        spec = [
            tf.TensorSpec([None, *source.shape[1:]], tf.float32),
            tf.TensorSpec([None, model.output.shape[1]], tf.float32),
            tf.TensorSpec([None]),
            tf.TensorSpec([2], tf.int32),
        ]
        # Values spread over several processors have no public signature.
        # Autograph would rewrite the Python of every layer, in which nothing depends on a tensor.
        options = {"reduce_retracing": True} if self._several else {"input_signature": spec}
        self._step = tf.function(self._train_step, autograph=False, **options)
        options = {"reduce_retracing": True} if self._several else {"input_signature": spec[:1]}
        self._forward = tf.function(self._all_logits, autograph=False, **options)

    def train(
        self,
        inputs: NDArray[np.floating],
        targets: NDArray[np.float32],
        *,
        weights: NDArray[np.float32],
        learning_rate: float,
        key: tuple[int, int],
    ) -> tuple[float, float]:
        """One step. Returns (weighted loss, number of right answers) of all machines' images before the update.

        Args:
            inputs: [B, ...] what layer `start` delivers.
            targets: float32 [B, C], rows sum to 1.
            weights: float32 [B], weight of each image in the loss; those of all machines sum to 1.
            learning_rate: Rate of this step.
            key: Seeds dropout.
        """
        self.optimizer.learning_rate.assign(learning_rate)
        fed = (self._spread(np.asarray(part, np.float32)) for part in (inputs, targets, weights))
        loss, right = self._step(*fed, tf.constant(key, tf.int32))
        return float(loss), float(right)

    def logits(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Float32 [B, C] before softmax, without dropout."""
        answers = self._forward(self._spread(np.asarray(inputs, np.float32)))
        return np.concatenate([np.asarray(part) for part in self._strategy.experimental_local_results(answers)])[
            : len(inputs)
        ]

    def state(self) -> list[NDArray[np.generic]]:
        """Optimiser and averages, as arrays, for a checkpoint."""
        return [v.numpy() for v in (*self.optimizer.variables, *self._averages)]

    def restore(self, state: Sequence[NDArray[np.generic]]) -> None:
        """Puts back what `state` returned."""
        for variable, value in zip((*self.optimizer.variables, *self._averages), state, strict=True):
            variable.assign(value)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block the weights are their moving averages (does nothing when averaging is off)."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for variable, average in zip(self._averaged, self._averages, strict=True):
            kept = variable.numpy()
            variable.assign(average)
            average.assign(kept)

    def _pooled(self, inputs: Any, *, training: bool) -> Any:
        return inputs if self._body is None else self._body(inputs, training)

    def _logits(self, inputs: Any) -> Any:
        return self._pooled(inputs, training=False) @ self._head.kernel + self._head.bias

    def _all_logits(self, inputs: Any) -> Any:
        return self._strategy.run(self._logits, args=(inputs,))

    def _train_step(self, inputs: Any, targets: Any, weights: Any, key: Any) -> tuple[Any, Any]:
        losses, right = self._strategy.run(self._replica_step, args=(inputs, targets, weights, key))
        for average, variable in zip(self._averages, self._averaged, strict=True):
            average.assign(average + (variable - average) * (1.0 - self._config.weight_average))
        summed = tf.distribute.ReduceOp.SUM
        return self._strategy.reduce(summed, losses, axis=None), self._strategy.reduce(summed, right, axis=None)

    def _replica_step(self, inputs: Any, targets: Any, weights: Any, key: Any) -> tuple[Any, Any]:
        """One processor's part: the optimiser sums the gradients of all of them."""
        with tf.GradientTape() as tape:
            pooled = self._pooled(inputs, training=not self._config.batch_norm_frozen)
            if self._config.dropout:
                if self._several:
                    key = key + tf.distribute.get_replica_context().replica_id_in_sync_group * [7919, 0]
                pooled = tf.nn.experimental.stateless_dropout(pooled, self._config.dropout, seed=key)
            logits = pooled @ self._head.kernel + self._head.bias
            per_image = keras.losses.categorical_crossentropy(targets, logits, from_logits=True)
            loss = tf.reduce_sum(per_image * weights)
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self._variables), self._variables, strict=True))
        right = tf.equal(tf.argmax(logits, axis=1), tf.argmax(targets, axis=1)) & (weights > 0)
        return loss, tf.reduce_sum(tf.cast(right, tf.float32))

    def _spread(self, values: NDArray[np.float32]) -> Any:
        """This machine's rows dealt to its processors; one that gets none works on a row of zeros, which weighs 0."""
        if not self._several:
            return values
        parts = np.array_split(values, len(self._strategy.extended.worker_devices))
        filled = [part if len(part) else np.zeros((1, *values.shape[1:]), np.float32) for part in parts]
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(filled[context.replica_id_in_sync_group % len(filled)])
        )


def _body(model: Any, start: str, config: TrainConfig, precision: str) -> Callable[[Any, bool], Any]:
    """The layers between layer `start` and the head as body(inputs, training), float32 to float32."""
    if config.batch_norm_frozen:
        frozen = folded(model, start=start, end=pooled_layer(model), precision=precision)
        return lambda inputs, _training: frozen(inputs)
    if precision == "bfloat16":
        return in_bfloat16(model, start=start, end=pooled_layer(model))
    part = keras.Model(model.get_layer(start).output, model.get_layer(pooled_layer(model)).output)
    return lambda inputs, training: part(inputs, training=training)


def _optimizer(config: TrainConfig, variables: list[Any]) -> Any:
    if config.weight_decay:
        optimizer = keras.optimizers.AdamW(1e-3, weight_decay=config.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    else:
        optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(variables)
    return optimizer
