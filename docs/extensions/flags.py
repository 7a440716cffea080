"""The directive ``flags``: a command's flags, from the parser that the program itself uses."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from beam_deeplab.pipeline.commands import build_parser


class Flags(SphinxDirective):
    """Lists the flags of the command that its argument names, group by group."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Builds the nodes; raises KeyError for a command that is none."""
        command = self.arguments[0]
        parser = build_parser()[1][command]
        found: list[nodes.Node] = []
        for group in parser._action_groups:
            entries = [_entry(command, parser, action) for action in _shown(group)]
            if entries and group.title not in ("options", "positional arguments"):
                found.append(nodes.rubric(text=group.title or ""))
            if entries:
                found.append(nodes.definition_list("", *entries))
        return found


def _shown(group: argparse._ArgumentGroup) -> Iterator[argparse.Action]:
    for action in group._group_actions:
        if action.option_strings and action.help not in (None, argparse.SUPPRESS):
            yield action


def _entry(
    command: str, parser: argparse.ArgumentParser, action: argparse.Action
) -> nodes.definition_list_item:
    formatter = parser._get_formatter()
    takes = "" if action.nargs == 0 else " " + formatter._format_args(action, _metavar(action))
    name = nodes.literal(text=", ".join(action.option_strings) + takes)
    term = nodes.term("", "", name, ids=[f"{command}-{action.dest.replace('_', '-')}"])
    text = nodes.paragraph(text=formatter._expand_help(action))
    return nodes.definition_list_item("", term, nodes.definition("", text))


def _metavar(action: argparse.Action) -> Any:
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper()


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive."""
    app.add_directive("flags", Flags)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
