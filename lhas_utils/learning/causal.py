"""Is a checkpoint one that can be trained here: a causal language model, with its weights as safetensors?"""

from pathlib import Path

from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

from ..core import Checkpoint


def causal(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint if its class predicts the next token and, where it is a folder, its weights are there.

    Raises:
        ValueError: another kind of model, or a folder without safetensors; nothing is loaded before.
    """
    config = AutoConfig.from_pretrained(checkpoint.name, trust_remote_code=False)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ValueError(f"MODEL {checkpoint.name!r}: expected a causal language model; got a {config.model_type!r}")
    folder = Path(checkpoint.name)
    if folder.is_dir() and not any(folder.glob("*.safetensors")):
        found = ", ".join(sorted(p.name for p in folder.iterdir())) or "nothing"
        raise ValueError(f"MODEL {checkpoint.name!r}: expected weights as safetensors; got {found}")
    return checkpoint
