"""The list of faults in mutants.py is one of the code as it stands."""

import pytest

from tests.mutants import FAULTS, stale


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_stands_once_in_its_file(fault):
    assert stale(fault) == ""
    assert fault.old != fault.new
