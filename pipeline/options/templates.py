"""Flags as a template of Dataflow passes them: each as one word, ``--name=value``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from beam_deeplab.pipeline.options.errors import UsageError


def split_values(argv: Sequence[str], parser: argparse.ArgumentParser) -> Iterator[str]:
    """The words that a parser takes for those of a template.

    ``--resume=true`` becomes ``--resume``, ``--resume=false`` nothing, and ``--canvas=513 513``
    ``--canvas 513 513``. Paths, which may have spaces, are left whole.

    Args:
        argv: The words after the command's name.
        parser: Of the command.

    Raises:
        UsageError: A flag that is on or off has another value.
    """
    actions = {name: action for action in parser._actions for name in action.option_strings}
    for word in argv:
        name, equals, value = word.partition("=")
        action = actions.get(name) if equals else None
        if isinstance(action, argparse._StoreTrueAction):
            if value.lower() not in ("true", "false"):
                raise UsageError(f"{word}: give {name}=true or {name}=false")
            if value.lower() == "true":
                yield name
        elif action is not None and action.nargs == "+" and action.type in (None, int, float):
            yield name
            yield from value.split()
        else:
            yield word
