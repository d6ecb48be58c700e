"""Where the runs of a folder of results are tracked. Imports no mlflow."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote


def default_uri(directory: Path) -> str:
    """The embedded store that the runs under ``directory`` share: ``mlflow.db`` in it."""
    return file_uri(directory / "mlflow.db")


def file_uri(database: Path) -> str:
    """The address of an embedded store; what would end it, or stand for another letter, is written as a number."""
    return f"sqlite:///{database.absolute()}".replace("%", "%25").replace("?", "%3F")


def mlflow_uri(directory: Path, fresh: bool = False) -> str:
    """The embedded store of a folder of results: its own, or the one its parent keeps for all its folders.

    fresh : the folder was not named by the user, so its runs go to the shared store.
    """
    shared = fresh or (directory.parent / "mlflow.db").is_file()
    own = (directory / "mlflow.db").is_file()
    return default_uri(directory.parent if shared and not own else directory)


def sqlite_file(uri: str) -> Path | None:
    """The file of an embedded store, or None where the address is that of a server."""
    place = uri.partition("?")[0]
    return Path(unquote(place.removeprefix("sqlite:///"))) if place.startswith("sqlite:///") else None


def artifact_root(uri: str) -> Path | None:
    """Where the files of an embedded store go; a server decides on its own."""
    database = sqlite_file(uri)
    return database.parent / "mlflow-artifacts" if database else None
