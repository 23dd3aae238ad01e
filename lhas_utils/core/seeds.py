"""Random streams: one named stream for each purpose, so that no draw depends on another's order."""

from zlib import crc32

import numpy as np


def stream(seed: int, *tags: object) -> np.random.Generator:
    """Return the random stream of one purpose: same seed and tags, same numbers.

    Args:
        seed: of the run, >= 0.
        tags: what the stream is for, such as `"train", 2`.

    >>> int(stream(0, "pool", 1).integers(100)) == int(stream(0, "pool", 1).integers(100))
    True
    """
    return np.random.default_rng([seed, *(crc32(str(t).encode()) for t in tags)])
