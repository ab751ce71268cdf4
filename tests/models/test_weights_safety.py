"""Malicious checkpoints: whatever a pickle asks for, nothing of it runs."""

import os
import subprocess
from pathlib import Path

import pytest
import torch

from models.weights import WeightsFormatError, read_state_dict
from tests.models.test_weights import net_state


class Runs:
    """Pickles as a call of any function: what a malicious checkpoint does."""

    def __init__(self, function, *args) -> None:
        self.function = function
        self.args = args

    def __reduce__(self):
        return self.function, self.args


ATTACKS = {
    "system": lambda mark: Runs(os.system, f"touch {mark}"),
    "eval": lambda mark: Runs(eval, f"open({str(mark)!r}, 'w')"),
    "exec": lambda mark: Runs(exec, f"open({str(mark)!r}, 'w')"),
    "open": lambda mark: Runs(open, str(mark), "w"),
    "mkdir": lambda mark: Runs(os.makedirs, str(mark)),
    "path": lambda mark: Runs(Path.touch, Path(mark)),
    "import": lambda mark: Runs(__import__, "antigravity"),
    "torch": lambda mark: Runs(torch.save, 1, str(mark)),
    "popen": lambda mark: Runs(subprocess.Popen, ["touch", str(mark)]),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("place", ["surplus", "weights", "alone"])
@pytest.mark.parametrize(("zipped", "protocol"), [(True, 2), (True, 4), (False, 2), (False, 4)])
def test_nothing_in_a_malicious_file_runs(tmp_path, attack, place, zipped, protocol):
    mark = tmp_path / "ran"
    evil = ATTACKS[attack](mark)
    content = {
        "surplus": {"state_dict": net_state(), "callbacks": {"x": evil}},
        "weights": {"state_dict": net_state() | {"evil": evil}},
        "alone": evil,
    }[place]
    path = tmp_path / "evil.ckpt"
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    try:
        state = read_state_dict(path)
    except WeightsFormatError as error:
        assert "convert it where its source is trusted" in str(error)  # noqa: PT017
    else:
        assert place == "surplus"
        assert set(state) == set(net_state())
    assert not mark.exists()


def test_the_attacks_do_work_where_files_are_trusted(tmp_path):
    """The test above proves something only if the same file runs code in an ordinary unpickler."""
    mark = tmp_path / "ran"
    torch.save(ATTACKS["eval"](mark), tmp_path / "evil.ckpt")
    torch.load(tmp_path / "evil.ckpt", weights_only=False).close()
    assert mark.exists()
