"""The list of planted faults still fits the package; `make mutants` plants them."""

import pytest

from tests.mutants.run_mutants import ROOT, mutants

ALL = mutants()
ROOMS = ("core", "worlds", "learning", "selection", "studies", "runs", "analysis", "claims")


@pytest.mark.parametrize("file", sorted({m.file for m in ALL}))
def test_every_patch_fits_its_module_once_and_leaves_valid_source(file):
    for mutant in (m for m in ALL if m.file == file):
        text = mutant.patched()
        compile(text, mutant.file, "exec")
        assert text != (ROOT / "lhas_utils" / file).read_text(), mutant.fault


def test_every_room_that_decides_a_number_has_faults_of_its_own():
    assert {m.file.partition("/")[0] for m in ALL} == set(ROOMS)
    assert len(ALL) >= 60


def test_no_fault_is_planted_twice():
    assert len({(m.file, m.old, m.new) for m in ALL}) == len({(m.file, m.fault) for m in ALL}) == len(ALL)


def test_a_patch_that_fits_nowhere_is_named():
    lost = ALL[0]._replace(old="no such line", fault="a fault")
    with pytest.raises(ValueError, match=f"{lost.file}, a fault: expected 'no such line' once; got it 0 times"):
        lost.patched()
    with pytest.raises(ValueError, match="expected tests/no/test.py; there is no such file"):
        ALL[0]._replace(tests=("no/test.py",)).patched()
