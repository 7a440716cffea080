"""A training's configuration from its TOML file."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from beam_deeplab.deeplab.training.config import ConfigError, TrainingConfig


def read_config(path: str | Path) -> TrainingConfig:
    """Reads a configuration.

    Args:
        path: A TOML file with the tables ``[model]``, ``[input]``, ``[optimizer]`` and
            ``[stopping]`` of :class:`TrainingConfig`.

    Returns:
        The configuration.

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
    config: TrainingConfig = _convert(tomllib.loads(text), TrainingConfig, "")
    return config


def flat_config(config: TrainingConfig) -> dict[str, Any]:
    """Every key and value, by dotted keys such as ``optimizer.learning_rate``; JSON's types."""
    return dict(_flatten(dataclasses.asdict(config), ""))


def _flatten(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", list(value) if isinstance(value, tuple) else value


def _convert(value: Any, kind: Any, name: str) -> Any:
    """A TOML value as the type of a field; ``name`` is the field's dotted key."""
    if dataclasses.is_dataclass(kind):
        return _convert_table(value, kind, name)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        alternatives = [a for a in arguments if a is not types.NoneType]
        for alternative in alternatives:
            # A single one says best by itself what is wrong.
            if len(alternatives) == 1:
                return _convert(value, alternative, name)
            with contextlib.suppress(ConfigError):
                return _convert(value, alternative, name)
        raise ConfigError(f"{name} cannot be {value!r}; it is {_describe(kind)}")
    if _is_of(value, kind, origin, arguments):
        if origin is tuple:
            inner = arguments[:1] * len(value) if arguments[1:] == (...,) else arguments
            return tuple(_convert(item, a, name) for item, a in zip(value, inner, strict=True))
        return float(value) if kind is float else value
    raise ConfigError(f"{name} cannot be {value!r}; it is {_describe(kind)}")


def _is_of(value: Any, kind: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    if origin is Literal:
        return not isinstance(value, bool) and value in arguments
    if origin is tuple:
        return isinstance(value, list) and (arguments[1:] == (...,) or len(value) == len(arguments))
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _convert_table(table: Any, kind: Any, name: str) -> Any:
    where = f"[{name}]" if name else "the file"
    if not isinstance(table, Mapping):
        raise ConfigError(f"{name} cannot be {table!r}; it is a table, [{name}]")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in table:
        if key not in fields:
            raise ConfigError(f"{where} has an unknown key {key!r}; {_suggest(key, list(fields))}")
    hints = typing.get_type_hints(kind)
    prefix = f"{name}." if name else ""
    values = {key: _convert(value, hints[key], f"{prefix}{key}") for key, value in table.items()}
    for key, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and key not in values:
            raise ConfigError(f"{where} lacks {key}")
    return kind(**values)


def _suggest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, 1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"it knows {', '.join(known)}"


def _describe(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        kinds = [
            _describe(alternative) for alternative in arguments if alternative is not types.NoneType
        ]
        return " or ".join(kinds)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple:
        if arguments[1:] == (...,):
            return f"a list, each {_describe(arguments[0])}"
        return f"a list of {len(arguments)}, each {_describe(arguments[0])}"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return names.get(kind, "a table")
