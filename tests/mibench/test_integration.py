"""CI in a repository of somebody's own: what a change touches, what it does, and the steps of the action."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mibench.checks.starter import start
from mibench.engine.reading import has_results, read_results
from mibench.engine.store import Store
from mibench.errors import UsageError
from mibench.integration import LARGEST, keep_those_of, shortened

from .conftest import MakeResult

ROOT = Path(__file__).parents[2]
GRID = 'tasks = ["gauss"]\nn = [200]\nseeds = 2\nreferences = false\n'
FILES = "estimators/*.py"

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two estimators that share a module, committed, with a baseline of their own."""
    top = tmp_path / "own"
    (top / "estimators").mkdir(parents=True)
    for name in ("first-own", "second-own"):
        file = start("estimator", name, top / "estimators")
        file.write_text(file.read_text().replace("import numpy as np\n", "import numpy as np\nimport shared_by_both\n"))
    (top / "shared_by_both.py").write_text("RIDGE = 1e-6\n")
    (top / "test_something.py").write_text("")
    (top / "grid.toml").write_text(GRID)
    (top / ".gitignore").write_text("mibench-ci/\n__pycache__/\n")
    for command in ("init -q -b main", "add .", "commit -q -m first"):
        assert shell(top, "git", *command.split()).returncode == 0
    return top


def shell(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {f"GIT_{who}_{what}": "ci@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return subprocess.run(
        command,
        cwd=folder,
        env=inherited | known | {"PATH": path, "PYTHONPATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def ci(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    done = shell(folder, sys.executable, "-m", "mibench", "ci", "grid.toml", "--files", FILES, "-j", "1", *options)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def edit(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def run_by(folder: Path) -> set[str]:
    return {r.cell.estimator for r in read_results(folder / "mibench-ci")}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_only_what_a_change_touches_is_run_and_a_regression_is_one(repository: Path) -> None:
    first = repository / "estimators" / "first_own.py"
    made = ci(repository, "--out", "baseline")
    assert made.returncode == 0 and "There is no baseline named" in made.stdout, made.stderr
    (repository / "test_something.py").write_text("# changed")
    nothing = ci(repository, "--base", "main", "--baseline", "baseline")
    assert nothing.returncode == 0 and "nothing was run" in nothing.stdout
    assert not (repository / "mibench-ci").exists()

    edit(first, "# a hyperparameter", "# one hyperparameter")
    same = ci(repository, "--base", "main", "--baseline", "baseline", "--summary", "summary.md")
    assert same.returncode == 0, same.stdout + same.stderr
    assert run_by(repository) == {"first-own"} and (repository / "mibench-ci" / "leaderboard.html").is_file()
    summary = (repository / "summary.md").read_text()
    assert summary == same.stdout and "unchanged" in summary and "## Leaderboard" in summary
    assert "![" not in summary  # a summary page has no pictures of a folder

    edit(first, "Estimate(0.5 *", "Estimate(0.25 *")  # nobody raised its version
    worse = ci(repository, "--base", "main", "--baseline", "baseline")
    assert worse.returncode == 1 and "worse" in worse.stdout
    assert len(read_results(repository / "mibench-ci")) == 2


def test_what_other_code_has_answered_is_measured_again_and_what_nobody_knows_the_code_of_is_left(
    tmp_path: Path, make: MakeResult
) -> None:
    """The id of a cell has the version of its estimator, which nobody raises for a mistake."""
    with Store(tmp_path / "other") as store:
        store.append(make())
    with pytest.raises(UsageError, match="has results that `mibench ci` did not measure"):
        keep_those_of("a", tmp_path / "other")
    assert len(read_results(tmp_path / "other")) == 1
    (tmp_path / "other" / "code.txt").write_bytes(b"\xff")  # a note that is damaged is of no code that is known
    keep_those_of("a", tmp_path / "other")
    assert not has_results(tmp_path / "other")
    out = tmp_path / "ci"
    for code, kept in (("a", False), ("a", True), ("b", False), ("b", True), ("a", False)):
        keep_those_of(code, out)
        assert has_results(out) == kept
        with Store(out) as store:
            store.append(make())


def test_names_of_files_need_be_no_text(repository: Path) -> None:
    (repository / os.fsdecode(b"caf\xe9.py")).touch()
    nothing = ci(repository, "--base", "main", "--baseline", "baseline")
    assert nothing.returncode == 0 and "nothing was run" in nothing.stdout, nothing.stderr


def test_the_code_is_the_files_and_what_they_import(repository: Path) -> None:
    code = f"""
from pathlib import Path
from mibench.integration import Plugins
plugins = Plugins.found(["{FILES}"])
print(plugins.code())
for name in ("test_something.py", "estimators/first_own.py", "shared_by_both.py"):
    Path(name).write_text(Path(name).read_text() + "# changed")
    print(plugins.code())
"""
    done = shell(repository, sys.executable, "-c", code)
    before, of_a_test, of_a_file, of_a_module = done.stdout.split()
    assert before == of_a_test, "nothing imports it"
    assert len({before, of_a_file, of_a_module}) == 3


def test_a_module_that_all_import_touches_all_and_a_name_is_enough(repository: Path) -> None:
    (repository / "shared_by_both.py").write_text("RIDGE = 1e-5\n")
    code = f"from mibench.integration import Plugins\np = Plugins.found(['{FILES}'])\nprint(p.all, p.changed('main'))\n"
    told = shell(repository, sys.executable, "-c", code)
    assert told.stdout.strip() == "['first-own', 'second-own'] ['first-own', 'second-own']", told.stderr
    start("estimator", "third-own", repository / "estimators")
    shell(repository, "git", "checkout", "-q", "shared_by_both.py")
    told = shell(repository, sys.executable, "-c", code)
    assert told.stdout.strip().endswith(" ['third-own']"), "what is not committed yet counts"


def test_an_estimator_that_the_baseline_has_and_no_file_any_more_is_told(repository: Path) -> None:
    grid = ("run", "-t", "gauss", "-n", "100", "--seeds", "1", "--no-mlflow", "--out", "baseline")
    includes = [o for name in ("first_own", "second_own") for o in ("--include", f"estimators/{name}.py")]
    made = shell(repository, sys.executable, "-m", "mibench", *grid, "-e", "*-own", "-e", "cca", *includes)
    assert made.returncode == 0, made.stderr
    shell(repository, "git", "rm", "-q", "estimators/second_own.py")
    done = ci(repository, "--base", "main", "--baseline", "baseline")
    assert done.returncode == 0
    assert "The baseline has second-own, which no file registers any more" in done.stdout
    strict = ci(repository, "--base", "main", "--baseline", "baseline", "--complete")
    assert strict.returncode == 1
    assert "Regression: the baseline has second-own, which no file registers any more" in strict.stdout
    other = ci(repository, "-e", "first-own", "--baseline", "baseline")
    assert other.returncode == 3 and "Nothing could be compared" in other.stdout
    fewer = ci(repository, "-e", "first-own", "--baseline", "baseline", "--complete")  # the grid asks n = 200 now
    assert fewer.returncode == 1 and "missing in NEW, of first-own" in fewer.stdout
    assert "first-own, " not in done.stdout and "cca" not in done.stdout


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--base", "nowhere"), "git cannot say what changed"),
        (("-e", "third-own"), "unknown estimator 'third-own'"),
        (("--files", "nothing/*.py"), "there is no Python file 'nothing/*.py'"),
        (("--files", "test_something.py"), ""),
    ],
)
def test_what_is_wrong_is_one_sentence(repository: Path, options: tuple[str, str], complaint: str) -> None:
    done = ci(repository, *options, "--time-budget", "0.001")
    assert done.returncode == (2 if complaint else 4)
    assert complaint in done.stderr


def test_a_summary_keeps_within_what_is_shown() -> None:
    text = "".join(f"| row {number} | ψ |\n" for number in range(100_000))
    short = shortened(text)
    assert len(text.encode()) > LARGEST >= len(short.encode()) > LARGEST - 1000
    kept, _, note = short.rpartition("\n\n")
    assert text.startswith(kept) and kept.endswith(" |") and "left out here" in note
    assert shortened("short") == "short"


def step(name: str) -> dict[str, Any]:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    found: dict[str, Any] = next(s for s in action["runs"]["steps"] if s["name"] == name)
    return found


def test_the_steps_of_the_action_run_as_github_would_run_them(repository: Path, tmp_path: Path) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    given = {name: str(i.get("default", "")) for name, i in action["inputs"].items()}
    given |= {"files": FILES, "grid": "grid.toml", "base": "main", "estimators": "second-own"}
    places = {"RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": str(tmp_path / "step.md")}
    measure = step("Measure")
    variables = {
        key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: given[match[1]], value)
        for key, value in measure["env"].items()
    }
    assert "${{" not in "".join(variables.values())
    done = shell(
        repository, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", measure["run"], **places, **variables
    )
    assert done.returncode == 0, done.stderr
    assert "## Leaderboard" in (tmp_path / "step.md").read_text()
    assert run_by(repository) == {"second-own"}


def test_no_input_is_put_into_a_script_and_every_one_is_used() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    text = (ROOT / "action.yml").read_text()
    for name in action["inputs"]:
        assert f"inputs.{name} " in text, name
    for script in (s.get("run", "") for s in action["runs"]["steps"]):
        assert "${{" not in script
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "benchmark.yml").read_text())
    inputs = workflow[True]["workflow_call"]["inputs"]  # YAML reads "on" as a truth value
    [used] = [s["with"] for s in workflow["jobs"]["benchmark"]["steps"] if s.get("uses") == "./.mibench"]
    assert set(used) <= set(action["inputs"])
    assert {f"${{{{ inputs.{name} }}}}" for name in used} == set(used.values())
    for name, given in used.items():
        default = action["inputs"][name].get("default")
        assert inputs[name].get("default") == default, f"{name}: {given}"


@pytest.mark.parametrize("file", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflows_ask_for_no_more_than_they_need_and_run_what_exists(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    makefile = (ROOT / "Makefile").read_text()
    for job in workflow["jobs"].values():
        for step in job.get("steps", ()):
            for target in re.findall(r"\bmake (\w[\w-]*)", step.get("run", "")):
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
            assert "${{ github.event" not in step.get("run", "") and "${{ inputs" not in step.get("run", "")


WORKFLOWS = [ROOT / "action.yml", *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_steps_are_sound_shell_and_refer_to_what_exists(file: Path) -> None:
    loaded = yaml.safe_load(file.read_text())
    jobs = loaded.get("jobs", {"action": loaded.get("runs")})
    for job in jobs.values():
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= set(jobs)
        steps = job["steps"]
        for number, step in enumerate(steps):
            assert ("run" in step) != ("uses" in step), step
            assert re.fullmatch(r"[\w-]+/[\w-]+(/[\w-]+)*@v\d+|\./\.mibench", step.get("uses", "a/b@v1")), step
            earlier = {one.get("id") for one in steps[:number]}
            assert set(re.findall(r"\bsteps\.(\w+)\.", json.dumps(step))) <= earlier
            script = re.sub(r"\$\{\{.*?\}\}", "x", step.get("run", ""))
            done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True, check=False)
            assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_workflows_of_the_tutorial_name_inputs_that_there_are() -> None:
    page = (ROOT / "docs" / "tutorials" / "ci.md").read_text()
    action = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    reusable = yaml.safe_load((ROOT / ".github" / "workflows" / "benchmark.yml").read_text())
    called = reusable[True]["workflow_call"]["inputs"]
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    used = [(step["with"], action) for w in shown for step in w["jobs"]["mibench"].get("steps", [])[-1:]]
    used += [(w["jobs"]["mibench"]["with"], called) for w in shown if "uses" in w["jobs"]["mibench"]]
    assert len(used) == 2
    for given, known in used:
        assert set(given) <= set(known)
        assert {name for name, one in known.items() if one.get("required")} <= set(given)
