"""Each run on a host gets GPUs of its own, by id."""

import pytest

from evaluation.container.devices import allotted, devices_of_host, held_devices, held_slot
from evaluation.container.errors import HostBusyError, HostError


@pytest.mark.parametrize(
    ("environment", "ids"),
    [
        ({}, None),
        ({"CUDA_VISIBLE_DEVICES": ""}, None),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, None),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, None),
        ({"CUDA_VISIBLE_DEVICES": "2,GPU-0f3c"}, ("2", "GPU-0f3c")),
        ({"CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_GPUS": "3"}, ("3",)),
        ({"CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_GPUS": "3,4", "SLURM_STEP_GPUS": "4"}, ("4",)),
    ],
)
def test_ids_come_from_what_the_host_allots(environment, ids):
    assert allotted(environment) == ids


def test_devices_of_a_host_are_those_it_shows(tmp_path):
    for name in ("nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert devices_of_host(tmp_path) == ("2", "10")


def test_two_runs_share_no_gpu(tmp_path):
    environment = {"CUDA_VISIBLE_DEVICES": "5,6,7"}
    with held_devices(1, None, environment, tmp_path, 0) as one, held_devices(2, None, environment, tmp_path, 0) as two:
        assert (one, two) == (("5",), ("6", "7"))
        busy = pytest.raises(HostBusyError, match="1 of the GPUs 5, 6, 7: not free")
        with busy, held_devices(1, None, environment, tmp_path, 0):
            pass
    with held_devices(3, None, environment, tmp_path, 0) as all_of_them:
        assert all_of_them == ("5", "6", "7")


def test_too_few_gpus_are_no_matter_of_waiting(tmp_path):
    refusal = pytest.raises(HostError, match="a run needs 2 GPUs, and 0 are here")
    with refusal as refused, held_devices(2, ("0",), {}, tmp_path, 0):
        pass
    assert not isinstance(refused.value, HostBusyError)


def test_runs_on_a_host_are_bounded(tmp_path):
    busy = pytest.raises(HostBusyError, match="one of 2 places")
    with held_slot(2, tmp_path, 0), held_slot(2, tmp_path, 0), busy, held_slot(2, tmp_path, 0):
        pass
