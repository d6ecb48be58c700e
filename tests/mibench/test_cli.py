"""The command line as a user meets it: outputs, exit codes, and one sentence for whatever is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from mibench.checks.starter import start
from mibench.cli import main
from mibench.cli.commands import app
from mibench.cli.run import say_what_is_older
from mibench.engine.reading import read_results
from mibench.files import require_folder, require_writable
from mibench.registry import include
from mibench.results import Results

from .conftest import MakeResult

Command = Callable[..., tuple[int, str, str]]

PLUGINS = str(Path(__file__).parent / "troublemakers.py")


@pytest.fixture
def mibench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run a command in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIBENCH_DEVICE", "cpu")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(stop.value.code or 0), out, err

    return command


@pytest.mark.parametrize("command", [("ls", "estimators", "k*"), ("ls", "grids"), ("info", "ksg"), ("info", "gauss")])
def test_lines_that_are_piped_end_where_their_words_end(mibench: Command, command: tuple[str, ...]) -> None:
    code, out, _ = mibench(*command)
    assert code == 0
    lines = out.splitlines()
    assert len(lines) > 3
    assert lines == [line.rstrip() for line in lines]
    assert max(map(len, lines)) <= 120 or command[0] == "info"  # the place in the source is not wrapped


@pytest.mark.parametrize(
    "name", [info.name or info.callback.__name__ for info in app.registered_commands if info.callback]
)
def test_every_command_explains_itself_with_examples(mibench: Command, name: str) -> None:
    code, out, _ = mibench(name, "--help")
    assert code == 0
    assert "Examples:" in out and f"mibench {name}" in out


def test_the_list_of_commands_has_whole_sentences(mibench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = mibench("--help")
    lines = out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert code == 0 and len(lines) == 15
    assert all(re.fullmatch(r"  [a-z]+ +[A-Z].*[^.]\.", line) for line in lines)


def test_the_version_is_asked_for_as_everywhere(mibench: Command) -> None:
    assert mibench("--version")[:2] == (0, f"mibench {version('mibench')}\n")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom mibench.cli.commands import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'torch', 'pandas', 'mlflow', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_run_prints_its_leaderboard_and_says_where_things_are(mibench: Command, tmp_path: Path) -> None:
    arguments = ["run", "-e", "correlation", "-t", "copy", "-n", "200", "--seeds", "2", "--include", PLUGINS, "-j", "1"]
    code, out, err = mibench(*arguments, "--no-mlflow")
    assert code == 0
    assert out.index("correlation") < out.index("zero") < out.index("oracle")
    assert "results/custom/results.jsonl" in out and "results/custom/leaderboard.html" in out
    assert "10 cells" in err and "\x1b" not in out + err
    folder = tmp_path / "results" / "custom"
    for name in ("leaderboard.md", "leaderboard.html", "leaderboard.csv", "leaderboard.json"):
        assert (folder / name).stat().st_size > 0
    board = json.loads((folder / "leaderboard.json").read_text())
    assert {row["estimator"]: row["score"] for row in board["ranking"]}["oracle"] == 1.0

    code, again, err = mibench(*arguments, "--no-mlflow", "--strict")
    assert code == 0 and "(10 finished before)" in err and again == out
    code, plan, _ = mibench(*arguments, "--seeds", "3", "--dry-run")
    assert code == 0 and "15 cells, 10 finished before, 5 to run" in plan
    code, table, _ = mibench("report", "results/custom", "--unit", "bits", "--out", "other")
    assert code == 0 and "in bits" in table and (tmp_path / "other" / "leaderboard.html").is_file()
    assert "Report    other/leaderboard.html" in table and "Results" not in table  # which lie where they lay


def test_an_estimator_that_comes_later_stands_beside_those_that_ran_before(mibench: Command) -> None:
    common = ["-t", "copy", "-n", "100", "--seeds", "1", "--include", PLUGINS, "-j", "1", "--no-mlflow", "--out", "o"]
    mibench("run", "-e", "correlation", *common)
    _, out, _ = mibench("run", "-e", "correlation[scale=2.0]", *common)
    assert "correlation[scale=2.0]" in out and "correlation " in out


def test_answers_that_are_older_than_the_file_of_their_plug_in_are_told(
    tmp_path: Path, make: MakeResult, capsys: pytest.CaptureFixture[str]
) -> None:
    """The version is part of a cell's identity, and an author who changes a formula may forget to raise it."""
    file = start("estimator", "my-old-own", tmp_path)
    include(file)
    then = {"time": "2026-01-01T12:00:00+0000"}
    old = [make("my-old-own", seed=s, estimator_name="my-old-own", provenance=then) for s in range(2)]
    results = Results([*old, make("ksg", estimator_name="ksg", provenance=then), make("my-old-own", seed=3)])
    for day, told in ((datetime(2026, 1, 2), "2 answers from before the last change of"), (datetime(2025, 12, 31), "")):
        os.utime(file, (day.timestamp(), day.timestamp()))
        say_what_is_older(results, [file])
        err = capsys.readouterr().err
        assert told in err and bool(err) == bool(told)
    file.unlink()
    say_what_is_older(results, [file])  # a run whose file is gone meanwhile has its answers
    assert not capsys.readouterr().err


def test_strict_and_hopeless_runs_say_so_by_their_exit_code(mibench: Command) -> None:
    common = ["-t", "copy", "-n", "100", "--seeds", "1", "--include", PLUGINS, "-j", "1", "--no-mlflow"]
    code, out, err = mibench("run", "-e", "raise", *common, "--strict", "--out", "a")
    assert code == 1 and "1 of 5 cells failed" in err and "RuntimeError: something odd" in out
    code, _, _ = mibench("run", "-e", "raise", *common, "--no-references", "--out", "b")
    assert code == 3
    assert len(read_results("b")) == 1


def test_a_time_budget_ends_with_an_exit_code_of_its_own_and_says_what_is_left(mibench: Command) -> None:
    common = ["run", "-e", "slow", "-t", "copy", "-n", "50", "--seeds", "30", "--include", PLUGINS, "-j", "1"]
    common += ["--no-mlflow", "--no-references", "--out", "o"]
    code, _, err = mibench(*common, "--time-budget", "2.5")
    left = 30 - len(read_results("o"))
    assert code == 4 and f"the time budget is spent, {left} cells left" in err
    assert mibench(*common)[0] == 0 and len(read_results("o")) == 30


def test_shards_run_apart_and_are_merged(mibench: Command, tmp_path: Path) -> None:
    common = ["run", "-e", "correlation", "-t", "copy", "-n", "50", "--seeds", "5", "--include", PLUGINS, "-j", "1"]
    for k in (1, 2, 3):
        code, _, err = mibench(*common, "--shard", f"{k}/3")
        assert code == 0, err
    folders = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert folders == [f"custom-shard-{k}-of-3" for k in (1, 2, 3)], "and no MLflow store that they would share"
    names = [f"results/{name}" for name in folders]
    code, out, _ = mibench("merge", *names, "--out", "whole")
    assert code == 0 and out == "25 cells of 3 folders in whole; next: mibench report whole\n"
    assert mibench(*common, "--out", "whole", "--dry-run")[1].endswith(
        "25 cells, 25 finished before, 0 to run; results in whole\n"
    )
    for folder in ("whole", "elsewhere"):
        code, out, _ = mibench("report", "whole", "--out", folder)
        named = [line.split()[1] for line in out.splitlines() if line.startswith(("Results ", "Report ", "Figures "))]
        assert code == 0 and [Path(name).parts[0] for name in named] == [folder] * (3 if folder == "whole" else 2)
        assert all((tmp_path / name).exists() for name in named), "what is named is there"
    code, _, err = mibench("merge", *names, "--out", names[0])
    assert (code, err) == (2, f"mibench: '{names[0]}' is one of the folders to merge: name a new one with --out.\n")
    code, out, err = mibench(*common, "--no-references", "--seeds", "1", "--shard", "1/1000", "--no-mlflow")
    assert code == 0 and "shard 1/1000 of this grid has no cells." in err


@pytest.mark.parametrize("shard", ["0/10", "11/10", "3", "x/y"])
def test_a_shard_that_is_none_is_one_sentence(mibench: Command, shard: str) -> None:
    code, _, err = mibench("run", "quick", "--shard", shard)
    said = f"mibench: cannot read the shard '{shard}': write K/N with K from 1 to N, such as 3/10.\n"
    assert (code, err) == (2, said)


def test_a_report_of_nothing_leaves_a_good_one_alone(mibench: Command, tmp_path: Path) -> None:
    (tmp_path / "leaderboard.csv").write_text("good")
    for content in ("", "null\n", '{"schema": 99}\n'):
        (tmp_path / "results.jsonl").write_text(content)
        code, _, err = mibench("report", ".")
        assert code == 2 and "there is no result in '.' that can be read" in err
    assert (tmp_path / "leaderboard.csv").read_text() == "good"


@pytest.mark.parametrize("command", ["run", "report"])
def test_a_leaderboard_is_shown_though_its_report_cannot_be_written(
    mibench: Command, tmp_path: Path, command: str
) -> None:
    grid = ("-e", "zero", "-t", "gauss", "-n", "100", "--seeds", "1", "--no-mlflow", "--out", "here")
    (tmp_path / "here" / "figures").mkdir(parents=True)
    (tmp_path / "here" / "leaderboard.html").mkdir()
    code, out, err = mibench("run", *grid)
    if command == "report":
        code, out, err = mibench("report", "here")
    assert code == 2 and "oracle" in out and "Report " not in out
    assert err.splitlines()[-1] == ("mibench: cannot write the report to 'here': Is a directory.")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("delay", [0.15, 0.5, 2.0])
def test_interrupts_in_quick_succession_are_one_sentence(tmp_path: Path, how: signal.Signals, delay: float) -> None:
    grid = ["-e", "slow", "-t", "copy", "-n", "60", "--seeds", "900", "--include", PLUGINS, "--out", str(tmp_path)]
    command = [sys.executable, "-m", "mibench", "run", *grid, "-j", "2", "--no-mlflow"]

    def heard() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests run in the background

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heard) as process:
        time.sleep(delay + 0.3)
        for _ in range(3):
            process.send_signal(how)
            time.sleep(0.02)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.count("interrupted") == 1 and "Traceback" not in said  # on a busy machine before anything was begun


BAD = [
    (["run"], "name a grid to run"),
    (["run", "nonsense"], "there is no preset and no file 'nonsense'"),
    (["run", "my.toml"], "there is no file 'my.toml'; TOML files there are: none"),
    (["run", "-t", "gauss", "-n", "x"], "cannot read -n 'x'"),
    (["run", "-t", "gauss", "--time-budget", "0"], "time budget must be greater than zero"),
    (["ls", "task"], "there is no list of 'task'; did you mean 'tasks'"),
    (["check", "gaus"], "there is no estimator or task 'gaus'; did you mean 'gauss'"),
    (["run", "-t", "gaus"], "unknown task 'gaus'; did you mean 'gauss'"),
    (["run", "-t", "gauss", "-e", "kgs"], "did you mean 'ksg'"),
    (["run", "-t", "gauss", "-e", "ksg[k=5"], "not closed"),
    (["run", "-t", "gauss", "-e", "ksg[q=5]"], "no parameter 'q'"),
    (["run", "-t", "gauss", "-e", "ksg[k=0]"], "k=0; k must be"),
    (["run", "-t", "gauss", "-n", "1"], "n must be at least 2"),
    (["run", "-t", "gauss", "--seeds", "x"], "cannot read --seeds 'x'"),
    (["run", "-t", "gauss", "--seeds", ""], "what follows --seeds is empty, as of a variable that is not set"),
    (["run", "quick", "--out="], "what follows --out= is empty"),
    (["report", "here", ""], "argument 3 is empty"),
    (["run", "-t", "gauss", "--seeds", "20240101"], "these are 20,240,101 seeds; to run one of them, write [20240101]"),
    (["run", "-t", "gauss", "--time-limit", "0"], "time_limit must be greater than zero"),
    (["run", "-t", "gauss", "--memory-limit", "nan"], "memory_limit must be greater than zero"),
    (["run", "-t", "gauss", "--include", "no.py"], "no such file"),
    (["run", "-t", "gauss", "--out", "/proc/none"], "cannot write results to '/proc/none'"),
    (["run", "-t", "gauss", "--device", "cuda:77"], "the device 'cuda:77' cannot be used here"),
    (["run", "--nonsense"], "no such option: --nonsense; `mibench run --help` tells more."),
    (["run", "quick", "-j", "x"], "invalid value for '-j' / '--workers': "),
    (["report"], "missing argument 'DIR...'"),
    (["report", "nowhere"], "there are no results at 'nowhere'"),
    (["sync", "nowhere"], "there are no results at 'nowhere'"),
    (["ui", "nowhere"], "there is no MLflow store"),
    (["estimate", "x.npy"], "give two files"),
    (["estimate", "x.npy", "y.npy"], "cannot read 'x.npy': No such file"),
    (["estimate", "x.dat", "y.dat"], "cannot read 'x.dat': No such file"),
    (["data", "get", "nope"], "there is no data set 'nope'; known are mnist, "),
    (
        ["estimate", "x.csv", "--x", "a", "--x", "b"],
        "--x is given 2 times and has one value; `mibench ",
    ),
    (["nonsense"], "no such command 'nonsense'; `mibench --help` tells more."),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(a) for a, _ in BAD])
def test_bad_input_is_one_sentence_and_exit_code_2(mibench: Command, arguments: list[str], message: str) -> None:
    code, _, err = mibench(*arguments)
    assert code == 2
    assert message in err and err.startswith("mibench: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (["estimate", "no.csv", "--x", "0", "--y", "1", "--out", "none/page.html"], "none/page.html"),
        (["estimate", "no.csv", "--all-pairs", "--out", "none/pairs.csv"], "none/pairs.csv"),
        (["ls", "tasks", "no*", "--html", "none/page.html"], "none/page.html"),
        (["info", "no", "--plot", "x" * 300], "x" * 300),
        (["ci", "no", "--files", "no.py", "--summary", "full/letter/x.md"], "full/letter/x.md"),
        (["merge", "bad", "bad", "--out", "full"], "full"),
        (["merge", "bad", "bad", "--out", "full/letter"], "full/letter"),
        (["report", "bad", "--out", "full/letter/x"], "full/letter/x"),
        (["submit", "bad", "--to", "full/letter"], "full/letter/bad"),
        (["submit", "bad", "--to", ".", "--name", "full"], "full"),
        (["data", "get", "mnist"], "/proc/nowhere/mnist"),
    ],
)
def test_a_target_that_cannot_be_written_is_refused_before_anything_else(
    mibench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], target: str
) -> None:
    """All that is to be read or computed would be refused as well: what is told is looked at first."""
    monkeypatch.setenv("MIBENCH_DATA", "/proc/nowhere")
    for name, content in (("full/letter", "dear"), ("bad/results.jsonl", "null\n")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(content)
    before = sorted(tmp_path.rglob("*"))
    code, _, err = mibench(*arguments)
    assert code == 2 and err.count("\n") == 1, err
    assert f"'{target}'" in err or f"to {target}:" in err
    assert sorted(tmp_path.rglob("*")) == before


def test_where_a_file_can_be_written_nothing_is_left_by_looking(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    for name in ("old", "new"):
        require_writable(tmp_path / name)
    require_folder(tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["old"] and (tmp_path / "old").read_text() == "old"


@pytest.fixture
def pair(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 2))
    y = 0.8 * x[:, :1] + 0.6 * rng.standard_normal((2000, 1))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y[:, 0])
    np.savetxt(tmp_path / "both.csv", np.hstack([x, y]), delimiter=",", header="a,b,c", comments="")


@pytest.mark.usefixtures("pair")
def test_estimates_from_files(mibench: Command) -> None:
    truth = -0.5 * np.log(1 - 0.64)
    code, out, _ = mibench("estimate", "x.npy", "y.npy", "--json")
    found = json.loads(out)
    assert code == 0 and found["data"]["n"] == 2000
    assert [len(found["data"][of]) for of in "xy"] == [2, 1]
    by_name = {e["estimator"]: e for e in found["estimates"]}
    assert by_name["cca"]["mi"] == pytest.approx(truth, abs=4 * by_name["cca"]["diagnostics"]["sampling_error"])
    assert by_name["ksg"]["mi"] == pytest.approx(truth, abs=0.06)
    code, out, _ = mibench("estimate", "both.csv", "--x", "a,b", "--y", "2", "-e", "cca", "--json")
    assert json.loads(out)["estimates"][0]["mi"] == pytest.approx(by_name["cca"]["mi"], abs=1e-9)


@pytest.mark.usefixtures("pair")
def test_defects_of_samples_are_said(mibench: Command, tmp_path: Path) -> None:
    code, _, err = mibench("estimate", "both.csv", "--x", "a,z", "--y", "c")
    assert code == 2 and "has no column 'z'; it has a, b, c" in err
    np.save(tmp_path / "y.npy", np.full(2000, np.nan))
    code, _, err = mibench("estimate", "x.npy", "y.npy")
    assert code == 2 and "no row has a value in every column used" in err
    code, _, err = mibench("estimate", "x.npy", "x.npy", "-e", "oracle")
    assert code == 2 and "reads the answer from a task" in err


def test_the_environment_is_shown(mibench: Command) -> None:
    code, out, _ = mibench("env", "--json")
    facts = json.loads(out)
    assert code == 0 and facts["versions"]["torch"] and facts["machine"]["cores"] >= 1
    assert "versions numpy" in mibench("env")[1]


def test_python_dash_m_works() -> None:
    done = subprocess.run([sys.executable, "-m", "mibench", "env"], capture_output=True, text=True)
    assert done.returncode == 0 and "mibench" in done.stdout


LOUD = '''
import os, subprocess, sys
from mibench.estimator import Estimate, Estimator
from mibench.registry import register_estimator

print("said on import")

@register_estimator("loud")
class Loud(Estimator):
    """Prints on every level there is."""

    def estimate(self, x, y, seed=0):
        print("said by print")
        os.write(1, b"said by a library in C\\n")
        subprocess.run([sys.executable, "-c", "print('said by a child')"])
        sys.__stdout__.write("said beneath\\n")
        return Estimate(0.1)
'''


@pytest.mark.parametrize(
    "command", [("info", "loud", "--json"), ("estimate", "x.npy", "y.npy", "-e", "loud", "--json")]
)
def test_what_a_plug_in_prints_is_no_result(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Standard output is what was asked for and nothing else; what others print is not lost."""
    (tmp_path / "loud.py").write_text(LOUD)
    for seed, name in enumerate(("x.npy", "y.npy")):
        np.save(tmp_path / name, np.random.default_rng(seed).normal(size=100))
    command = sys.executable, "-m", "mibench", *command, "--include", "loud.py"
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) and "said on import" in done.stderr
    if "estimate" in command:
        assert all(f"said {where}" in done.stderr for where in ("by print", "by a library", "by a child", "beneath"))


def test_lines_of_a_check_are_alone_on_standard_output(mibench: Command, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    _, out, err = mibench("check", "loud", "--include", "loud.py")
    assert all(line.startswith("loud: ") for line in out.splitlines()) and "said by print" in err


def test_a_signal_ends_a_child_that_a_plug_in_has_forked_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    from mibench import cli

    handler = cli._Interrupt()
    done: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "getpid", lambda: 7)
    monkeypatch.setattr(os, "kill", lambda *given: done.append(given))
    monkeypatch.setattr(signal, "signal", lambda *given: done.append(given))
    handler(signal.SIGTERM, None)
    assert done == [(signal.SIGTERM, signal.SIG_DFL), (7, signal.SIGTERM)] and cli._Interrupt.first is None
