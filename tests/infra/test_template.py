"""The packaged template: what everything of ours on AWS must be, whoever adds to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint import ManualArgs
from cfnlint.api import lint

import app as service
from benchmarks.cost_model import WHOLE_CPU_MB
from chalicelib.acceleration.converter import LIMITS
from chalicelib.scanning.database_unpacking import Bounds
from infra.template import join

Resources = dict[str, dict[str, Any]]

# Policies in which a resource or an action is a wildcard, and why it has to be.
REASONS = {
    "WhoRunsTheAccountRulesTheKey": "speaks of its own key alone, and nobody could change that key without it",
    "AlarmsPublish": "speaks of its own key alone",
    "NothingWithoutEncryptionOnTheWay": "forbids",
    "LoginToTheImagesRegistry": "is of no resource; what may be pulled is said by name",
    "SendTracesWhichHaveNoResourceOfTheirOwn": "as it says: X-Ray knows no resources",
}


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> Resources:
    found: Resources = template["Resources"]
    return found


def of(resources: Resources, kind: str) -> Resources:
    return {name: one for name, one in resources.items() if one["Type"] == kind}


@pytest.mark.campaign
def test_the_linter_has_nothing_to_say_at_its_strictest(template_file: Path) -> None:
    found = lint(template_file.read_text(), config=ManualArgs(include_checks=["I"]))
    assert [f"{one.rule.id} {one.path}: {one.message}" for one in found] == []
    broken = json.loads(template_file.read_text())
    del broken["Resources"]["Table"]["Properties"]["KeySchema"]
    assert lint(json.dumps(broken), config=ManualArgs(include_checks=["I"])) != []


def test_tables_outlive_mistakes(resources: Resources) -> None:
    """R8"""
    tables = of(resources, "AWS::DynamoDB::Table")
    assert set(tables) == {"Table", "AuditTable"}
    for table in tables.values():
        properties = table["Properties"]
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert properties["SSESpecification"]["SSEEnabled"] is True
        assert properties["DeletionProtectionEnabled"] is True
        assert properties["TimeToLiveSpecification"]["Enabled"] is True
        assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_no_bucket_is_public_and_every_bucket_is_encrypted_and_tells_of_new_objects(resources: Resources) -> None:
    buckets = of(resources, "AWS::S3::Bucket")
    assert set(buckets) == {"Bucket"}
    for name, bucket in buckets.items():
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(properties["PublicAccessBlockConfiguration"]) == 4
        assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert properties["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"] is True
        assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
        assert [one for one in statements(resources) if one[0] == f"{name}Policy" and one[1]["Effect"] == "Allow"] == []


def test_deleted_objects_are_kept_as_long_as_tables_can_be_restored(resources: Resources) -> None:
    """R8"""
    bucket = resources["Bucket"]["Properties"]
    window = resources["Table"]["Properties"]["PointInTimeRecoverySpecification"]["RecoveryPeriodInDays"]
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    [kept] = [rule["NoncurrentVersionExpiration"] for rule in rules if "NoncurrentVersionExpiration" in rule]
    assert kept["NoncurrentDays"] >= window
    assert [rule for rule in rules if "AbortIncompleteMultipartUpload" in rule]


def test_every_queue_is_encrypted_and_has_dead_letters_with_an_alarm(resources: Resources) -> None:
    queues = of(resources, "AWS::SQS::Queue")
    dead = {name for name in queues if name.endswith("DeadQueue")}
    alarmed = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in of(resources, "AWS::CloudWatch::Alarm").values()
        for dimension in alarm["Properties"].get("Dimensions", ())
        if dimension["Name"] == "QueueName" and alarm["Properties"]["Threshold"] == 1
    }
    assert all(queue["Properties"]["SqsManagedSseEnabled"] is True for queue in queues.values())
    assert alarmed == dead
    for name in queues.keys() - dead:
        redrive = queues[name]["Properties"]["RedrivePolicy"]
        assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [name.replace("Queue", "DeadQueue"), "Arn"]}
        assert redrive["maxReceiveCount"] == 5


def test_every_mapping_reports_what_failed_and_leaves_its_function_time(resources: Resources) -> None:
    mappings = {
        name: event["Properties"] | {"Timeout": function["Properties"]["Timeout"]}
        for name, function in of(resources, "AWS::Serverless::Function").items()
        for event in function["Properties"].get("Events", {}).values()
        if event["Type"] == "SQS"
    }
    # Of two functions, one of which is there at a time.
    mappings["Scans"] |= {"Timeout": max(mappings["Scans"]["Timeout"], mappings["ImageScans"]["Timeout"])}
    assert mappings.pop("ImageScans")["Queue"] == mappings["Scans"]["Queue"]
    assert set(mappings) == {"Collection", "Conversions", "Rescans", "Scans", "Tasks", "Transfers", "Webhooks"}
    for name, mapping in mappings.items():
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["ScalingConfig"]["MaximumConcurrency"] >= 2
        assert mapping["Queue"] == {"Fn::Sub": f"${{{name}Queue.Arn}}"}
        visibility = resources[f"{name}Queue"]["Properties"]["VisibilityTimeout"]
        assert visibility >= 6 * mapping["Timeout"]


def test_every_function_is_there_with_a_role_and_a_log_of_its_own(resources: Resources) -> None:
    functions = of(resources, "AWS::Serverless::Function")
    in_place_of = functions.pop("ImageScans")["Properties"]
    assert in_place_of["Role"] == functions["Scans"]["Properties"]["Role"]
    assert in_place_of["LoggingConfig"] == {"LogGroup": {"Ref": "ScansLogGroup"}}
    assert len(functions) == len(service.app.event_sources) + 1
    roles = [json.dumps(one["Properties"]["Role"]) for one in functions.values()]
    assert len(set(roles)) == len(functions)
    logs = {one["Properties"]["LogGroupName"]["Fn::Sub"] for one in of(resources, "AWS::Logs::LogGroup").values()}
    assert {f"/aws/lambda/${{{name}}}" for name in functions} <= logs
    assert all(one["Properties"]["RetentionInDays"] for one in of(resources, "AWS::Logs::LogGroup").values())
    assert all(one["Properties"]["Tracing"] == "Active" for one in functions.values())


def test_only_the_function_of_the_api_loads_the_api(resources: Resources) -> None:
    serving = {
        name
        for name, function in of(resources, "AWS::Serverless::Function").items()
        if function["Properties"]["Environment"]["Variables"].get("CRS_SERVE_API") != "false"
    }
    assert serving == {"APIHandler"}


def test_scans_are_done_by_the_image_or_by_the_function_but_never_by_both(resources: Resources) -> None:
    """S1: the image, where it is given, has the queue to itself."""
    image, built_in = resources["ImageScans"], resources["Scans"]["Properties"]["Events"]["ScansSqsEventSource"]
    assert image["Condition"] == "WithScannerImage"
    assert built_in["Properties"]["Enabled"] == {"Fn::If": ["WithScannerImage", False, True]}
    assert image["Properties"]["ImageUri"] == {"Ref": "ScannerImage"}
    assert image["Properties"]["Environment"]["Variables"]["CRS_SCANNER"] == "trivy"


def test_the_login_of_the_databases_registry_is_a_secret_that_one_function_may_read(resources: Resources) -> None:
    """S2: of all secrets that function has this one alone, and nobody sees it in a template or a variable."""
    secret, reading = resources["VulnerabilityLoginSecret"], resources["VulnerabilityLoginReading"]
    assert (secret["Condition"], reading["Condition"]) == ("WithVulnerabilityLogin", "WithVulnerabilityLogin")
    assert reading["Properties"]["Roles"] == [{"Ref": "VulnerabilityDatabaseRole"}]
    (statement,) = reading["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Resource"] == {"Ref": "VulnerabilityLoginSecret"}
    given = {
        name: function["Properties"]["Environment"]["Variables"]["CRS_KEYS_SECRET"]
        for name, function in of(resources, "AWS::Serverless::Function").items()
        if "CRS_KEYS_SECRET" in function["Properties"]["Environment"]["Variables"]
    }
    chosen = {"Fn::If": ["WithVulnerabilityLogin", {"Ref": "VulnerabilityLoginSecret"}, ""]}
    assert given == {"VulnerabilityDatabase": chosen}


@pytest.mark.parametrize(
    ("login", "fits"),
    [("", True), ("robot:pa:ss word", True), ("robot", False), ("robot:", False), ('robot:"', False), ("a:\\", False)],
)
def test_a_login_that_the_secret_could_not_hold_is_refused(template: dict[str, Any], login: str, fits: bool) -> None:
    parameter = template["Parameters"]["VulnerabilityLogin"]
    assert parameter["NoEcho"] is True
    assert bool(re.fullmatch(parameter["AllowedPattern"], login)) is fits
    if fits and login:
        text = template["Resources"]["VulnerabilityLoginSecret"]["Properties"]["SecretString"]["Fn::Sub"]
        assert json.loads(text.replace("${VulnerabilityLogin}", login)) == {"vulndb_login": login}


def test_who_examines_images_has_room_for_two_databases(resources: Resources) -> None:
    """S2: at a switch the new one comes before the old one goes. 0.7 GiB in 2026; one may have four."""
    most_mib = Bounds().database // 1024**2
    for name, least_mib in (
        ("Scans", 2048),
        ("Rescans", 2048),
        ("ImageScans", 2048),
        ("VulnerabilityDatabase", most_mib),
    ):
        assert least_mib < resources[name]["Properties"]["EphemeralStorage"]["Size"] <= 10_240, name


def test_who_converts_layers_has_two_processors_and_room_for_what_they_unpack_to(resources: Resources) -> None:
    """A1: Lambda gives a processor for each 1 769 MB; files that come first need the layer unpacked on disk."""
    conversions = resources["Conversions"]["Properties"]
    assert conversions["MemorySize"] == 2 * WHOLE_CPU_MB
    assert conversions["EphemeralStorage"]["Size"] == 10_240
    assert LIMITS.seconds + 60 < conversions["Timeout"]


def test_no_message_comes_again_while_it_may_still_be_handled(resources: Resources) -> None:
    """SQS hides a message for twelve hours at most."""
    for queue in of(resources, "AWS::SQS::Queue").values():
        assert queue["Properties"].get("VisibilityTimeout", 0) <= 43_200


def test_pushes_are_heard_from_the_stack_s_own_buckets_alone(resources: Resources) -> None:
    pattern = resources["ObjectCreated"]["Properties"]["Events"]["ObjectCreatedEvent"]["Properties"]["Pattern"]
    assert pattern["detail"]["bucket"]["name"] == [{"Ref": "Bucket"}, {"prefix": {"Ref": "CustomerBucketPrefix"}}]
    assert pattern["detail"]["object"] == service.PUSHES["detail"]["object"]  # type: ignore[index]


def test_every_function_and_every_schedule_has_its_alarms(resources: Resources) -> None:
    for name, function in of(resources, "AWS::Serverless::Function").items():
        assert {f"{name}ErrorAlarm", f"{name}ThrottleAlarm"} <= resources.keys()
        kinds = {event["Type"] for event in function["Properties"].get("Events", {}).values()}
        assert ("Schedule" in kinds) == (f"{name}SilentAlarm" in resources)
    for alarm in of(resources, "AWS::CloudWatch::Alarm").values():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "Alarms"}]


def test_the_dashboard_plots_what_is_there(resources: Resources) -> None:
    chosen = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::If"]
    assert chosen[0] == "WithGateway"
    bodies = [body["Fn::Sub"][0] for body in chosen[1:]]
    plotted = [set(re.findall(r"\$\{(\w+)[}.]", body)) - {"TableInUse", "AuditTableInUse"} for body in bodies]
    assert plotted[0] - plotted[1] == {"PublicLoadBalancer", "InternalLoadBalancer", "GatewayCluster", "GatewayService"}
    assert {"APIHandler", "TasksQueue", "TasksDeadQueue"} <= plotted[1]
    assert plotted[0] <= resources.keys()
    assert [name for name in plotted[1] if resources[name].get("Condition")] == []
    assert all(json.loads(body)["widgets"] for body in bodies)


def test_what_watches_a_table_watches_the_one_in_use(template: dict[str, Any], resources: Resources) -> None:
    """R8: a restored table takes the place of the stack's own."""
    used = {"Fn::If": ["OwnTable", {"Ref": "Table"}, {"Ref": "TableName"}]}
    assert template["Globals"]["Function"]["Environment"]["Variables"]["CRS_TABLE"] == used
    assert template["Outputs"]["TableName"]["Value"] == used
    assert resources["TableReadThrottleAlarm"]["Properties"]["Dimensions"] == [{"Name": "TableName", "Value": used}]
    plotted = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::If"][2]["Fn::Sub"][1]
    assert plotted["TableInUse"] == used


def test_nothing_is_granted_by_wildcard_without_a_reason(resources: Resources) -> None:
    wild = {
        statement.get("Sid", name)
        for name, statement in statements(resources)
        if any("*" in action for action in listed(statement["Action"])) or "*" in listed(statement["Resource"])
    }
    assert wild == set(REASONS)


def statements(resources: Resources) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every policy, with the name of the resource it stands in."""
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
        documents += [properties[key] for key in ("PolicyDocument", "KeyPolicy") if key in properties]
        for document in documents:
            for statement in document["Statement"]:
                yield name, statement


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_two_parts_may_not_say_one_thing_differently() -> None:
    assert join({"a": {"b": 1}}, {"a": {"c": 2}}, "x") == {"a": {"b": 1, "c": 2}}
    with pytest.raises(ValueError, match="x: a: b is there already"):
        join({"a": {"b": 1}}, {"a": {"b": 2}}, "x")
