"""Several processes behind one port: whichever is asked for /metrics answers for all of them."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.host.test_child import wait_until
from tests.host.test_gateway import far_from_aws, running, status
from tests.serving import free_port

REQUESTS = 24


def test_each_process_of_a_gateway_counts_what_the_others_answered() -> None:
    public, internal = free_port(), free_port()
    ports = {"CRS_PORT": str(public), "CRS_INTERNAL_PORT": str(internal)}
    # Nobody reads what it logs.
    environment = far_from_aws(**ports, CRS_GATEWAY_PROCESSES="2", CRS_ACCESS_LOG="false")

    def found() -> dict[str, float]:
        text = httpx.get(f"http://127.0.0.1:{internal}/metrics", trust_env=False, timeout=20).text
        families = text_string_to_metric_families(text)
        samples = [sample for family in families for sample in family.samples]
        return {
            "processes": sum(one.value for one in samples if one.name == "registry_processes"),
            "answered": sum(
                one.value for one in samples
                if one.name == "registry_requests_total" and one.labels["route"] == "other"
            ),
        }  # fmt: skip

    with running("-m", "chalicelib.cli", "gateway", **environment) as gateway:
        wait_until(lambda: status(f"http://127.0.0.1:{internal}/healthz") == 200)
        wait_until(lambda: found()["processes"] == 2)
        for _ in range(REQUESTS):
            # A connection each, which any of the processes may take.
            assert status(f"http://127.0.0.1:{public}/nothing") == 404
        # Once both have written their pages, it does not matter whom the next connections reach.
        wait_until(lambda: {found()["answered"] for _ in range(10)} == {REQUESTS})
        assert status(f"http://127.0.0.1:{public}/metrics") == 404
        gateway.terminate()
        assert gateway.wait(20) == 0
