"""Groups of commands whose help shows descriptions in full."""

from __future__ import annotations

import click

#: Longest description of a command: longer than any first sentence.
_MAX_LETTERS = 500


class Group(click.Group):
    """A group whose help wraps the descriptions of its commands. click cuts them at the width of the terminal."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, command) for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(_MAX_LETTERS)) for name, command in commands])
