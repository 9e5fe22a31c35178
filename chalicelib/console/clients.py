"""The reader's client of choice: which commands to pull are shown, kept by the browser."""

from __future__ import annotations

from typing import Final

from chalicelib.registry.tag_views import pull_commands

from .visit import Visit

CLIENT_COOKIE: Final = "crs_client"
# Stands where the tag will; no tag holds it.
_PLACE: Final = "\x00"


class Client:
    """
    tools   that can pull what the repository holds
    tool    of them the one that the reader chose, else the first
    """

    def __init__(self, visit: Visit, kind: str, address: str) -> None:
        """kind: `image` or `chart`; address: host, port and repository."""
        self._commands = {
            one.tool: one.command
            for one in pull_commands(kind, visit.told(address), _PLACE, plain_http=visit.stack.settings.plain_http)
        }
        self.tools = tuple(self._commands)
        chosen = visit.cookies.get(CLIENT_COOKIE, "")
        self.tool = chosen if chosen in self._commands else self.tools[0]

    def pull(self, tag: str) -> str:
        """The command that pulls a tag."""
        # helm writes the `+` of a version as `_`, which no tag may hold.
        shown = tag.replace("_", "+") if self.tool == "helm" else tag
        return self._commands[self.tool].replace(_PLACE, shown)
