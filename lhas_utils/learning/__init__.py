"""A model learns: text as tensors, models, the training loop, scores and base models."""

from .bases import base_model, load_base, tokenizer
from .checkpoints import check_model, fastest, refusal
from .forward import batches, last_hidden, precision, response_logits
from .gemma import GEMMA, PACKAGED, TINY, made, packaged
from .loop import LOSSES, by_length, dft_loss, example_loss, fit, paced, shuffled, step_size, token_nll
from .models import copy_of, create, quiet, restore, trainable, weights, with_lora
from .score import METRICS, decode, final_answers, score, score_decoded
from .speed import processor, speed
from .tokens import IGNORE, Encoded, byte_pairs, encode, packed, word_level
