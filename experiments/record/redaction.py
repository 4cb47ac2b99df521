"""Removal of credentials, which no record may contain."""

import logging
import os
import re

HIDDEN = "***"
SHORTEST = 8
"""Characters; a shorter value may be an ordinary word and is not hidden."""

_NAME = re.compile(r"API_?KEY|ACCESS_?KEY|TOKEN|SECRET|PASSWORD|PASSWD", re.IGNORECASE)
_ASSIGNED = re.compile(rf"((?:{_NAME.pattern})\w*=)[^\s,]+", re.IGNORECASE)


def redacted(text: str) -> str:
    """Return a text without the values of environment variables named like credentials.

    Values that the text itself assigns to such a name (`api_key=...`) are hidden, too.
    """
    for name, value in os.environ.items():
        if _NAME.search(name) and len(value) >= SHORTEST:
            text = text.replace(value, HIDDEN)
    return _ASSIGNED.sub(rf"\1{HIDDEN}", text)


class Redaction(logging.Filter):
    """Hides credentials in log messages."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the message; every message passes."""
        record.msg, record.args = redacted(record.getMessage()), ()
        return True
