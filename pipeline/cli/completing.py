"""The verb that prints the script for tab completion."""

from __future__ import annotations

import click

from pipeline.cli.help import Choice
from pipeline.cli.options import verb
from pipeline.cli.words import COMPLETE_VARIABLE


@verb
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete verbs, options, boards, methods and runs.

    Examples:
      eval "$(espalier completion bash)"
      espalier completion zsh >> ~/.zshrc
      espalier completion fish > ~/.config/fish/completions/espalier.fish
    """
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root, {}, "espalier", COMPLETE_VARIABLE).source())
