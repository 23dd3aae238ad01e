"""The command answers Ctrl-C in a sentence, and while its libraries load without a word."""

import signal
import subprocess
import sys

import pytest

from lhas_utils import __main__ as command

ASK = "import signal, sys; sys.argv = [{!r}]; import lhas_utils; print(signal.getsignal(signal.SIGINT))"


@pytest.mark.parametrize("name, handler", [("-m", signal.SIG_DFL), ("x.py", signal.default_int_handler)])
def test_ctrl_c_ends_the_command_at_once_while_it_loads_and_nothing_else(root, name, handler):
    said = subprocess.run(
        [sys.executable, "-c", ASK.format(name)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    assert said.stdout.strip() == str(handler)


@pytest.mark.parametrize(
    "raised, said",
    [
        (KeyboardInterrupt(), "stopped; runs that were finished are kept, the same command goes on from there"),
        (OSError(28, "No space left on device"), "error: [Errno 28] No space left on device"),
        (ValueError("METRIC: expected"), "error: METRIC: expected"),
    ],
)
def test_a_stop_and_an_error_end_in_one_sentence(monkeypatch, raised, said):
    def stop(*_):
        raise raised

    monkeypatch.setattr(command.claims.ledger, "show_lines", stop)
    with pytest.raises(SystemExit) as ended:
        command.main(["claims"])
    assert ended.value.code == said
