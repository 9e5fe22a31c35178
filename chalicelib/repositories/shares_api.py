"""Sharing repositories with users of other accounts, in the management API (G4): the owner's side and the guest's."""

from __future__ import annotations

from chalicelib.edge.answers import Created, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.roles import Right
from chalicelib.sharing.models import InstanceShareView, NewShare, Share, SharedRepository, ShareQuery, ShareView
from chalicelib.sharing.service import Shares

from .api import REPOSITORY, path_of, repository_of
from .service import Repositories

routes = Routes("sharing")

_SHARES = REPOSITORY + "/shares"


@routes.get(_SHARES, needs=Right.READ_SETTINGS)
def list_shares(call: Call, query: ShareQuery) -> Listing[ShareView]:
    """List with whom a repository is shared, by name or by time; each 5 000 are sorted for themselves."""
    return Listing[ShareView].of(Shares(call.stack).list(repository_of(call).id, query).map(_view))


@routes.get("/instances/{instance}/shares", needs=Right.READ_SETTINGS)
def list_instance_shares(call: Call, query: ShareQuery) -> Listing[InstanceShareView]:
    """List every share of an instance's repositories, by guest or by time.

    A page may be short though more follow: shares of deleted repositories are left out, until those are restored. A
    change shows a moment later; each 5 000 are sorted for themselves.
    """
    instance = instance_of(call)
    page = Shares(call.stack).of_instance(instance, query)
    ids = list(dict.fromkeys(share.repository_id for share in page.items))
    standing = {found.id: found.name for found in Repositories(call.stack).of_ids(instance.id, ids)}
    shown = (
        InstanceShareView(
            **dict(_view(share)),
            namespace=standing[share.repository_id].namespace,
            repository=standing[share.repository_id].short,
            repository_id=share.repository_id,
        )
        for share in page.items
        if share.repository_id in standing
    )
    return Listing(items=tuple(shown), next=page.next)


@routes.post(_SHARES, needs=Right.CHANGE_SETTINGS, changes="share.create")
def create_share(call: Call, body: NewShare) -> Created[ShareView]:
    """Share a repository with a user of another account.

    The guest may pull, and no more, with an access key of their own account; the allowlist applies. The answer is
    the same whether or not there is such a user. 409 if they have the share already.
    """
    call.tell(object=f"{body.account}/{body.username}")
    repository = repository_of(call)
    share = Shares(call.stack).create(instance_of(call), repository.id, body, call.by)
    return Created(_view(share), f"{path_of(repository)}/shares/{share.id}")


@routes.get(_SHARES + "/{share}", needs=Right.READ_SETTINGS)
def show_share(call: Call) -> ShareView:
    """Show a share."""
    return _view(Shares(call.stack).get(repository_of(call).id, call.parts["share"]))


@routes.delete(_SHARES + "/{share}", needs=Right.CHANGE_SETTINGS, changes="share.delete")
def delete_share(call: Call) -> None:
    """Revoke a share.

    The guest can pull no more: at once on one machine, within 5 seconds everywhere.
    """
    shares, repository = Shares(call.stack), repository_of(call)
    share = shares.get(repository.id, call.parts["share"])
    call.tell(object=f"{share.account}/{share.username}")
    shares.revoke(repository.id, share.id)


@routes.get("/shared-with-me", needs=Right.SELF)
def list_shared_with_me(call: Call, query: ShareQuery) -> Listing[SharedRepository]:
    """List what other accounts share with you, by their names or by time.

    Log in at the address with an access key of yours: its id is the user name, its secret the password.
    """
    page = Shares(call.stack).of_guest(call.principal.account_id, call.principal.name, query)
    seen = [_seen_by_guest(call, share) for share in page.items]
    return Listing(items=tuple(one for one in seen if one is not None), next=page.next)


def _seen_by_guest(call: Call, share: Share) -> SharedRepository | None:
    """None for a repository that is gone: it may come back out of the recycle bin, and its share with it."""
    instances = Instances(call.stack)
    try:
        repository = Repositories(call.stack).by_id(share.repository_id)
        instance = instances.get(share.instance_id)
    except NotFound:
        return None
    address = instances.public_address(instance)
    return SharedRepository(
        id=share.id,
        account=share.owner_account,
        username=share.username,
        instance=instance.name,
        address=address,
        namespace=repository.name.namespace,
        repository=repository.name.short,
        full_name=repository.name,
        shared_at=share.created_at,
        login_command=f"docker login {address} -u <access key>",
        pull_command=f"docker pull {address}/{repository.name}:<tag>",
    )


def _view(share: Share) -> ShareView:
    return ShareView(**share.model_dump(include=set(ShareView.model_fields)))
