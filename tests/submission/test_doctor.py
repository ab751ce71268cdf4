"""The doctor: control groups of both versions, each part of the machine, and the whole of it as text and JSON."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from submission.__main__ import main
from submission.doctor import gpus, machine, software
from submission.doctor.cgroup import cpu_quota, memory_limit, usable_cores, useful_threads
from submission.doctor.diagnosis import Diagnosis
from submission.doctor.weights import look_at_weights

ROOT = Path(__file__).parents[2]
V1 = "3:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc\n"
V2 = "0::/team/run\n"
HYBRID = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/docker/abc\n"
HUGE = "9223372036854771712"
CPU1, MEMORY1 = "sys/fs/cgroup/cpu,cpuacct", "sys/fs/cgroup/memory"

# (/proc/self/cgroup, files below /, processors, bytes)
GROUPS: tuple[tuple[str, dict[str, str], float | None, int | None], ...] = (
    ("", {}, None, None),
    (V2, {}, None, None),
    (V2, {"sys/fs/cgroup/team/run/cpu.max": "max 100000"}, None, None),
    (V2, {"sys/fs/cgroup/team/run/cpu.max": "300000 100000"}, 3.0, None),
    (V2, {"sys/fs/cgroup/team/cpu.max": "150000 100000", "sys/fs/cgroup/team/run/cpu.max": "300000 100000"}, 1.5, None),
    (V2, {"sys/fs/cgroup/memory.max": "1000"}, None, 1000),
    (V2, {"sys/fs/cgroup/team/memory.max": "2000", "sys/fs/cgroup/team/run/memory.max": "max"}, None, 2000),
    (V1, {f"{CPU1}/docker/abc/cpu.cfs_quota_us": "-1", f"{CPU1}/docker/abc/cpu.cfs_period_us": "100000"}, None, None),
    (V1, {f"{CPU1}/docker/abc/cpu.cfs_quota_us": "50000", f"{CPU1}/docker/abc/cpu.cfs_period_us": "100000"}, 0.5, None),
    # Inside a container the group is mounted at the top, under another path than /proc says.
    (V1, {f"{CPU1}/cpu.cfs_quota_us": "300000", f"{CPU1}/cpu.cfs_period_us": "100000"}, 3.0, None),
    (V1, {f"{MEMORY1}/docker/abc/memory.limit_in_bytes": HUGE}, None, None),
    (V1, {f"{MEMORY1}/docker/abc/memory.limit_in_bytes": "4000", f"{MEMORY1}/memory.limit_in_bytes": HUGE}, None, 4000),
    (HYBRID, {f"{MEMORY1}/memory.limit_in_bytes": "5000"}, None, 5000),
    (V2, {"sys/fs/cgroup/team/run/cpu.max": "nonsense", "sys/fs/cgroup/team/run/memory.max": ""}, None, None),
)


@pytest.mark.parametrize(("group", "files", "cores", "memory"), GROUPS)
def test_what_a_control_group_allows(
    group: str, files: dict[str, str], cores: float | None, memory: int | None, tmp_path: Path
) -> None:
    for name, content in {"proc/self/cgroup": group, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert (cpu_quota(tmp_path), memory_limit(tmp_path)) == (cores, memory)
    most = len(os.sched_getaffinity(0))
    assert usable_cores(tmp_path) == (most if cores is None else min(most, cores))


@pytest.mark.parametrize(
    ("quota", "wanted", "threads"), [(300000, 64, 3), (300000, 2, 2), (250000, 64, 2), (50000, 64, 1), (300000, 1, 1)]
)
def test_a_run_starts_no_more_threads_than_can_run_at_once(
    quota: int, wanted: int, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": f"{quota} 100000"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert useful_threads(wanted, tmp_path) == threads


def test_a_run_gives_torch_no_more_threads_than_that(tmp_path: Path) -> None:
    program = "import torch, submission.__main__ as m; m.main(); print(torch.get_num_threads())"
    done = subprocess.run(
        [sys.executable, "-c", program, "run", "--input", str(tmp_path / "none")],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "64"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) == useful_threads(64)


@pytest.mark.parametrize(("usable", "health"), [(64.0, "ok"), (3.0, "ok"), (1.0, "ok"), (0.5, "warning")])
def test_less_than_a_processor_is_warned_of(usable: float, health: str) -> None:
    assert machine.cores(usable).health == health


def test_missing_shared_memory_is_warned_of(tmp_path: Path) -> None:
    assert machine.shared_memory(tmp_path / "none").health == "warning"


def test_docker_s_own_shared_memory_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(64 * 10**6, 0, 64 * 10**6))
    assert "--shm-size" in machine.shared_memory(tmp_path).remedy


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.disk(tmp_path / "not/made/yet").health == "ok"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 10**6))
    assert machine.disk(tmp_path).health == "error"


def test_a_folder_that_may_not_be_written_to_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    assert "may not be written to" in machine.disk(tmp_path).value


@pytest.mark.parametrize(
    ("built", "gpu", "runs"),
    [
        ("sm_80", "sm_80", True),
        ("sm_80", "sm_86", True),
        ("sm_80", "sm_90", False),
        ("sm_90", "sm_80", False),
        ("compute_80", "sm_90", True),
        ("compute_90", "sm_80", False),
    ],
)
def test_which_code_runs_on_which_gpu(built: str, gpu: str, runs: bool) -> None:
    assert gpus._runs_on(built, gpu) is runs


def test_packages_are_compared_with_what_was_tested() -> None:
    installed = software.version("tqdm")
    assert software.package("tqdm", "tqdm", installed).health == "ok"
    assert software.package("tqdm", "tqdm", None).health == "ok"
    assert software.package("tqdm", "tqdm", "0.0.1").remedy == "install tqdm==0.0.1"
    assert software.package("no-such-package", "none", "1").health == "error"


# What stands before the program in the child: packages that are not there, and one whose library is broken.
MISSING = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}: raise {error}
sys.meta_path.insert(0, Missing())
"""
PACKAGES = ("torch", "numpy", "PIL", "safetensors", "tokenizers", "tqdm")
BROKEN: tuple[tuple[str, tuple[str, ...], str], ...] = (
    *((f"no {name}", (name,), 'ModuleNotFoundError(f"No module named {name!r}")') for name in PACKAGES),
    ("none of them", PACKAGES, 'ModuleNotFoundError(f"No module named {name!r}")'),
    ("a broken torch", ("torch",), 'OSError("libtorch_cpu.so: cannot open shared object file")'),
    ("a torch for another numpy", ("torch",), 'ValueError("numpy.dtype size changed")'),
)


def in_a_broken_environment(names: tuple[str, ...], error: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    program = MISSING.replace("{names}", repr(names)).replace("{error}", error)
    program += "import submission.__main__ as m\nraise SystemExit(m.main())"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


# Each starts a process: the others of the kind are slow.
FIRST = ("no torch", "no tqdm", "none of them", "a broken torch")


@pytest.mark.parametrize(
    ("what", "names", "error"),
    [pytest.param(*row, id=row[0], marks=() if row[0] in FIRST else pytest.mark.slow) for row in BROKEN],
)
def test_doctor_starts_without_packages(
    what: str, names: tuple[str, ...], error: str, weights: Path, tmp_path: Path
) -> None:
    done = in_a_broken_environment(names, error, "doctor", "--json", "--weights", weights, "--output", tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    ill = {
        reading["name"]: reading["value"]
        for reading in json.loads(done.stdout)["readings"]
        if reading["health"] == "error"
    }
    packages = {"PIL": "pillow"}
    for name in names:
        assert "can not be imported" in ill[packages.get(name, name)]
    assert ("gpu" in ill) == ("torch" in names)
    assert "weights" in ill or "torch" not in names


def test_doctor_judges_weights_without_torch(weights: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(weights, tmp_path / "weights")
    (copy / "bpe.model").write_text("version https://git-lfs.github.com/spec/v1\n")
    (copy / "vqgan/config.json").write_text("{")
    done = in_a_broken_environment(PACKAGES, 'ModuleNotFoundError("none")', "doctor", "--json", "--weights", copy)
    told = {reading["name"]: reading for reading in json.loads(done.stdout)["readings"]}
    assert "a Git LFS pointer stands in for the file" in told["weights bpe.model"]["value"]
    assert told["weights bpe.model"]["remedy"] == "fetch it with `git lfs pull`"
    assert "not JSON" in told["weights vqgan/config.json"]["value"]
    assert told["weights rudolph/config.json"]["health"] == "ok"


COMMANDS = {
    "run": [],
    "pack": ["--weights", "weights", "--output", "no.zip", "--image", "a:1"],
    "check": ["weights"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_other_command_points_to_the_doctor(command: str, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libtorch_cpu.so: cannot open')")
    done = subprocess.run(
        [sys.executable, "-m", "submission", command, *COMMANDS[command]],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        f"submission {command}: error [IMPORT] torch can not be imported (libtorch_cpu.so: cannot open); "
        "`python -m submission doctor` shows what is missing\n"
    )


def test_an_old_python_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    assert next(software.look_at_software(tmp_path)).health == "error"


def test_weights_are_hashed_and_weighed(weights: Path) -> None:
    found = list(look_at_weights(weights, 10**9, None))
    assert [reading.health for reading in found] == ["ok"] * 7
    assert [reading.name for reading in found][-1] == "weights in memory"
    assert list(look_at_weights(weights, 1000, None))[-1].health == "error"
    assert list(look_at_weights(weights, 10**9, 1000))[-1].health == "error"


def test_weights_that_were_changed_since_packing_are_named(weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights, tmp_path / "weights")
    listed = {"weights/bpe.model": {"sha256": "0" * 64}}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": listed}))
    ill = [reading for reading in look_at_weights(tmp_path / "weights", 10**9, None) if reading.health == "error"]
    assert [reading.name for reading in ill] == ["weights bpe.model"]


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    (reading,) = look_at_weights(tmp_path, 10**9, None)
    assert (reading.health, "--weights" in reading.remedy) == ("error", True)


def test_the_doctor_speaks_text_and_json(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["doctor", "--weights", str(weights), "--output", str(tmp_path)]
    status = main(arguments)
    text = capsys.readouterr().out
    assert main([*arguments, "--json"]) == status
    told = json.loads(capsys.readouterr().out)
    names = [reading["name"] for reading in told["readings"]]
    assert {"python", "torch", "processors", "memory", "shared memory", "disk", "weights bpe.model"} <= set(names)
    assert all(f" {name}: " in text for name in names)
    ill = any(reading["health"] == "error" for reading in told["readings"])
    assert status == (1 if ill else 0)
    assert text.splitlines()[-1] == ("a run would go wrong" if ill else "a run can start")


def test_missing_weights_make_the_doctor_end_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--weights", str(tmp_path / "none"), "--output", str(tmp_path)]) == 1
    assert "a run would go wrong" in capsys.readouterr().out


def test_whoever_warns_says_what_helps() -> None:
    with pytest.raises(ValueError, match="remedy"):
        Diagnosis("disk", "full", "error")
    with pytest.raises(ValueError, match="remedy"):
        Diagnosis("disk", "fine", "ok", "nothing to do")
