"""The arithmetic and the page of a benchmark run, from figures made by hand (no server is started)."""

import pytest

from benchmarks.report import write_report
from benchmarks.results import Measurement, Run, Sample, Scale, SubjectFact, percentile_ms, ratio, spread
from benchmarks.verdict import compare, judge, judge_scale


def sample(
    rate: float = 100.0, cpu_ms: float = 1.0, errors: tuple[str, ...] = (), foreign_share: float = 0.0
) -> Sample:
    return Sample(
        rate=rate,
        p50_ms=2.0,
        p99_ms=9.0,
        server_cpu_ms=cpu_ms,
        client_cpu_ms=0.01,
        peak_memory_bytes=50 * 1024 * 1024,
        operations=300,
        foreign_share=foreign_share,
        errors=errors,
    )


def measured(subject: str, *samples: Sample, row: str = "manifest-get-tag", failure: str | None = None) -> Measurement:
    return Measurement(row=row, connections=8, subject=subject, client="python", samples=samples, failure=failure)


def run_of(*measurements: Measurement, scale: Scale | None = None, scale_failure: str | None = None) -> Run:
    return Run(
        started_at="2026-01-02T03:04:05+00:00",
        command="python -m benchmarks",
        machine=(("processor", "a machine"),),
        repetitions=3,
        seconds=3,
        subjects=(
            SubjectFact(key="ours", title="ours", version="1"),
            SubjectFact(key="registry3", title="distribution 3", version="v3"),
            SubjectFact(key="zot", title="zot", version=None),
        ),
        measurements=measurements,
        scale=scale,
        scale_failure=scale_failure,
    )


def test_median_of_repetitions_ignores_one_that_was_disturbed() -> None:
    seen = spread([100.0, 4.0, 110.0])
    assert (seen.median, seen.least, seen.greatest) == (100.0, 4.0, 110.0)


@pytest.mark.parametrize(
    ("share", "expected_ms"),
    [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)],
)
def test_percentile_is_the_nearest_rank_of_unsorted_latencies(share: float, expected_ms: float) -> None:
    latencies_ns = [number * 1_000_000 for number in range(100, 0, -1)]
    assert percentile_ms(latencies_ns, share) == expected_ms


def test_p99_of_few_operations_is_the_slowest() -> None:
    assert percentile_ms([3_000_000, 9_000_000, 1_000_000], 0.99) == 9.0


def test_ratio_to_something_too_small_to_measure_is_unknown() -> None:
    assert ratio(1.0, 0.0) is None


def test_cpu_ratio_says_how_many_times_cheaper_ours_is() -> None:
    seen = compare(measured("ours", sample(300, cpu_ms=0.1)), measured("registry3", sample(100, cpu_ms=0.4)))
    assert seen.rate_ratio == pytest.approx(3.0)
    assert seen.cpu_ratio == pytest.approx(4.0)


def test_faster_on_the_median_is_ahead() -> None:
    verdict = judge(measured("ours", sample(300)), [measured("zot", sample(100))], cpu_floor=False)
    assert (verdict.kept, verdict.text) == (True, "ahead")


def test_ahead_with_overlapping_ranges_says_so() -> None:
    ours = measured("ours", sample(90), sample(120), sample(130))
    verdict = judge(ours, [measured("zot", sample(80), sample(100), sample(110))], cpu_floor=False)
    assert verdict.kept is True
    assert "overlap with zot" in verdict.text


def test_slower_than_one_of_several_is_behind_and_names_it() -> None:
    others = [measured("registry3", sample(50)), measured("zot", sample(200))]
    verdict = judge(measured("ours", sample(100)), others, cpu_floor=False)
    assert (verdict.kept, verdict.text) == (False, "behind zot (0.50×)")


def test_faster_but_above_the_promised_cpu_is_not_there() -> None:
    others = [measured("registry3", sample(100, cpu_ms=2.0))]
    ours = measured("ours", sample(300, cpu_ms=1.0))
    assert judge(ours, others, cpu_floor=True).kept is False
    assert judge(ours, others, cpu_floor=False).kept is True


def test_cpu_floor_is_met_exactly_at_the_promise() -> None:
    others = [measured("registry3", sample(100, cpu_ms=2.5)), measured("docker-registry", sample(100, cpu_ms=8.0))]
    assert judge(measured("ours", sample(300, cpu_ms=1.0)), others, cpu_floor=True).kept is True


def test_answers_with_errors_are_never_ahead() -> None:
    ours = measured("ours", sample(900, errors=("PUT: 500",)))
    assert judge(ours, [measured("zot", sample(1))], cpu_floor=False).kept is False


def test_without_figures_of_ours_or_of_others_there_is_no_verdict() -> None:
    assert judge(None, [measured("zot", sample())], cpu_floor=False).kept is None
    assert judge(measured("ours"), [measured("zot", sample())], cpu_floor=False).kept is None
    assert judge(measured("ours", sample()), [measured("zot")], cpu_floor=False).kept is None


def test_a_competitor_that_failed_is_named_in_the_verdict() -> None:
    others = [measured("registry3", sample(10)), measured("zot", failure="crashed")]
    assert "zot failed" in judge(measured("ours", sample(100)), others, cpu_floor=False).text


def test_scale_is_the_same_within_the_tolerance_and_not_beyond() -> None:
    small = measured("ours", sample(1000), row="scale-pull")
    assert judge_scale(small, measured("ours", sample(900), row="scale-pull")).kept is True
    worse = judge_scale(small, measured("ours", sample(500), row="scale-pull"))
    assert (worse.kept, worse.text) == (False, "50 % slower")


def test_report_names_a_registry_that_is_not_installed() -> None:
    page = write_report(run_of(measured("ours", sample())), {}, tags=1000)
    assert "**zot**: MISSING" in page
    assert "Not compared, as not installed: zot" in page


def test_report_gives_the_reason_of_a_row_that_is_behind() -> None:
    run = run_of(measured("ours", sample(50)), measured("registry3", sample(100)))
    assert "Spends its time in parsing." in write_report(run, {"manifest-get-tag": "Spends its time in parsing."}, 1000)
    assert "No reason is recorded" in write_report(run, {}, 1000)


def test_report_shows_medians_with_their_range_and_a_failure_with_its_text() -> None:
    ours = measured("ours", sample(1000), sample(3000), sample(2000))
    page = write_report(run_of(ours, measured("registry3", failure="fell | over")), {}, 1000)
    assert "2,000 (1,000–3,000)" in page
    assert "failed: fell \\| over" in page


def test_report_marks_errors_and_repetitions_that_failed() -> None:
    ours = measured("ours", sample(errors=("one", "two")), failure="second repetition stalled")
    page = write_report(run_of(ours), {}, 1000)
    assert "**2 errors**" in page
    assert "**a repetition failed**" in page


def test_report_shows_the_cost_at_scale_or_why_it_is_missing() -> None:
    row = "scale-pull"
    scale = Scale(
        subject="ours",
        small_tags=10,
        large_tags=100_000,
        small=(measured("ours", sample(1000), row=row),),
        large=(measured("ours", sample(990), row=row),),
        fill_s=12.0,
        restart_s=1.25,
    )
    page = write_report(run_of(measured("ours", sample()), scale=scale), {}, 1000)
    assert "100,000 tags, /s" in page
    assert "✓ the same" in page
    assert "ready after 1.25 s" in page
    assert "Not measured: it stalled" in write_report(run_of(scale_failure="it stalled"), {}, 1000)


def test_report_warns_when_other_programs_used_the_cores() -> None:
    quiet = write_report(run_of(measured("ours", sample(foreign_share=0.05))), {}, 1000)
    loud = write_report(run_of(measured("ours", sample(foreign_share=0.4))), {}, 1000)
    assert "disturbed" not in quiet
    assert "A disturbed run" in loud


def test_a_run_survives_being_written_and_read() -> None:
    run = run_of(measured("ours", sample(), sample()))
    assert Run.model_validate_json(run.model_dump_json()) == run
