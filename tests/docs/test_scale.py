"""What docs/scale.md shows of the workflow is the workflow, and the workflow's commands exist and fit together."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "shards.yml"
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def test_the_page_shows_a_piece_of_the_workflow() -> None:
    [shown] = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.S | re.M)
    assert shown in WORKFLOW.read_text(encoding="utf-8") and "--shard" in shown


def test_every_share_is_run_once_and_all_are_merged() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    shards = jobs["run"]["strategy"]["matrix"]["shard"]
    [run] = commands(jobs["run"])
    assert shards == list(range(1, len(shards) + 1)) and f"/{len(shards)} " in run
    merge, report, compare = commands(jobs["merge"])
    assert jobs["merge"]["needs"] == "run" and merge.startswith("mibench merge shards/* --out merged")
    assert report == "mibench report merged" and compare.split()[1] == "compare"


def test_commands_of_the_workflow_and_of_slurm_have_the_options_that_they_name() -> None:
    from typer.main import get_command

    from mibench.cli.commands import app

    known: Any = get_command(app)
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    scripts = "\n".join(re.findall(r"^```bash\n(.*?)^```", PAGE, re.S | re.M)).replace("\\\n", " ")
    said = [line for job in jobs.values() for line in commands(job)]
    said += re.findall(r"mibench (?:run|merge|report) [^&\"\n]*(?:\"[^\"\n]*\"[^&\"\n]*)*", scripts)
    assert len(said) == 7
    for line in said:
        _, name, *words = shlex.split(re.sub(r"\$\{\{.*?\}\}", "1", line))
        options = {o for parameter in known.commands[name].params for o in parameter.opts}
        assert {word for word in words if re.match(r"--?[a-z]", word)} <= options, line


def commands(job: dict[str, Any]) -> list[str]:
    lines = [step["run"] for step in job["steps"] if "mibench" in step.get("run", "")]
    return [line.removeprefix(".venv/bin/") for line in lines if line.startswith(".venv/bin/mibench")]
