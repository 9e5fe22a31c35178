"""The door of the room: environments, their services, the versions of those, and the images that they use."""

from __future__ import annotations

from chalicelib.instances.models import Instance
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository

from .environments import Environments
from .images import Images
from .services import Services
from .versions import Versions


class Bindings:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.environments = Environments(stack)
        self.services = Services(stack)
        self.versions = Versions(stack)

    def images(self, instance: Instance, repository: Repository) -> Images:
        """Of what a service is bound to."""
        return Images(self._stack, instance, repository)
