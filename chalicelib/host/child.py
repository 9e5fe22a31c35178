"""The consumers' process as the gateway sees it: started, watched, started again, ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Final

from chalicelib.edge.log import logger
from chalicelib.edge.pooling import Pool
from chalicelib.kernel.settings import Settings

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
# A child that lived this long is healthy again: the pause starts over.
STEADY_AFTER_S: Final = 60.0
END_WITHIN_S: Final = 10.0


class ConsumersProcess:
    """Keeps `python -m chalicelib.host.consumers` alive. A pipe that closes tells the child that we are gone."""

    def __init__(
        self,
        settings: Settings,
        command: tuple[str, ...] = ("-m", "chalicelib.host.consumers"),
        pool: Pool | None = None,
    ) -> None:
        """pool: where the child's metrics go."""
        self._environment = environment_of(settings)
        self._inherited = () if pool is None else (pool.descriptor,)
        self._command = (*command, *(str(descriptor) for descriptor in self._inherited))
        self._ending = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._watch = threading.Thread(target=self._keep_alive, name="consumers", daemon=True)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        self._child = self._spawn()
        self._watch.start()

    def end(self) -> None:
        """Closes the pipe, waits, and kills what does not end by itself. What it had begun is delivered again later."""
        self._ending.set()
        until = time.monotonic() + END_WITHIN_S
        while self._watch.is_alive() and self._child is not None:
            # Asked again in every round: a child may have been started while we began to end.
            if self._child.stdin:
                self._child.stdin.close()
            if time.monotonic() > until:
                self._child.kill()
            self._watch.join(0.1)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, *self._command],
            stdin=subprocess.PIPE,
            env=self._environment,
            pass_fds=self._inherited,
        )

    def _keep_alive(self) -> None:
        pause_s = FIRST_PAUSE_S
        while self._child is not None:
            started = time.monotonic()
            code = self._child.wait()
            if self._ending.is_set():
                return
            if time.monotonic() - started > STEADY_AFTER_S:
                pause_s = FIRST_PAUSE_S
            logger.warning("consumers ended", exit_code=code, restart_in_s=pause_s)
            if self._ending.wait(pause_s):
                return
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self._child = self._spawn()


def environment_of(settings: Settings) -> dict[str, str]:
    """This process's environment with the settings in it; the password of the first start stays here."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CRS_")}
    values = settings.model_dump(mode="json", exclude_none=True, exclude={"admin_password"})
    # It handles events alone, in 15 MB less.
    return ours | {f"CRS_{name.upper()}": str(value) for name, value in values.items()} | {"CRS_SERVE_API": "false"}
