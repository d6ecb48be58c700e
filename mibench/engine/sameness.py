"""Whether another machine would answer as this one does: the versions of packages, and the content of their files."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from .provenance import provenance

_OURS = ("mibench", "mibench.estimators", "mibench.tasks")


def versions() -> dict[str, str]:
    """The packages that decide answers, and Python; how torch was built (``+cpu``, ``+cu126``) is left out."""
    facts = provenance("cpu")
    found = {"Python": facts["python"], "mibench": facts["mibench"], **facts["versions"]}
    return {name: version.partition("+")[0] for name, version in found.items()}


def engine() -> str:
    """The digest of mibench's own sources, with its estimators and tasks."""
    return content(*_OURS)


def content(*packages: str) -> str:
    """A digest of the sources of packages or modules that are found by name; empty where there are none.

    It does not depend on where they lie.
    """
    files: dict[str, bytes] = {}
    for package in packages:
        files |= _files(package)
    state = hashlib.sha256()
    for name, source in sorted(files.items()):
        state.update(b"%b\0%d\0%b" % (name.encode(), len(source), source))
    return state.hexdigest()[:16] if files else ""


def difference(node: str, here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """What distinguishes two machines, in a sentence; empty where there is nothing. Versions by name as they are here,
    and as they are on a node."""
    for name, version in here.items():
        found = there.get(name, "not installed")
        if found != version:
            return f"{name} on the node {node} is {found}, and here it is {version}; install the same on both."
    return ""


def strange(node: str, needed: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Which of the plug-ins' packages, digests by name, are not on a node as they are here, in a sentence or empty."""
    for name, digest in needed.items():
        if found.get(name) == digest:
            continue
        what = f"has another '{name}' than this process" if found.get(name) else f"has no module '{name}'"
        return (
            f"the node {node} {what}, which a plug-in of this run comes from; install the same there, or hand its file "
            "over with --include."
        )
    return ""


def _files(package: str) -> dict[str, bytes]:
    """The sources of a package by the names of their modules."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # a parent that does not exist, a module without a spec
        return {}
    if spec is None:
        return {}
    found: dict[str, bytes] = {}
    for folder in spec.submodule_search_locations or ():
        for path in Path(folder).rglob("*.py"):
            parts = [*package.split("."), *path.relative_to(folder).with_suffix("").parts]
            found[".".join(parts)] = path.read_bytes()
    if not found and spec.origin and Path(spec.origin).is_file():
        found[package] = Path(spec.origin).read_bytes()
    return found
