"""What the CNCF distribution has stored, taken over without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chalicelib.cli.commands import crs
from chalicelib.collection.fsck import Fsck
from chalicelib.instances.models import Instance
from chalicelib.kernel import media
from chalicelib.kernel.names import RepositoryName
from chalicelib.migration.adoption import Adoption, Manner
from chalicelib.migration.storage import BucketStorage
from chalicelib.ports.embedded.stack import create_bucket
from chalicelib.ports.stack import Stack
from tests.copying.shops import Shop
from tests.migration.distribution import StorageFolder
from tests.stacks import embedded_stack, make_instance, make_namespace

LAYERS = (b"base" * 50_000, b"top")


@pytest.fixture
def folder(tmp_path: Path) -> StorageFolder:
    return StorageFolder(tmp_path / "theirs")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with embedded_stack(tmp_path) as opened:
        yield opened


@pytest.fixture
def instance(stack: Stack) -> Instance:
    made = make_instance(stack, "default")
    make_namespace(stack, made, "team", auto_create_repository=False)
    return made


def adopt(stack: Stack, folder: StorageFolder, *options: str) -> Result:
    environment = {"CRS_DATA": str(stack.settings.data), "CRS_BUCKET": stack.settings.bucket}
    return CliRunner().invoke(crs, ["adopt", str(folder.root), *options], env=environment)


def names_of(path: Path) -> int:
    return path.stat().st_nlink


def test_tags_are_taken_over_and_blobs_linked(stack: Stack, instance: Instance, folder: StorageFolder) -> None:
    """K2"""
    digest = folder.image("team/app", "v1", "latest", layers=LAYERS)
    folder.image("team/deep/er", "v1", layers=LAYERS)
    result = adopt(stack, folder)
    assert (result.exit_code, result.output) == (0, "3 copied\n")
    shop = Shop(stack, instance, RepositoryName("team/app"))
    assert shop.digest("latest") == digest
    assert shop.layers("v1") == list(LAYERS)
    base = folder.path(folder.blob(LAYERS[0])["digest"])
    assert names_of(base) == 2
    assert not list(Fsck(stack, deep=True).run())
    assert not [one for one in (stack.settings.data / "buckets").iterdir() if one.is_symlink()]


def test_a_second_time_only_what_is_new_is_taken(stack: Stack, instance: Instance, folder: StorageFolder) -> None:
    """K2"""
    folder.image("team/app", "v1", layers=LAYERS)
    adopt(stack, folder)
    folder.image("team/app", "v2", layers=(LAYERS[0], b"newer"))
    assert adopt(stack, folder).output == "1 copied, 1 unchanged\n"


def test_indexes_and_signatures_come_whole(stack: Stack, instance: Instance, folder: StorageFolder) -> None:
    """K2"""
    child = folder.image("team/app", layers=(b"one",))
    size = folder.path(child).stat().st_size
    listed = {"mediaType": media.OCI_MANIFEST, "digest": child, "size": size}
    body = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": [listed]}
    folder.manifest("team/app", json.dumps(body).encode(), "multi")
    signature = folder.image("team/app", layers=(b"signed",), subject=listed)
    assert adopt(stack, folder).output == "1 copied\n"
    shop = Shop(stack, instance, RepositoryName("team/app"))
    assert shop.layers(child) == [b"one"]
    assert shop.referrers(child) == [signature]


def test_bytes_that_are_others_are_not_believed(stack: Stack, instance: Instance, folder: StorageFolder) -> None:
    """K2: and stop nothing else."""
    folder.image("team/bad", "v1", layers=LAYERS)
    folder.image("team/good", "v1", layers=(b"good",))
    wrong = folder.path(folder.blob(LAYERS[0])["digest"])
    wrong.write_bytes(bytes(len(LAYERS[0])))
    result = adopt(stack, folder)
    assert result.exit_code == 1
    assert "failed: team/bad:v1 -> team/bad:v1: what the storage has as sha256:" in result.output
    assert result.output.endswith("1 copied, 1 failed\n")
    assert Shop(stack, instance, RepositoryName("team/good")).layers("v1") == [b"good"]


def test_a_blob_that_is_missing_fails_its_image(stack: Stack, instance: Instance, folder: StorageFolder) -> None:
    """K2"""
    folder.image("team/bad", "v1", layers=LAYERS)
    folder.path(folder.blob(LAYERS[1])["digest"]).unlink()
    for options in ((), ("--trust",)):
        result = adopt(stack, folder, *options)
        assert result.exit_code == 1
        assert "no blob is known as" in result.output


def test_a_blob_of_another_size_is_not_trusted(stack: Stack, instance: Instance, folder: StorageFolder) -> None:
    """K2"""
    folder.image("team/bad", "v1", layers=LAYERS)
    folder.path(folder.blob(LAYERS[1])["digest"]).write_bytes(b"longer than that")
    assert "the manifest says 3" in adopt(stack, folder, "--trust").output


def test_a_bucket_is_taken_over_like_a_folder(stack: Stack, instance: Instance) -> None:
    """K2: by the store's own copies, from below a prefix."""
    create_bucket(stack.settings, "theirs")
    within = StorageFolder(stack.settings.data / "buckets/theirs/some/where")
    within.image("team/app", "v1", "v2", layers=LAYERS)
    signed = within.image("team/app", layers=(b"untagged",))
    storage = BucketStorage(stack.objects("theirs"), "theirs", "some/where/")
    for trusting in (False, True):
        adopted = list(Adoption(stack, instance, storage, Manner(untagged=True, trusting=trusting)).run())
        verdicts = {one.target.partition("/")[2]: one.outcome.verdict for one in adopted}
        assert len(verdicts) == 4
        assert set(verdicts.values()) == ({"unchanged"} if trusting else {"copied", "unchanged"})
    shop = Shop(stack, instance, RepositoryName("team/app"))
    assert (shop.layers("v2"), shop.layers(signed)) == (list(LAYERS), [b"untagged"])


def test_names_are_given_to_other_namespaces(stack: Stack, instance: Instance, folder: StorageFolder) -> None:
    """K2: such as names that have one part, which the distribution allows."""
    folder.image("nginx", "v1", layers=LAYERS)
    folder.image("old/app", "v1", layers=LAYERS)
    planned = adopt(stack, folder, "--namespace", "old=team", "--dry-run").output
    assert planned == "nginx:v1 -> library/nginx:v1\nold/app:v1 -> team/app:v1\n"
    missing = adopt(stack, folder, "--namespace", "old=team")
    assert "there is no namespace library; create it first" in missing.output
    assert missing.output.endswith("1 copied, 1 failed\n")
    assert adopt(stack, folder, "--namespace", "old=team", "--make-namespaces").exit_code == 0
    assert Shop(stack, instance, RepositoryName("library/nginx")).layers("v1") == list(LAYERS)


def test_untagged_manifests_come_where_they_are_wanted(stack: Stack, instance: Instance, folder: StorageFolder) -> None:
    """K2"""
    digest = folder.image("team/app", layers=LAYERS)
    assert adopt(stack, folder).output == "there is nothing to take\n"
    assert adopt(stack, folder, "--untagged", "--trust").output == "1 copied\n"
    assert Shop(stack, instance, RepositoryName("team/app")).layers(digest) == list(LAYERS)


def test_a_folder_of_something_else_is_refused(stack: Stack, instance: Instance, folder: StorageFolder) -> None:
    """K2"""
    folder.root.mkdir()
    result = adopt(stack, folder)
    assert result.exit_code == 1
    assert "holds no docker/registry/v2/repositories" in result.output
    assert "THERE=HERE" in adopt(stack, folder, "--namespace", "x").output
