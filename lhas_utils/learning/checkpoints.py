"""What a hub id or a folder names: a causal language model in safetensors with its tokenizer, or one sentence."""

import json
from pathlib import Path

import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, AutoTokenizer

from ..core import Checkpoint, digest

POINTER = b"version https://git-lfs"


def fastest() -> tuple[str, str]:
    """Return (device, dtype) that suit this machine: bfloat16 on a GPU, and on a processor that computes in it."""
    if torch.cuda.is_available():
        return "cuda", "bfloat16"
    return "cpu", "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float32"


def check_model(model: str, device: str = "", dtype: str = "") -> Checkpoint:
    """Return the checkpoint that a hub id or a folder names; loads no weights.

    The fingerprint of a folder is a digest of its files' names, sizes and times of change.

    Args:
        model: hub id, or path of a folder.
        device, dtype: empty for those of `fastest`.

    Raises:
        ValueError: one sentence that names MODEL, for what is no causal language model in safetensors; or DEVICE.
    """
    where = dict(zip(("device", "dtype"), (given or own for given, own in zip((device, dtype), fastest()))))
    if where["device"] == "cuda" and not torch.cuda.is_available():
        raise ValueError("DEVICE 'cuda': expected a GPU that torch can use; there is none (DEVICE=cpu)")
    _look_at(model)
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return Checkpoint(model, **where)
    files = sorted(p for p in folder.iterdir() if p.is_file())
    mark = digest([(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files])
    return Checkpoint(str(folder.resolve()), mark, **where)


def refusal(model: str, wanted: str, got: str | Exception) -> ValueError:
    """Return the error of a model that cannot be used, one sentence; of an error, its kind and first words."""
    if isinstance(got, Exception):
        got = f"{type(got).__name__}: {' '.join(str(got).split())[:160]}"
    return ValueError(f"MODEL {model!r}: expected {wanted}; got {got}")


def _look_at(model: str) -> None:
    """Raise for what is no causal language model with a tokenizer, in safetensors."""
    path = Path(model).expanduser()
    if path.suffix.lower() == ".gguf" or (path.is_dir() and _only(path, "*.gguf")):
        way = "AutoModelForCausalLM.from_pretrained(folder, gguf_file=...).save_pretrained(other) makes one of it"
        raise refusal(model, "a folder with config.json and safetensors", f"GGUF weights; {way}")
    if path.is_dir():
        _look_into(model, path)
    if not path.is_dir() and (path.exists() or model.startswith(("/", ".", "~"))):
        raise refusal(model, "a hub id or a model folder", "a file" if path.exists() else "no such folder")
    try:
        config = AutoConfig.from_pretrained(str(path) if path.is_dir() else model, trust_remote_code=False)
    except Exception as error:  # the hub client raises errors of many libraries
        raise refusal(model, "a hub id or a model folder", error) from None
    kind = ", ".join(getattr(config, "architectures", None) or [type(config).__name__])
    if getattr(config, "is_encoder_decoder", False):
        raise refusal(model, "a causal language model", f"{kind}, an encoder with a decoder")
    wrong = [a for a in getattr(config, "architectures", None) or [] if "MaskedLM" in a or "Classification" in a]
    if wrong or type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise refusal(model, "a causal language model", f"{kind}, which does not predict the next token")
    try:
        AutoTokenizer.from_pretrained(str(path) if path.is_dir() else model, trust_remote_code=False)
    except Exception as error:
        raise refusal(model, "a tokenizer beside the model", error) from None


def _only(folder: Path, pattern: str) -> bool:
    return any(folder.glob(pattern)) and not (folder / "config.json").is_file()


def _look_into(model: str, folder: Path) -> None:
    """Raise for a folder that lacks a model's files."""
    if _only(folder, "adapter_config.json"):
        way = "AutoPeftModelForCausalLM.from_pretrained(folder).merge_and_unload().save_pretrained(other) merges them"
        raise refusal(model, "a whole model", f"adapters without their base model; {way}")
    if not (folder / "config.json").is_file():
        raise refusal(model, "a folder with a config.json", "none in it")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        others = [p.name for p in sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt*"))]
        got = f"{others[0]}, which may hold code; save_pretrained writes safetensors" if others else "no weights"
        raise refusal(model, "weights in *.safetensors beside config.json", got)
    for path in weights:
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                raise refusal(model, "weights", f"a Git LFS pointer in {path.name}; `git lfs pull` fetches them")
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise refusal(model, f"{index.name} to name the files of the weights", error) from None
        if lacking := sorted(named - {p.name for p in weights}):
            raise refusal(model, f"{len(named)} files of weights", f"all but {', '.join(lacking[:3])}")
