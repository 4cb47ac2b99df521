"""Credentials, which no record may hold."""

import logging
import os
import re

HIDDEN = "***"
SHORTEST = 8
"""Characters; a shorter value is a word that also stands elsewhere."""

_NAME = re.compile(r"API_?KEY|ACCESS_?KEY|TOKEN|SECRET|PASSWORD|PASSWD", re.IGNORECASE)
_ASSIGNED = re.compile(rf"((?:{_NAME.pattern})\w*=)[^\s,]+", re.IGNORECASE)


def redacted(text: str) -> str:
    """A text without the values of environment variables that are named like credentials.

    What is assigned to such a name in the text itself (`api_key=...`) is hidden, too.
    """
    for name, value in os.environ.items():
        if _NAME.search(name) and len(value) >= SHORTEST:
            text = text.replace(value, HIDDEN)
    return _ASSIGNED.sub(rf"\1{HIDDEN}", text)


class Redaction(logging.Filter):
    """Hides credentials in log messages."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every message passes, `redacted`."""
        record.msg, record.args = redacted(record.getMessage()), ()
        return True
