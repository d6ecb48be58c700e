"""`mibench new`: what it writes keeps the contract and runs as it stands; what it must not write, it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mibench.checks.starter import start
from mibench.engine.reading import read_results
from mibench.errors import UsageError
from mibench.result import Status


def mibench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As from a shell in that folder."""
    command = [sys.executable, "-m", "mibench", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("kind", "name"), [("estimator", "my-first-estimator"), ("task", "my-first-task")])
def test_what_is_written_is_sound_and_its_next_steps_work(kind: str, name: str, tmp_path: Path) -> None:
    written = mibench(tmp_path, "new", kind, name)
    assert written.returncode == 0, written.stderr
    file = f"{name.replace('-', '_')}.py"
    assert [path.name for path in tmp_path.iterdir()] == [file]
    steps = [line.split("   # ")[0].split() for line in written.stdout.splitlines()[1:]]
    assert [step[:2] for step in steps[:1]] == [["mibench", "check"]] and len(steps) == 3
    checked = mibench(tmp_path, *steps[0][1:])
    assert checked.returncode == 0 and " failed" in checked.stderr and " 0 failed" in checked.stderr, checked.stdout
    assert "skipped" not in checked.stderr or kind == "task"
    asked = ["-e", name, "-t", "gauss"] if kind == "estimator" else ["-e", "cca", "-t", name]
    done = mibench(
        tmp_path,
        "run",
        *asked,
        "-n",
        "1000",
        "--seeds",
        "3",
        "--include",
        file,
        "--out",
        "out",
        "-j",
        "1",
        "--no-mlflow",
    )
    assert done.returncode == 0, done.stderr
    entrant = name if kind == "estimator" else "cca"
    results = [r for r in read_results(tmp_path / "out") if r.cell.estimator == entrant]
    assert len(results) == 3 and {r.status for r in results} == {Status.OK}
    for result in results:
        assert result.mi is not None and result.truth is not None
        assert abs(result.mi - result.truth) < 0.15, "four standard errors of a Gaussian estimate at n = 1,000"


def test_the_other_next_steps_work(tmp_path: Path) -> None:
    steps = mibench(tmp_path, "new", "task", "my-other-task").stdout.splitlines()
    assert mibench(tmp_path, *steps[2].split("   # ")[0].split()[1:]).returncode == 0
    assert (tmp_path / "my-other-task.png").stat().st_size > 1000
    steps = mibench(tmp_path, "new", "estimator", "my-other").stdout.splitlines()
    for name in "xy":
        (tmp_path / f"{name}.csv").write_text("\n".join(map(str, [1.5, 2.25, 0.5, 4.0, 3.5, 9.0, 7.5, 8.0, 6.5, 5.0])))
    answered = mibench(tmp_path, *steps[3].split("   # ")[0].split()[1:])
    assert answered.returncode == 0 and "my-other" in answered.stdout


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "cannot name"),
        ("My-Own", "cannot name"),
        ("-own", "cannot name"),
        ("own--two", "cannot name"),
        ("2d", "cannot name"),
        ("../own", "cannot name"),
        ("own[k=3]", "cannot name"),
        ("own" * 14, "cannot name"),
        ("ksg", "taken by the estimator"),
        ("gauss", "taken by the task"),
        ("random", "would hide"),
        ("numpy", "would hide"),
        ("lambda", "would hide"),
    ],
)
def test_bad_names_are_refused_in_one_sentence(name: str, complaint: str, tmp_path: Path) -> None:
    for kind in ("estimator", "task"):
        with pytest.raises(UsageError, match=complaint) as refused:
            start(kind, name, tmp_path)
        assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "my_own.py").write_text("mine")
    refused = mibench(tmp_path, "new", "task", "my-own")
    assert refused.returncode == 2 and "is there already" in refused.stderr and "Traceback" not in refused.stderr
    assert (tmp_path / "my_own.py").read_text() == "mine"
    with pytest.raises(UsageError, match="cannot write 'other.py': No such file"):
        start("task", "other", tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["estimator", "task"])
@pytest.mark.parametrize(
    "name", ["estimator", "task", "true", "estimate", "count", "capabilities", "positive", "above"]
)
def test_names_of_what_the_file_uses_do_no_harm(kind: str, name: str, tmp_path: Path) -> None:
    start(kind, name, tmp_path)  # type: ignore[arg-type]
    code = (tmp_path / f"{name}.py").read_text()
    compile(code, name, "exec")
    [defined] = [line for line in code.splitlines() if line.startswith("class ")]
    imported = {word for line in code.splitlines() if "import" in line for word in line.replace(",", " ").split()}
    assert defined[len("class ") :].partition("(")[0] not in imported
    checked = mibench(tmp_path, "check", name, "--include", f"{name}.py")
    assert checked.returncode == 0, checked.stdout + checked.stderr
