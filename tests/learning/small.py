"""A small Llama, and any model as a folder with a tokenizer beside it."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lhas_utils.learning import byte_pairs

SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def llama(vocabulary=300):
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, **SMALL))


def saved(folder, model):
    torch.manual_seed(0)
    model.save_pretrained(folder)
    texts = [f"math question {i}?" for i in range(40)]
    ends = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    words = PreTrainedTokenizerFast(tokenizer_object=byte_pairs(texts, 300).backend_tokenizer, **ends)
    words.save_pretrained(folder)
    return folder
