"""URLs with secrets: ``${NAME}`` in the configuration, filled in where a request is made, masked in every text.

The configuration is shown: in commands, logs, MLflow, tables. So a password or token may not stand in it; the name of
an environment variable may: ``https://${MIRROR_TOKEN}@host/data``.
"""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl, urlsplit

MASK = "***"

_REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_USER = re.compile(r"(?<=://)[^/?#@\s'\"]+(?=@)")
_SECRET_NAME = r"[\w.-]*(?:token|secret|passw|pwd|signature|credential|api_?key|access_?key|auth)[\w.-]*|sig|key"
_QUERY = re.compile(rf"(?<=[?&])({_SECRET_NAME})=[^&#\s'\"<>)]*", flags=re.IGNORECASE)

_filled_in: set[str] = set()
"""Values that `fill_in` has taken from the environment in this process."""


def fill_in(url: str) -> str:
    """The URL with every ``${NAME}`` replaced by that environment variable; `mask` hides the values from then on.

    Raises
    ------
    ValueError
        If a variable is not set, by name.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if not found:
            raise ValueError(f"{url}: the environment variable {match[1]} is not set; export it, then run again")
        _filled_in.add(found)
        return found

    return _REFERENCE.sub(value, url)


def mask(text: str) -> str:
    """A text whose URLs show no user, password, token or signature; what was filled in is hidden wherever it stands."""
    for value in sorted(_filled_in, key=len, reverse=True):
        text = text.replace(value, MASK)
    text = _USER.sub(lambda match: match[0] if _only_references(match[0]) else MASK, text)
    return _QUERY.sub(lambda match: match[0] if _only_references(match[0]) else f"{match[1]}={MASK}", text)


def require_no_secret(url: str) -> str:
    """The URL itself, if it may be shown.

    Raises
    ------
    ValueError
        If a password, token or signature is written out in it.
    """
    if mask(url) == url or not _has_password(url):
        return url
    raise ValueError(
        f"{mask(url)}: a password or token must not stand in the configuration, which commands and logs show; write "
        "${NAME} in its place and export the environment variable NAME"
    )


def _has_password(url: str) -> bool:
    """Whether there is more than a user's mere name, as in ``postgresql://eap@host/db``."""
    parts = urlsplit(url)
    secrets = [value for name, value in parse_qsl(parts.query) if re.fullmatch(_SECRET_NAME, name, re.IGNORECASE)]
    user, has_at, _ = parts.netloc.rpartition("@")
    if has_at and (":" in user or parts.scheme in {"http", "https"}):
        secrets.append(user.rpartition(":")[2])
    return any(not _only_references(secret) for secret in secrets)


def _only_references(part: str) -> bool:
    """Whether what stands in place of a secret is the name of a variable."""
    return bool(_REFERENCE.fullmatch(part.rpartition("=")[2].rpartition(":")[2]))
