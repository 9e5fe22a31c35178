"""Does a request cost more because more is stored? The same requests to a small and a large repository, in turn."""

from benchmarks.measure import choose_client, measure
from benchmarks.results import Measurement, Sample, Scale
from benchmarks.rows import SCALE_ROWS
from benchmarks.runner import Plan, free_port, restarted, say, started
from benchmarks.stage import Stage
from benchmarks.subjects import Subject

SMALL_TAGS = 10


def run_scale(plan: Plan, subject: Subject, large_tags: int) -> Scale:
    """Raises ServerFailed, NoAccess or LoadFailed when the registry can't be filled or measured."""
    port = plan.port or free_port()
    with started(subject, plan.data, port) as stage:
        say(f"filling a repository of {subject.title} with {large_tags:,} tags")
        fill_s = stage.tagged_repository(large_tags).filled_in_s
        say(f"  filled in {fill_s:.1f} s")
        small, large = _measure_both(plan, subject, stage, large_tags)
        stage.server.stop()
        with restarted(subject, plan.data, port) as again:
            restart_s = again.server.ready_after_s
        say(f"  ready again after {restart_s:.2f} s")
    return Scale(
        subject=subject.key,
        small_tags=SMALL_TAGS,
        large_tags=large_tags,
        small=small,
        large=large,
        fill_s=fill_s,
        restart_s=restart_s,
    )


def _measure_both(
    plan: Plan, subject: Subject, stage: Stage, large_tags: int
) -> tuple[tuple[Measurement, ...], tuple[Measurement, ...]]:
    found: dict[int, list[Measurement]] = {SMALL_TAGS: [], large_tags: []}
    for row in SCALE_ROWS:
        for connections in plan.connections:
            samples: dict[int, list[Sample]] = {SMALL_TAGS: [], large_tags: []}
            client = ""
            for _ in range(plan.repetitions):
                for tags, taken in samples.items():
                    workload = row.prepare(stage, tags)
                    client = choose_client(stage.address, workload, plan.effort)
                    taken.append(measure(stage.server, stage.address, workload, row, connections, plan.effort, client))
                    say(f"  {row.key} × {connections}, {tags:,} tags: {taken[-1].rate:,.0f}/s")
            for tags, taken in samples.items():
                measurement = Measurement(
                    row=row.key, connections=connections, subject=subject.key, client=client, samples=tuple(taken)
                )
                found[tags].append(measurement)
    return tuple(found[SMALL_TAGS]), tuple(found[large_tags])
