"""Layers of an image, read one after another until a step has done enough: many small ones are one step's work, and a
large one has a step to itself, so that the step's claim holds."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chalicelib.instances.models import Instance

from .models import ImageLayer
from .service import Surveys

# A step that has read less goes on to the next layer, unless this took it so long. The layer that it is at then may
# take four minutes, and the claim of a step lasts five.
LITTLE_BYTES: Final = 16 * 1024 * 1024
LITTLE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Reading:
    """
    passed   so many of the layers are known now, in their order
    bytes    of those that were read for it
    enough   what is left is another step's work, be it only what follows from the layers
    """

    passed: int
    bytes: int
    enough: bool


def read_on(surveys: Surveys, instance: Instance, layers: Iterable[ImageLayer], *, careful: bool) -> Reading:
    """careful: one layer at most, as somebody died of one of them.

    Raises LayerRefused, ImageRefused where one cannot be read, Unavailable.
    """
    begun = time.monotonic()
    passed = read = 0
    for layer in layers:
        passed += 1
        if surveys.known(instance, layer.ref) is not None:
            continue
        surveys.survey(instance, layer.ref)
        read += layer.size
        if careful or read >= LITTLE_BYTES or time.monotonic() - begun >= LITTLE_S:
            return Reading(passed, read, enough=True)
    return Reading(passed, read, enough=False)
