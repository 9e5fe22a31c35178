"""What commands do with buckets."""

from __future__ import annotations

from chalicelib.accounts.service import Accounts
from chalicelib.instances.buckets import Buckets
from chalicelib.instances.service import DEFAULT_ACCOUNT
from chalicelib.kernel.settings import Settings
from chalicelib.ports.embedded.stack import create_bucket
from chalicelib.ports.stack import open_stack


def create_for(settings: Settings, name: str, account_id: str) -> None:
    """Makes the folder and claims it for the account; repeating it is harmless.

    Raises Invalid on a bad name, NotFound without the account, Conflict if the bucket is another's.
    """
    with open_stack(settings) as stack:
        if account_id != DEFAULT_ACCOUNT:  # Which the first start makes, perhaps later than its buckets.
            Accounts(stack).get(account_id)
        create_bucket(settings, name)
        Buckets(stack).claim(account_id, name)
