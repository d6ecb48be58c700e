"""Addresses without what nobody else should read: what is printed, stored, tracked or reported goes through here."""

from __future__ import annotations

import re
from urllib.parse import unquote

_LOGIN = re.compile(r"(://(?:[^\s/@:]*:)?)(\S+)(?=@)")
_QUERY = re.compile(r"([?&;][\w.-]*(?:pass|pwd|token|secret|key)[\w.-]*=)([^\s&;#]+)", re.IGNORECASE)


def masked(text: str) -> str:
    """The text with ``***`` for every password and token that an address in it holds, there and wherever it returns.

    >>> masked("--mlflow postgresql://me:hunter2@server/runs: hunter2 is refused")
    '--mlflow postgresql://me:***@server/runs: *** is refused'
    """
    secrets = {match[2] for pattern in (_LOGIN, _QUERY) for match in pattern.finditer(text)}
    secrets |= {secret.rstrip(":.,)'\"") for secret in secrets}  # what a sentence put behind it
    for pattern in (_LOGIN, _QUERY):
        text = pattern.sub(r"\1***", text)
    # a message may repeat it bare; where it is as short as a syllable, replacing it would give it away
    for secret in sorted({*secrets, *map(unquote, secrets)}, key=len, reverse=True):
        text = text.replace(secret, "***") if len(secret) > 3 else text
    return text
