"""The dashboard: MLflow's own server, which opens on the answer and stays in the mode of MLflow that shows runs.

MLflow has two modes, keeps the chosen one in the browser and begins with the other, which has no runs. So the page that
it answers with says first what is chosen while nobody has chosen anything.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.metadata import entry_points
from typing import Any, TypeAlias

from mibench.errors import UsageError
from mibench.masking import masked

from .access import free_port, knock
from .book import ENVIRONMENT, Book, server
from .uri import sqlite_file

_NAME = "mibench"  # of the application, among MLflow's
_PAGE = "MIBENCH_PAGE"
_CHOICES = {
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
    "mlflow.assistant.panelOpen_v1": False,
}
_SCRIPT = """<script>
for (const [key, value] of Object.entries({choices}))
  if (localStorage.getItem(key) === null) localStorage.setItem(key, JSON.stringify(value));
if (["", "#/"].includes(location.hash)) location.hash = {page};
</script>"""

Message: TypeAlias = MutableMapping[str, Any]
Application: TypeAlias = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


def open_ui(
    uri: str,
    host: str = "127.0.0.1",
    port: int = 5000,
    announce: Callable[[str], None] = print,
) -> None:
    """Show the dashboard over ``uri``: this process becomes the server, until Ctrl-C. A taken port moves to the next.

    Where ``uri`` is a server already, only its address is announced.

    Raises
    ------
    UsageError : nothing was logged there yet, or no port is free.
    TrackingError : the MLflow store cannot be used.
    """
    knock(uri)
    database = sqlite_file(uri)
    if database and not database.is_file():
        raise UsageError(f"there is no MLflow store at {database} yet: `mibench run` makes one.")
    page = Book(uri).page()
    if uri.startswith(("http://", "https://")):
        announce(f"MLflow dashboard: {masked(uri).rstrip('/')}/{page}")
        return
    port = free_port(host, port)
    announce(f"MLflow dashboard, ready in a few seconds (Ctrl-C ends it): http://{host}:{port}/{page}")
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    command += ["--uvicorn-opts", "--log-level=warning"]
    if any(point.name == _NAME for point in entry_points(group="mlflow.app")):  # of an old installation there is none
        command += ["--app-name", _NAME]
    sys.stdout.flush()
    # a file of the working directory must not stand in for a module of the same name
    settings = {**ENVIRONMENT, "PYTHONWARNINGS": "ignore", "PYTHONSAFEPATH": "1", _PAGE: page}
    # every user of the machine can read a command line, and there may be a password in the address
    os.execve(sys.executable, command, {**settings, **os.environ, "MLFLOW_BACKEND_STORE_URI": uri})


def application() -> Application:
    """MLflow's server, which ``mlflow server --app-name mibench`` runs, with a page of ours at its root."""
    inner, page = server()
    script = _SCRIPT.format(choices=json.dumps(_CHOICES), page=json.dumps(os.environ.get(_PAGE, "")))
    body = page.replace("<head>", f"<head>{script}", 1).encode()
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-length": str(len(body)),
        "cache-control": "no-cache",
    }

    async def answer(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if (scope["type"], scope.get("method"), scope.get("path")) != ("http", "GET", "/"):
            await inner(scope, receive, send)
            return
        told = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": told})
        await send({"type": "http.response.body", "body": body})

    return answer
