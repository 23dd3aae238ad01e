"""MODEL as people bring it: what its files are, and a forward pass, gradients and a look ahead before any run."""

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, AutoTokenizer

from ..learning import encode, load_base, with_lora
from ..selection import signals
from ..studies import RunSpec
from ..worlds import registered

SOME = 256  # examples whose tokens are looked up
POINTER = b"version https://git-lfs"
SAME = 1e-5  # relative difference of two passes that counts as none
NEAR = {torch.float32: 1e-2, torch.bfloat16: 0.2}  # and of two sums of gradients


def _refuse(model: str, wanted: str, got: str) -> ValueError:
    return ValueError(f"MODEL {model!r}: expected {wanted}; got {got}")


def look_at(model: str) -> None:
    """Raise a `ValueError` of one sentence for what is no causal language model in safetensors; loads no weights.

    Args:
        model: hub id, or path of a folder.
    """
    path = Path(model).expanduser()
    if path.suffix.lower() == ".gguf" or (path.is_dir() and _only(path, "*.gguf")):
        way = "AutoModelForCausalLM.from_pretrained(folder, gguf_file=...).save_pretrained(other) makes one of it"
        raise _refuse(model, "a folder with config.json and safetensors", f"GGUF weights; {way}")
    if path.is_dir():
        _look_into(model, path)
    if not path.is_dir() and (path.exists() or model.startswith(("/", ".", "~"))):
        raise _refuse(model, "a hub id or a model folder", "a file" if path.exists() else "no such folder")
    try:
        config = AutoConfig.from_pretrained(str(path) if path.is_dir() else model, trust_remote_code=False)
    except Exception as error:  # the hub client raises errors of many libraries
        raise _refuse(model, "a hub id or a model folder", _short(error)) from None
    kind = ", ".join(getattr(config, "architectures", None) or [type(config).__name__])
    if getattr(config, "is_encoder_decoder", False):
        raise _refuse(model, "a causal language model", f"{kind}, an encoder with a decoder")
    wrong = [a for a in getattr(config, "architectures", None) or [] if "MaskedLM" in a or "Classification" in a]
    if wrong or type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise _refuse(model, "a causal language model", f"{kind}, which does not predict the next token")
    try:
        AutoTokenizer.from_pretrained(str(path) if path.is_dir() else model, trust_remote_code=False)
    except Exception as error:
        raise _refuse(model, "a tokenizer beside the model", _short(error)) from None


def _only(folder: Path, pattern: str) -> bool:
    return any(folder.glob(pattern)) and not (folder / "config.json").is_file()


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def _look_into(model: str, folder: Path) -> None:
    """Raise for a folder that lacks a model's files."""
    if _only(folder, "adapter_config.json"):
        way = "AutoPeftModelForCausalLM.from_pretrained(folder).merge_and_unload().save_pretrained(other) merges them"
        raise _refuse(model, "a whole model", f"adapters without their base model; {way}")
    if not (folder / "config.json").is_file():
        raise _refuse(model, "a folder with a config.json", "none in it")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        others = [p.name for p in sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt*"))]
        got = f"{others[0]}, which may hold code; save_pretrained writes safetensors" if others else "no weights"
        raise _refuse(model, "weights in *.safetensors beside config.json", got)
    for path in weights:
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                raise _refuse(model, "weights", f"a Git LFS pointer in {path.name}; `git lfs pull` fetches them")
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise _refuse(model, f"{index.name} to name the files of the weights", _short(error)) from None
        if lacking := sorted(named - {p.name for p in weights}):
            raise _refuse(model, f"{len(named)} files of weights", f"all but {', '.join(lacking[:3])}")


def try_out(spec: RunSpec) -> None:
    """Raise a `ValueError` of one sentence where the model of a run cannot do what a run asks of it.

    Asked, of two examples of the data: that their tokens are in the vocabulary, that a forward pass gives finite
    numbers, that no position sees a later token, and that the per-example gradients add up to the gradient of the sum.
    """
    name, rows = spec.model.name, registered(spec.world.data)["train"]
    try:
        with warnings.catch_warnings(action="ignore"):  # as in the workers that compute the runs
            _tried(name, spec, rows)
    except ValueError as error:
        if str(error).startswith("MODEL"):
            raise
        raise _refuse(name, "a model that loads and computes", _short(error)) from None
    except Exception as error:  # of many libraries
        raise _refuse(name, "a model that loads and computes", _short(error)) from None


def _tried(name: str, spec: RunSpec, rows: Dataset) -> None:
    words, model = load_base(spec.model, spec.corpus, spec.seed)
    some = np.unique(np.linspace(0, len(rows) - 1, SOME).astype(int))
    data = encode(rows.select(some), words, spec.world.max_length)
    size = model.get_input_embeddings().weight.shape[0]
    if (most := int(data.input_ids.max())) >= size:
        raise _refuse(name, f"a vocabulary for its tokenizer's tokens, ids below {size}", f"id {most}")
    two = data.take([0, 1])
    _causal(name, model, two.input_ids)
    _gradients(name, model if spec.train.rank is None else with_lora(model, spec.train.rank, spec.seed), two)


@torch.no_grad()
def _causal(name: str, model, ids: torch.Tensor) -> None:
    """Change the last token: no position before it may change."""
    model.eval()
    other = ids.clone()
    other[:, -1] = torch.where(ids[:, -1] == 0, 1, ids[:, -1] - 1)
    one, two = (model(input_ids=x.to(model.device), use_cache=False).logits[:, :-1].float() for x in (ids, other))
    if not one.isfinite().all():
        raise _refuse(name, "finite numbers from a forward pass", "some that are not")
    if (one - two).abs().max() > SAME * one.abs().max():
        raise _refuse(name, "a causal language model", "one whose earlier positions see later tokens")


def _gradients(name: str, model, two) -> None:
    """Add the per-example gradients: they are twice the gradient of the mean."""
    try:
        both = sum(g.sum(0).float().cpu() for _, g in signals.gradients(model, two, 1))
    except RuntimeError as error:
        raise _refuse(name, "an architecture with per-example gradients", _short(error)) from None
    mean = 2 * signals.mean_gradient(model, two).float().cpu()
    if not both.isfinite().all() or (both - mean).norm() > NEAR[model.dtype] * mean.norm().clamp(min=1e-12):
        raise _refuse(name, "per-example gradients that add up to the whole one", "others")
