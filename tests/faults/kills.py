"""kill -9 of the whole service at random moments of a storm; after each, the data folder is proved whole.

python -m tests.faults.kills [--kills 500] [--clients 3] [--seed 1] [--report docs/campaigns/kills.md]

Goes on where an earlier run stopped: the folder, the clients' memory and the count stay under build/kills. After each
kill: `crs fsck --deep` finds nothing, the service starts again, and every tag whose push was acknowledged is pulled
byte for byte. The grace period, tombstones and sweeps are a second long or less, so that collection never rests.
"""

from __future__ import annotations

import argparse
import pickle
import platform
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from chalicelib.collection.service import Fsck
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import open_stack
from tests.serving import Service, free_port

from .storm import Client

SHORT_LIVES = {
    "CRS_GRACE_S": "1",
    "CRS_TOMBSTONE_S": "1",
    "CRS_INTENT_TTL_S": "5",
    "CRS_SWEEP_INTERVAL_S": "0.2",
}
LONGEST_LIFE_S = 2.0


class NotWhole(AssertionError):
    """What a kill left is not whole; the message says what is wrong, the folder is left as it is."""


@dataclass
class Campaign:
    folder: Path
    seed: int
    clients: int = 3
    kills: int = 0
    acknowledged: int = 0
    slowest_start_s: float = 0.0
    seconds: float = 0.0
    stormers: list[Client] = field(default_factory=list)

    def run(self, kills: int) -> None:
        """Until that many kills in all were survived. Raises NotWhole."""
        service = Service(self.folder / "data", free_port(), environment=SHORT_LIVES)
        try:
            while self.kills < kills:
                begun = time.monotonic()
                self._once(service)
                self.seconds += time.monotonic() - begun
                self._save()
        finally:
            service.kill()

    def _once(self, service: Service) -> None:
        self.slowest_start_s = max(self.slowest_start_s, service.start())
        self._verify(service)
        self._storm(service)
        self.kills += 1
        with open_stack(Settings(data=service.data)) as stack:
            found = list(Fsck(stack, deep=True).run())
        if found:
            raise NotWhole(f"after kill {self.kills}: {found}")

    def _verify(self, service: Service) -> None:
        for stormer in self.stormers:
            stormer.url = service.url
            if wrong := stormer.verify():
                raise NotWhole(f"after kill {self.kills}: {wrong}")

    def _storm(self, service: Service) -> None:
        dice = random.Random(f"{self.seed} {self.kills}")
        if not self.stormers:
            seeds = [dice.randrange(2**32) for _ in range(self.clients)]
            self.stormers = [Client(service.url, service.login, f"c{n}", seed) for n, seed in enumerate(seeds)]
        before = sum(stormer.acknowledged for stormer in self.stormers)
        ending = threading.Event()
        threads = [threading.Thread(target=stormer.run, args=(ending,)) for stormer in self.stormers]
        for thread in threads:
            thread.start()
        time.sleep(dice.uniform(0.05, LONGEST_LIFE_S))
        service.kill()
        ending.set()
        for thread in threads:
            thread.join()
        self.acknowledged += sum(stormer.acknowledged for stormer in self.stormers) - before

    def _save(self) -> None:
        waiting = self.folder / "campaign.new"
        waiting.write_bytes(pickle.dumps(self))
        waiting.replace(self.folder / "campaign")

    def report(self) -> str:
        return f"""# Kills

`make campaign-kills` on {platform.machine()}, Python {platform.python_version()}, seed {self.seed}.

| what | figure |
|---|---|
| kill -9 of gateway and consumers, at random moments of a storm by {self.clients} clients | {self.kills} |
| index pushes answered 201 in all | {self.acknowledged} |
| after each: `crs fsck --deep` | no finding |
| after each: every acknowledged tag pulled, with all its blobs, byte for byte | all equal |
| slowest start, until `/readyz` | {self.slowest_start_s:.2f} s |
| time | {self.seconds / 60:.0f} minutes |
"""


def resumed(folder: Path, seed: int, clients: int) -> Campaign:
    """The campaign that was begun in the folder, or a new one."""
    saved = folder / "campaign"
    if saved.exists():
        campaign = pickle.loads(saved.read_bytes())  # noqa: S301 (our own file of an earlier run)
        assert isinstance(campaign, Campaign)
        return campaign
    folder.mkdir(parents=True, exist_ok=True)
    return Campaign(folder, seed, clients)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/kills"))
    parser.add_argument("--report", type=Path, default=Path("docs/campaigns/kills.md"))
    chosen = parser.parse_args()
    campaign = resumed(chosen.folder, chosen.seed, chosen.clients)
    campaign.run(chosen.kills)
    chosen.report.parent.mkdir(parents=True, exist_ok=True)
    chosen.report.write_text(campaign.report())
    print(campaign.report())


if __name__ == "__main__":
    main()
