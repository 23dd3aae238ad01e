"""The environment is asked in one place. Who looks at a notebook: `tests/reader/test_live.py`."""

import pytest

from lhas_utils.core import settings


def test_the_scheduler_is_an_address_or_nothing(monkeypatch):
    monkeypatch.delenv("SCHEDULER", raising=False)
    assert settings.scheduler() is None
    monkeypatch.setenv("SCHEDULER", "")
    assert settings.scheduler() is None
    monkeypatch.setenv("SCHEDULER", "tcp://here:8786")
    assert settings.scheduler() == "tcp://here:8786"


@pytest.mark.parametrize("name", ["device", "dtype"])
def test_where_the_real_model_computes_can_be_said(monkeypatch, name):
    monkeypatch.delenv(name.upper(), raising=False)
    assert getattr(settings, name)() == ""
    monkeypatch.setenv(name.upper(), "word")
    assert getattr(settings, name)() == "word"


def test_the_rank_of_adapters_is_a_number_or_nothing(monkeypatch):
    monkeypatch.delenv("LORA_RANK", raising=False)
    assert settings.lora_rank() is None
    monkeypatch.setenv("LORA_RANK", "8")
    assert settings.lora_rank() == 8
    for wrong in ("0", "-1", "eight", "1.5", "4096"):
        monkeypatch.setenv("LORA_RANK", wrong)
        with pytest.raises(ValueError, match=rf"LORA_RANK: expected an integer in \[1, 1024\]; got '?{wrong}'?$"):
            settings.lora_rank()
