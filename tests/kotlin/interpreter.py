"""LiteRT for the stand-in of its Java Interpreter: input tensors from stdin, big-endian float32 scores to stdout."""

from __future__ import annotations

import struct
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

model = Interpreter(model_path=sys.argv[1], num_threads=1)
model.allocate_tensors()
(given,), (wanted,) = model.get_input_details(), model.get_output_details()
size = int(np.prod(given["shape"])) * np.dtype(given["dtype"]).itemsize
sys.stdout.buffer.write(struct.pack(">ii", size, wanted["shape"][-1]))
sys.stdout.buffer.flush()
while raw := sys.stdin.buffer.read(size):
    model.set_tensor(given["index"], np.frombuffer(raw, given["dtype"]).reshape(given["shape"]))
    model.invoke()
    sys.stdout.buffer.write(model.get_tensor(wanted["index"]).astype(">f4").tobytes())
    sys.stdout.buffer.flush()
