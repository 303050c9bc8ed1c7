"""Which process this is, as torchrun and SLURM say it."""

import pytest

from tasks.common.errors import UserError
from tasks.common.ranks import Place, check_launched, check_others, first_machine, machines, place

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "RANK": "9",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "16",
    "LOCAL_WORLD_SIZE": "8",
    "MASTER_ADDR": "10.0.0.1",
    "MASTER_PORT": "29500",
}
SLURM = {
    "SLURM_NTASKS": "8",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_NNODES": "4",
    "SLURM_JOB_NAME": "train",
    "SLURM_JOB_ID": "1230042",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_STEP_ID": "0",
    "SLURM_NODELIST": "gpu[03-05,9]",
}


def test_torchrun_and_slurm_say_where_a_process_stands():
    assert place(TORCHRUN) == Place(9, 16, "10.0.0.1", 29500, "none") and machines(TORCHRUN) == (2, 8)
    assert place(SLURM) == Place(3, 8, "gpu03", 15042, "1230042.0") and machines(SLURM) == (4, 2)
    both = SLURM | TORCHRUN  # torchrun inside a SLURM job
    assert place(both) == place(TORCHRUN) and machines(both) == machines(TORCHRUN)


@pytest.mark.parametrize(
    "environment",
    [{}, {"LOCAL_RANK": "1", "NODE_RANK": "0"}, SLURM | {"SLURM_NTASKS": "1"}, SLURM | {"SLURM_JOB_NAME": "bash"}],
)
def test_a_single_process_stands_alone(environment):
    assert place(environment) is None


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"LOCAL_RANK": "1"}, "LOCAL_RANK=1 is set without WORLD_SIZE"),  # it trained, and wrote nothing
        (TORCHRUN | {"RANK": "x"}, "RANK is 'x', no number from 0 to 65535: torchrun sets all of WORLD_SIZE, RANK"),
        (TORCHRUN | {"RANK": "16"}, r"RANK=16: there are 16 processes \(WORLD_SIZE\), from 0 on"),
        (TORCHRUN | {"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two'"),
        (TORCHRUN | {"MASTER_PORT": "99999"}, "MASTER_PORT is '99999', no number from 0 to 65535"),
        ({key: value for key, value in TORCHRUN.items() if key != "MASTER_PORT"}, "MASTER_PORT is missing"),
        (SLURM | {"SLURM_PROCID": "a"}, "SLURM_PROCID is 'a'"),
        ({key: value for key, value in SLURM.items() if key != "SLURM_LOCALID"}, "SLURM_LOCALID is missing: srun sets"),
    ],
)
def test_half_of_a_launchers_variables_are_refused(environment, message):
    with pytest.raises(UserError, match=message):
        check_launched(environment)


@pytest.mark.parametrize("step", [None, "batch", str(0xFFFF_FFFB)])
def test_a_batch_script_without_srun_is_refused_instead_of_waiting(step):
    environment = {key: value for key, value in SLURM.items() if key != "SLURM_STEP_ID"} | {"SLURM_PROCID": "0"}
    if step is not None:
        environment["SLURM_STEP_ID"] = step
    with pytest.raises(UserError, match=r"SLURM_NTASKS=8, but the batch script .* write srun before the command"):
        check_others(environment)
    for some in (TORCHRUN, {"SLURM_JOB_NAME": "interactive"}, {"SLURM_NTASKS": "1"}, {"SLURM_STEP_ID": "0"}):
        check_others(environment | some)
    check_others({key: value for key, value in environment.items() if key != "SLURM_STEP_ID"} | {"SLURM_STEPID": "0"})


@pytest.mark.parametrize(
    "environment",
    [{}, TORCHRUN, SLURM, {"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}, SLURM | {"SLURM_NTASKS": "1"}],
)
def test_launchers_are_taken(environment):
    check_launched(environment)


def test_unequal_machines_have_no_common_number_of_processes():
    assert machines(SLURM | {"SLURM_NTASKS": "7"}) is None
    assert machines({}) is None


def test_the_port_is_lightnings(monkeypatch):
    from lightning.pytorch.plugins.environments import SLURMEnvironment

    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    here, environment = place(), SLURMEnvironment()
    assert (here.address, here.port) == (environment.main_address, environment.main_port)


@pytest.mark.parametrize(
    ("listed", "first"),
    [("gpu07", "gpu07"), ("gpu[03-05,9],cpu1", "gpu03"), ("a,b", "a"), ("n[1,3].site,x", "n1.site"), ("", "")],
)
def test_the_first_machine_of_slurms_list(listed, first):
    assert first_machine(listed) == first
