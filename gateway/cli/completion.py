"""`completion`: what a shell needs to complete commands, options and names of plugins."""

from __future__ import annotations

import os

import click
from click.shell_completion import CompletionItem, get_completion_class

from gateway.cli import credentials
from gateway.cli.client import Client

VARIABLE = "_CHRYSALIS_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
SECONDS = 2.0


def plugins(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The plugins of the server. A shell that is completing wants no sentences: no server, no names."""
    try:
        client = Client(credentials.find(os.environ), seconds=SECONDS)
        found = {str(one["name"]): str(one["title"]) for one in client.pages("plugins/")}
    except click.ClickException:
        return []
    return [CompletionItem(name, help=title) for name, title in found.items() if name.startswith(incomplete)]


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    bash   chrysalis completion bash > ~/.local/share/bash-completion/completions/chrysalis
    zsh    chrysalis completion zsh > a file `_chrysalis` in a folder of $fpath
    fish   chrysalis completion fish > ~/.config/fish/completions/chrysalis.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "chrysalis", VARIABLE).source())
