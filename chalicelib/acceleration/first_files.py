"""Lists of first files of repositories: what users traced, for all images of one."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.kernel.errors import Invalid
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository

from . import store
from .models import FirstFilesRecord
from .views import FirstFilesView


class FirstFiles:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def of(self, repository: Repository) -> FirstFilesView:
        record = store.first_files(self._stack.table, repository.id)
        if record is None:
            return FirstFilesView(files=())
        files = tuple(f"/{path}" for path in store.unpacked(record.files))
        return FirstFilesView(files=files, set_at=record.set_at, set_by=record.set_by)

    def tell(self, repository: Repository, files: Sequence[str], by: str) -> FirstFilesView:
        """Raises Invalid that names the first path which is none, or what there is too much of."""
        from chalicelib.starts.lists import checked

        wanted = checked(files)
        packed = store.packed(wanted)
        if len(packed) > store.MOST_FILES_BYTES:
            raise Invalid("files", f"compressed, the list has {len(packed)} bytes; up to {store.MOST_FILES_BYTES}")
        record = FirstFilesRecord(
            repository_id=repository.id,
            files=packed,
            count=len(wanted),
            set_at=self._stack.clock.now(),
            set_by=by,
        )
        store.set_first_files(self._stack.table, record)
        return self.of(repository)

    def forget(self, repository: Repository) -> None:
        store.forget_first_files(self._stack.table, repository.id)
