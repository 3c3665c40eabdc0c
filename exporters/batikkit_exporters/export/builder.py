"""Processes that make and prove variants, side by side: a native crash ends only one of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from batikkit.child import Advance, Answer, Child, ChildEndedError, serve
from batikkit.errors import VerificationError
from batikkit.manifest import Proof
from batikkit.parity_pack import read_parity_pack
from batikkit_exporters.export.proof import prove_answers
from batikkit_exporters.variants import find_variant
from batikkit_exporters.variants.materials import Materials
from batikkit_exporters.variants.variant import Made, Order, Variant

WORKERS = 2
_SURROUNDINGS = {
    # glibc would hand every layer's tensors back to the system and fetch them again, page by page.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 31),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 31),
    # NumPy's matrices are too small here to share out: its threads would only spin, beside TensorFlow's.
    "OPENBLAS_NUM_THREADS": "1",
}


class Builders:
    """Up to `WORKERS` processes for the variants that take long, started while the model is still being loaded."""

    def __init__(self, jobs: int) -> None:
        self._idle = [_start() for _ in range(min(WORKERS, jobs))]
        self._busy: list[Child] = []
        self._threads = ThreadPoolExecutor(WORKERS)

    def __enter__(self) -> Builders:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in (*self._idle, *self._busy):  # whatever they are at, nobody wants it any more
            child.close()
        self._threads.shutdown()

    def make(
        self, variants: Sequence[Variant], materials: Materials, order: Order
    ) -> dict[str, Future[tuple[Made, float]]]:
        """Starts to make variants; each future has the file and how long it took [s]."""
        # The slowest first, so that the last to finish is a short one.
        ordered = sorted(variants, key=lambda variant: variant.activations != "int16")
        return {variant.name: self._threads.submit(self._make, variant, materials, order) for variant in ordered}

    def prove(self, variant: Variant, file: Path, pack: Path) -> Future[Proof]:
        """Starts to prove a file."""
        question = {"do": "prove", "variant": variant.name, "file": str(file), "pack": str(pack)}
        return self._threads.submit(lambda: Proof(**self._ask(variant.name, question)))

    def _make(self, variant: Variant, materials: Materials, order: Order) -> tuple[Made, float]:
        answer = self._ask(
            variant.name,
            {
                "do": "make",
                "variant": variant.name,
                "materials": str(materials.folder),
                "order": dataclasses.asdict(order),
            },
        )
        return Made(Path(answer["content"]).read_bytes(), answer["method"]), answer["seconds"]

    def _ask(self, name: str, question: Answer) -> Answer:
        try:
            child = self._idle.pop()
        except IndexError:
            child = _start()
        self._busy.append(child)
        try:
            answer = child.ask(question)
        except ChildEndedError as ended:
            raise VerificationError(f"{name}: the building process ended, {ended}") from ended
        else:
            self._idle.append(child)
            return answer
        finally:
            self._busy.remove(child)


def _start() -> Child:
    return Child("batikkit_exporters.export.builder", environment=_SURROUNDINGS)


def _make(question: Answer) -> Answer:
    started = time.perf_counter()
    materials = Materials(Path(question["materials"]))
    made = find_variant(question["variant"]).make(materials, Order(**question["order"]), lambda _done, _total: None)
    content = materials.folder / f"{question['variant']}.made"
    content.write_bytes(made.content)
    return {"content": str(content), "method": made.method, "seconds": time.perf_counter() - started}


def _prove(question: Answer) -> Answer:
    promise, pack = find_variant(question["variant"]).promise, read_parity_pack(Path(question["pack"]))
    return dataclasses.asdict(prove_answers(Path(question["file"]), promise, pack=pack))


def _answer(question: Answer, _advance: Advance) -> Answer:
    does: dict[str, Callable[[Answer], Answer]] = {"make": _make, "prove": _prove}
    return does[question["do"]](question)


def _warm_up() -> Any:
    """Loads TensorFlow while there is no job yet."""
    from batikkit_exporters import convert
    from batikkit_exporters.quantization import quantize, rounding

    return convert, quantize, rounding


if __name__ == "__main__":
    _warm_up()
    serve(_answer)
