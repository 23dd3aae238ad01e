"""Random streams: named, seeded, apart from each other and from the global generators."""

import numpy as np
import torch

from lhas_utils.core import stream


def test_streams_depend_on_seed_and_purpose():
    def first(*key):
        return stream(*key).random()

    assert first(0, "train", 1) == first(0, "train", 1)
    assert len({first(0, "train", 1), first(1, "train", 1), first(0, "train", 2), first(0, "probe", 1)}) == 4


def test_streams_leave_the_global_generators_alone():
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    stream(0, "train").random(10)
    assert (np.random.get_state()[1] == before[0]).all() and torch.equal(torch.get_rng_state(), before[1])
