"""Jobs for the worker tests; imported by the worker process."""

import os
import time
from dataclasses import dataclass

import numpy as np

from studio.errors import ModelError


@dataclass
class Box:
    values: np.ndarray


def echo(progress, **kwargs):
    progress.start(2, "Echoing")
    progress.advance()
    progress.advance(message="Echoed")
    return kwargs


def arrays(progress, side):
    big = np.arange(side * side, dtype=np.uint32).reshape(side, side)
    progress.emit("block", {"big": big[::2, ::2]})
    return {"list": [big, (big[:, ::-1],)], "box": Box((big % 1000).astype(np.float16)), "small": big[:2, :2]}


def patient(progress, step_s=0.01):
    progress.start(10_000, "Waiting")
    for _ in range(10_000):
        time.sleep(step_s)
        progress.advance()


def deaf(progress):
    progress.start(1, "Not listening")
    time.sleep(600)


def refuse(progress):
    raise ModelError("No such model; choose another.")


def stumble(progress):
    raise ValueError("oops")


def die(progress):
    os._exit(3)


def segments_then_die(progress, side):
    """Leaves a segment nobody reads."""
    from studio.core import shm

    shm.dumps(np.zeros((side, side), np.uint32))
    os._exit(3)


def unpicklable(progress):
    return lambda: None


def describe(progress):
    return {"pid": os.getpid(), "nice": os.nice(0), "omp": os.environ["OMP_NUM_THREADS"]}
