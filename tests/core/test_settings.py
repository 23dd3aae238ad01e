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
