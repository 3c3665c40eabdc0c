"""The same network in LiteRT and in what a user might pick instead: latency, and proof that the answers agree.

    python benchmarks/peers/latency.py export/ [--seconds 10] [--rounds 3] [--json peers.json]

Needs, in one environment: batikkit, ai-edge-litert, onnxruntime, openvino, MNN and, for the conversion to ONNX,
tf2onnx with TensorFlow (benchmarks/peers/requirements.txt). A peer that is missing is skipped with the reason.
Every measurement runs in a process of its own, one thread, real images; rounds of all peers alternate.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from batikkit import atomic
from batikkit.parity_pack import iter_images, read_parity_pack

WARMUP, MIN_RUNS, COMPARED = 10, 100, 20
THREADS = 1
Run = tuple[Callable[[np.ndarray], None], Callable[[], None], Callable[[], np.ndarray]]
"""What an adapter returns: write the input, run the network, read the probabilities."""


def litert(file: Path) -> Run:
    from batikkit.tflite.runtime import open_model

    model = open_model(file, threads=THREADS)
    return model.write, model.invoke, model.scores


def onnx_runtime(file: Path) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    session = ort.InferenceSession(_onnx(file), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    source, result = session.get_inputs()[0], session.get_outputs()[0]
    binding.bind_output(result.name)

    def write(value: np.ndarray) -> None:
        binding.bind_cpu_input(source.name, np.ascontiguousarray(value))

    return write, lambda: session.run_with_iobinding(binding), lambda: binding.copy_outputs_to_cpu()[0].reshape(-1)


def openvino(file: Path) -> Run:
    import openvino as ov

    hints = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    # Reads .tflite itself; full precision, since its default on some CPUs is bfloat16.
    compiled = ov.Core().compile_model(str(file), "CPU", {**hints, "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    tensor = request.get_input_tensor()

    def write(value: np.ndarray) -> None:
        tensor.data[:] = value

    return write, lambda: request.infer(), lambda: np.array(request.get_output_tensor().data).reshape(-1)


def mnn(file: Path) -> Run:
    import MNN

    interpreter = MNN.Interpreter(str(_mnn(file)))
    session = interpreter.createSession({"numThread": THREADS, "backend": "CPU", "precision": "high"})
    source, result = interpreter.getSessionInput(session), interpreter.getSessionOutput(session)
    if 0 in result.getShape():
        raise SystemExit("its converter makes a graph of this quantized file that it cannot shape")

    def write(value: np.ndarray) -> None:
        kind = MNN.Halide_Type_Uint8 if value.dtype == np.uint8 else MNN.Halide_Type_Float
        layout = MNN.Tensor_DimensionType_Tensorflow
        source.copyFrom(MNN.Tensor(value.shape, kind, np.ascontiguousarray(value), layout))

    def read() -> np.ndarray:
        return np.array(result.getNumpyData()).reshape(-1)

    return write, lambda: interpreter.runSession(session), read


PEERS = {"LiteRT": litert, "ONNX Runtime": onnx_runtime, "OpenVINO": openvino, "MNN": mnn}
PACKAGES = {"LiteRT": "ai-edge-litert", "ONNX Runtime": "onnxruntime", "OpenVINO": "openvino", "MNN": "MNN"}


def _onnx(file: Path) -> str:
    converted = _work(file, ".onnx")
    if not converted.exists():
        command = [sys.executable, "-m", "tf2onnx.convert", "--tflite", file, "--output", converted, "--opset", "13"]
        subprocess.run(command, check=True, capture_output=True)
    return str(converted)


def _mnn(file: Path) -> Path:
    converted = _work(file, ".mnn")
    if not converted.exists():
        # The `mnnconvert` script first installs a logging package with the system's pip and reports the conversion to
        # a server; the native converter below it does neither.
        tool = [sys.executable, "-c", "import sys, _tools; _tools.mnnconvert(['mnnconvert', *sys.argv[1:]])"]
        command = [*tool, "-f", "TFLITE", "--modelFile", file, "--MNNModel", converted, "--bizCode", "batikkit"]
        subprocess.run(command, check=True, capture_output=True)
    return converted


def _work(file: Path, suffix: str) -> Path:
    return Path(os.environ["BATIKKIT_PEERS_WORK"]) / (file.stem + suffix)


def work(peer: str, file: Path, seconds: float) -> dict[str, Any]:
    """Measures one peer in this process."""
    from importlib import metadata

    images = np.stack(list(islice(iter_images(read_parity_pack(file.parent / "parity.npz")), COMPARED)))
    values = images if file.stem == "int8" else images.astype(np.float32)
    write, invoke, read = PEERS[peer](file)
    answers = []
    for value in values:
        write(value[None])
        invoke()
        answers.append(read().tolist())
    times: list[float] = []
    clock, deadline = time.perf_counter_ns, None
    while deadline is None or len(times) < MIN_RUNS or time.monotonic() < deadline:
        if len(times) == WARMUP and deadline is None:
            times, deadline = [], time.monotonic() + seconds
        write(values[len(times) % COMPARED][None])
        start = clock()
        invoke()
        times.append((clock() - start) / 1e6)
    return {"times_ms": times, "answers": answers, "version": metadata.version(PACKAGES[peer])}


def measure(peer: str, file: Path, seconds: float) -> dict[str, Any]:
    """Measures one peer in a fresh process; `skipped` carries the reason when it cannot run."""
    command = [sys.executable, __file__, "--worker", peer, str(file), "--seconds", str(seconds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        return {"skipped": "no answer within 600 s"}
    if done.returncode != 0:
        return {"skipped": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def compare(file: Path, *, seconds: float, rounds: int) -> list[dict[str, Any]]:
    """One row per peer: pooled percentiles, ratio to LiteRT's p50, largest difference from LiteRT's probabilities."""
    found: dict[str, list[dict[str, Any]]] = {peer: [] for peer in PEERS}
    for turn in range(rounds):
        for peer in list(PEERS)[turn % len(PEERS) :] + list(PEERS)[: turn % len(PEERS)]:
            if not (found[peer] and "skipped" in found[peer][0]):
                print(f"{file.name}: round {turn + 1}, {peer}", file=sys.stderr)
                found[peer].append(measure(peer, file, seconds / rounds))
    reference = found["LiteRT"][0]
    if "skipped" in reference:
        raise SystemExit(f"LiteRT does not run: {reference['skipped']}")
    base = statistics.median([t for answer in found["LiteRT"] for t in answer["times_ms"]])
    return [_row(peer, answers, base, np.array(reference["answers"])) for peer, answers in found.items()]


def _row(peer: str, answers: list[dict[str, Any]], base: float, reference: np.ndarray) -> dict[str, Any]:
    reason = next((answer["skipped"] for answer in answers if "skipped" in answer), None)
    if reason:
        return {"peer": peer, "skipped": reason}
    times = [t for answer in answers for t in answer["times_ms"]]
    p50, p90 = np.percentile(times, [50, 90])
    different = float(np.abs(np.array(answers[0]["answers"]) - reference).max())
    return {
        "peer": peer, "version": answers[0]["version"], "p50_ms": float(p50), "p90_ms": float(p90),
        "min_ms": min(times), "ratio": float(p50) / base, "max_abs_diff": different, "runs": len(times),
    }  # fmt: skip


def table(variant: str, rows: list[dict[str, Any]]) -> str:
    lines = [
        f"| {variant} | version | p50 ms | p90 ms | fastest ms | p50 / LiteRT | max difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "skipped" in row:
            lines.append(f"| {row['peer']} | skipped: {row['skipped']} | | | | | |")
        else:
            lines.append(
                f"| {row['peer']} | {row['version']} | {row['p50_ms']:.2f} | {row['p90_ms']:.2f} | {row['min_ms']:.2f} "
                f"| {row['ratio']:.2f} | {row['max_abs_diff']:.1g} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", type=Path, help="export folder with float32.tflite and int8.tflite")
    parser.add_argument("--worker", nargs=2, metavar=("PEER", "FILE"), help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=10.0, help="time per peer, over all rounds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.worker:
        peer, file = arguments.worker
        print(json.dumps(work(peer, Path(file), arguments.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("BATIKKIT_PEERS_WORK", folder)
        files = [file for name in ("float32", "int8") if (file := arguments.target / f"{name}.tflite").exists()]
        rows = {file.stem: compare(file, seconds=arguments.seconds, rounds=arguments.rounds) for file in files}
    print("\n\n".join(table(variant, found) for variant, found in rows.items()))
    if arguments.json:
        atomic.write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
