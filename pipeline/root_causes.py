"""What went wrong, out of what a runner says of it: one line, the cause and not its envelopes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_TRACEBACK: Final = "Traceback (most recent call last):"
_RAISED: Final = re.compile(r"(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)(?:: (.*))?")
_STEP: Final = re.compile(r"\s*\[while running ['\"].*['\"]\]?\s*$")
_GRPC_DETAILS: Final = re.compile(r'^\s*details = "(.+)"\s*$', re.MULTILINE)
_GRPC_STATUS: Final = re.compile(r"^\s*status = StatusCode\.(\w+)\s*$", re.MULTILINE)
_DATAFLOW: Final = re.compile(r"Root cause: (.+)")
_JAVA: Final = re.compile(r"(?:Caused by: )?(?:[a-z]\w*\.)+([A-Z]\w*(?:Exception|Error)): (.+)")


def root_cause(text: str) -> str:
    """The line that tells a person why.

    Runners wrap what a Python step raised in messages of their own: a traceback in the message of
    an exception, that in a Java exception's, that in a gRPC status.

    Returns:
        One line: the last Python exception if there is a traceback, as its kind and its message;
        else the innermost Java exception, gRPC's details, or the last line that names an error.
        Empty if the text is.
    """
    if "\n" not in text:
        text = text.replace("\\n", "\n").replace("\\t", "\t")
    lines = text.splitlines()
    return (
        _python(lines)
        or _java(lines)
        or _grpc(text)
        or _last(_DATAFLOW, text)
        or _named(line for line in lines if not line.startswith((" ", "\t")))
        or _named(lines)
    )


def _python(lines: list[str]) -> str:
    """What the last traceback ends with: the first line behind its frames, which are indented."""
    found = ""
    in_traceback = False
    for line in lines:
        stripped = line.strip()
        if stripped.endswith(_TRACEBACK):
            in_traceback = True
        elif in_traceback and stripped and not line.startswith((" ", "\t")):
            in_traceback = False
            if match := _RAISED.fullmatch(_STEP.sub("", stripped)):
                found = ": ".join(filter(None, match.groups()))
    return found


def _java(lines: list[str]) -> str:
    matches = [match for line in lines if (match := _JAVA.search(line.strip()))]
    if not matches:
        return ""
    kind, message = matches[-1].groups()
    return f"{kind}: {message.strip()}"


def _grpc(text: str) -> str:
    details, status = _GRPC_DETAILS.search(text), _GRPC_STATUS.search(text)
    return ": ".join(match[1] for match in (status, details) if match)


def _last(pattern: re.Pattern[str], text: str) -> str:
    found: list[str] = pattern.findall(text)
    return found[-1].strip() if found else ""


def _named(lines: Iterable[str]) -> str:
    said = [_STEP.sub("", line).strip() for line in lines]
    said = [line for line in said if line and not line.startswith("[while running")]
    said = [line for line in said if not line.endswith("Error:")] or said
    errors = [line for line in said if "Error" in line and not line.startswith("File ")]
    return (errors or said or [""])[-1]
