"""In which arithmetic fine-tuning computes: float32, or bfloat16 where the processor has it and it pays.

bfloat16 is float32 with 8 of its 24 significant bits. Convolutions take it and sum in float32; the weights that are
trained, the optimizer, batch normalization's statistics, the pooled features, the head and the loss stay float32, and
so does every file that is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from batikkit.errors import InputError
from batikkit.network.keras_backend import tf
from batikkit.processors import cpu_flags
from batikkit.runs.record import Feed
from batikkit.settings import TrainConfig
from batikkit.training.distributed import Workers
from batikkit.training.schedule import FINE_TUNE

FLOAT32, BFLOAT16 = "float32", "bfloat16"
CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
AMPERE = (8, 0)
"""The first NVIDIA GPUs that compute in bfloat16, by compute capability."""

SMALLEST = 160
"""Side in pixels from which on a step was measured to gain a third or more; at 96 pixels it gains less."""


def has_bfloat16() -> bool:
    """Whether what TensorFlow trains on here computes in bfloat16 rather than imitating it."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        found = [tf.config.experimental.get_device_details(gpu).get("compute_capability") for gpu in gpus]
        return all(capability is not None and tuple(capability) >= AMPERE for capability in found)
    return bool(CPU_FLAGS & cpu_flags())


def check_precision(config: TrainConfig) -> None:
    """Looks whether this machine can do what is asked.

    Raises:
        InputError: bfloat16 was asked for, and the processor has none.
    """
    if config.precision == BFLOAT16 and not has_bfloat16():
        raise InputError(
            "setting precision is 'bfloat16': this processor has none (a CPU says avx512_bf16 or amx_bf16, an NVIDIA "
            "GPU is of compute capability 8.0 or more); train with --precision float32 or auto"
        )


def precision_for(config: TrainConfig, *, workers: Workers, known: Sequence[Feed] = ()) -> str:
    """What fine-tuning computes in: never `auto`, and never bfloat16 where one of the workers has none.

    Args:
        config: The wish.
        workers: All of them compute alike, so all must call this.
        known: How a resumed run was fed so far; it goes on in its own precision where it can.
    """
    everywhere = workers.total((float(has_bfloat16()),))[0] == workers.share.size
    before = next((feed.precision for feed in reversed(known) if feed.phase == FINE_TUNE), None)
    wish = config.precision
    if wish == "auto":
        wish = before or (BFLOAT16 if _pays(config) else FLOAT32)
    return wish if everywhere else FLOAT32


def _pays(config: TrainConfig) -> bool:
    """Where it was measured to be faster and no less accurate (docs/training.md): on CPUs, not for small pictures."""
    return config.batch_norm_frozen and config.image_size >= SMALLEST and bool(CPU_FLAGS & cpu_flags())
