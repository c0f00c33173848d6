"""How verbs explain themselves: examples, groups of verbs, and help for misspelt words."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import click

from pipeline.suggest import did_you_mean

_EXAMPLES = "\nExamples:\n"
# More than the first sentence of any verb: none is cut.
_LINE = 200


class Verb(click.Command):
    """A verb whose docstring ends with a section "Examples:", a command on each line."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        text, _, examples = inspect.cleandoc(options.get("help") or "").partition(_EXAMPLES)
        options["help"] = text.strip()
        super().__init__(*arguments, **options)
        self.examples = tuple(line.strip() for line in examples.splitlines() if line.strip())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on a line of its own so that it can be copied."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the arguments apart; an unknown option is told its nearest one."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            known = [name for parameter in self.get_params(ctx) for name in parameter.opts]
            hint = did_you_mean(error.option_name, [name for name in known if name[:1] == "-"])
            way_out = hint or f" See {ctx.command_path} --help."
            raise click.UsageError(
                f"No such option: '{error.option_name}'.{way_out}", ctx
            ) from None


class Verbs(click.Group):
    """Verbs in groups by what they are for.

    Args:
        sections: titles and the verbs under them, both in the order of the help.
    """

    def __init__(
        self, *arguments: Any, sections: Mapping[str, Sequence[click.Command]], **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._sections = sections
        for verbs in sections.values():
            for verb in verbs:
                self.add_command(verb)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group with one line for each verb."""
        width = max(map(len, self.commands))
        for title, verbs in self._sections.items():
            with formatter.section(title):
                rows = [(f"{v.name:<{width}}", v.get_short_help_str(_LINE)) for v in verbs]
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a verb; UsageError with the nearest one where there is none of that name."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            hint = did_you_mean(name, self.list_commands(ctx)) or " See espalier --help."
            raise click.UsageError(f"No such verb: '{name}'.{hint}", ctx)
        return super().resolve_command(ctx, args)


class Choice(click.Choice[str]):
    """One of some words; another one is told its nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """What is expected, and what may have been meant."""
        message = super().get_invalid_choice_message(value, ctx)
        return message + did_you_mean(str(value), self.choices)
