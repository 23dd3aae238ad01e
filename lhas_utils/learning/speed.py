"""How fast a model learns on this machine: tokens a second, share of the measured matrix peak, peak memory."""

import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ..core import Checkpoint, TrainSpec
from .loop import example_loss, fit
from .models import pretrained, pretrained_tokenizer, with_lora
from .tokens import IGNORE, Encoded

LENGTH, ANSWER = 32, 4  # tokens of an example, and of its response
SIDE = 1024  # of the square matrices


def processor() -> str:
    """Return this machine's processor by its maker's name, or by its kind where the system does not tell."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), platform.machine())


def _seconds(work: Callable[[], object], times: int = 3) -> float:
    """Return the fastest of some repetitions, after one that does not count."""
    found = []
    for _ in range(times + 1):
        begin = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found.append(time.perf_counter() - begin)
    return min(found[1:])


def peak(dtype: torch.dtype, device: str) -> float:
    """Return the operations a second of a product of square matrices, 2 x `SIDE`^3 of them."""
    a = torch.ones(SIDE, SIDE, dtype=dtype, device=device)
    return 2 * SIDE**3 / _seconds(lambda: a @ a)


def speed(checkpoint: Checkpoint, train: TrainSpec) -> str:
    """Return one line: tokens a second forward and in training, the share of the peak, peak memory of this process.

    The operations of a token are 2 (forward) and 4 (forward and the gradient of what passes through) times the model's
    weights, an embedding table that is also the output not counted, plus the output at the response positions.
    """
    model, words = pretrained(checkpoint), pretrained_tokenizer(checkpoint)
    if train.rank is not None:
        model = with_lora(model, train.rank, 0)
    ids = torch.randint(len(words), (train.batch_size, LENGTH), generator=torch.Generator().manual_seed(0))
    labels = ids.clone()
    labels[:, :-ANSWER] = IGNORE
    batch, rows = Encoded(ids, labels), [list(range(train.batch_size))]
    tokens = ids.numel()

    def forward():
        with torch.no_grad():
            example_loss(model, batch)

    once, step = _seconds(forward), _seconds(lambda: fit(model, batch, rows, train.lr))
    table = model.get_output_embeddings().weight.numel()
    body = sum(p.numel() for p in model.parameters()) - table
    work = 4 * (tokens * body + train.batch_size * ANSWER * table)
    share = work / step / peak(getattr(torch, checkpoint.dtype), checkpoint.device)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if checkpoint.device == "cuda":
        memory = torch.cuda.max_memory_allocated()
    return (
        f"speed: {tokens / once:,.0f} tokens/s forward, {tokens / step:,.0f} in training ({checkpoint.dtype}, "
        f"{checkpoint.device}, one process), {share:.0%} of the matrix peak, {memory / 1e9:.1f} GB at most"
    )
