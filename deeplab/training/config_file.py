"""A training's configuration from its TOML file."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from beam_deeplab.deeplab.training.config import ConfigError, TrainingConfig

_TRAINING = TypeAdapter(TrainingConfig)
_UNKNOWN_KEY = "unexpected_keyword_argument"


def read_config(path: str | Path) -> TrainingConfig:
    """Reads a TOML file with the tables ``[model]``, ``[input]`` and so on of a training.

    Raises:
        ConfigError: The file cannot be read, or a key or a value of it is wrong; one line that
            begins with the path.
    """
    try:
        return parse_config(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse_config(text: str) -> TrainingConfig:
    """Reads a configuration from TOML.

    Raises:
        tomllib.TOMLDecodeError: It is not TOML.
        ConfigError: A key or a value is wrong.
    """
    # JSON has no tuples, and pydantic's strict mode takes its arrays for them.
    content = json.dumps(tomllib.loads(text), default=str)
    try:
        return _TRAINING.validate_json(content)
    except ValidationError as error:
        raise ConfigError(_one_line(error)) from error


def flat_config(config: TrainingConfig) -> dict[str, Any]:
    """Every key and value, by dotted keys such as ``optimizer.learning_rate``; JSON's types."""
    return dict(_flatten(dataclasses.asdict(config), ""))


def _flatten(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", list(value) if isinstance(value, tuple) else value


def _one_line(error: ValidationError) -> str:
    """The first thing that is wrong: an unknown key before what is missing for it."""
    errors = sorted(error.errors(), key=lambda each: each["type"] != _UNKNOWN_KEY)
    first = errors[0]
    path = [str(part) for part in first["loc"]]
    table = f"[{'.'.join(path[:-1])}]" if path[1:] else "the file"
    if first["type"] == _UNKNOWN_KEY:
        return f"{table} has an unknown key {path[-1]!r}; {_suggest(path)}"
    if first["type"] == "missing":
        if path[-1].isdigit():
            return f"{'.'.join(path[:-1])} has too few values"
        return f"{table} lacks {path[-1]}"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["type"] == "dataclass_type":
        return f"{'.'.join(path)} cannot be {first['input']!r}; it is a table, [{'.'.join(path)}]"
    key = ".".join(path[:2])
    reasons = [each["msg"] for each in errors if list(each["loc"][:2]) == path[:2]]
    return f"{key} cannot be {first['input']!r}; {' or '.join(reasons)}".replace("Input", "it")


def _suggest(path: list[str]) -> str:
    kind: Any = TrainingConfig
    for name in path[:-1]:
        hint = typing.get_type_hints(kind)[name]
        choices = (hint, *typing.get_args(hint))
        kind = next(choice for choice in choices if dataclasses.is_dataclass(choice))
    known = [field.name for field in dataclasses.fields(kind)]
    close = difflib.get_close_matches(path[-1], known, 1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"it knows {', '.join(known)}"
