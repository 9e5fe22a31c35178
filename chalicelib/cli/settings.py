"""How a command comes by its settings and its stack, and how a refusal reads on a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from pydantic import ValidationError

from chalicelib.kernel.errors import Invalid, Refused
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack, open_stack


class Refusing(click.Group):
    """Prints what a command refuses as one line, and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Refused as refused:
            fields = refused.fields if isinstance(refused, Invalid) else ()
            lines = [message for _, message in fields] or [refused.message]
            raise click.ClickException("\n".join(lines)) from refused


def settings() -> Settings:
    """From the environment. Raises Invalid, naming every variable that does not fit."""
    try:
        return Settings.from_environment(os.environ)
    except ValidationError as error:
        fields = [("CRS_" + str(one["loc"][0]).upper(), one["msg"]) for one in error.errors()]
        raise Invalid.many([(name, f"{name}: {text}") for name, text in fields]) from error


def one_machine(instead: str) -> Settings:
    """The same, for what is done with a data folder. Raises Invalid on AWS, saying what is done there."""
    chosen = settings()
    if not chosen.one_machine:
        raise Invalid("CRS_STACK", f"this is for the stack of one machine; on AWS {instead}")
    return chosen


@contextmanager
def opened_stack() -> Iterator[Stack]:
    """The stack of the settings; works beside a running service. Raises Invalid where there is no data folder yet."""
    chosen = settings()
    if chosen.stack == "embedded" and not chosen.data.is_dir():
        raise Invalid("CRS_DATA", f"there is no data folder {chosen.data}; start the service once, or set CRS_DATA")
    stack = open_stack(chosen)
    try:
        yield stack
    finally:
        stack.close()
