"""Who asks, and for which groups: made from authentication, never from a request's body (row A5).

In Dagster the group comes from the partition key instead, and nobody asks (`partitions.keys`).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import GroupRefused, MissingGroup, NotAuthenticated, RoleRefused
from kmflow_orchestration.names import GroupId, group_id

_LONGEST_SLUG = 63 - len("user-") - len("-") - 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One caller with its groups; nothing widens it afterwards.

    `access_token` is the caller's own token for work on its behalf, None when it brought none.
    `is_operator` is whether it is who runs this machine, and never what authentication says.
    """

    group_ids: tuple[GroupId, ...]
    group_email: str
    user_role: Role
    access_token: Secret | None = None
    is_operator: bool = False

    @property
    def primary_group_id(self) -> GroupId:
        """The first of its groups. Raises MissingGroup when it has none."""
        if not self.group_ids:
            raise MissingGroup("the caller belongs to no group")
        return self.group_ids[0]

    def group(self, asked: str | None = None) -> GroupId:
        """The group a call is about: the one asked for, by default the primary one.

        Raises:
            MissingGroup: the caller has none, or asked for a blank one.
            GroupRefused: the group asked for is none of the caller's, or no id at all.
        """
        primary = self.primary_group_id
        if asked is None:
            return primary
        if not asked.strip():
            raise MissingGroup("a group id is required", hint="pass the id of the group")
        if asked not in self.group_ids:
            raise GroupRefused("this group is none of the caller's")
        return GroupId(asked)

    def require(self, needed: Role, group: str) -> GroupId:
        """The group, when the caller may do in it what `needed` may.

        Raises:
            MissingGroup, GroupRefused: as `group`.
            RoleRefused: the caller's role does not reach.
        """
        own = self.group(group)
        if not self.user_role.reaches(needed):
            raise RoleRefused(
                f"role {self.user_role} in group {own} does not reach",
                hint=f"it takes {needed}",
            )
        return own


def caller_of(
    email: str,
    groups: Iterable[str],
    role: Role,
    *,
    access_token: Secret | None = None,
) -> Caller:
    """A caller from what authentication says about it; one without groups gets a private one.

    Raises:
        NotAuthenticated: no e-mail, or what would be no single line.
        ConfigurationError: a group of another form than an id.
    """
    address = email.strip()
    if not address or not address.isprintable():
        raise NotAuthenticated("the caller has no name")
    ids = tuple(dict.fromkeys(group_id(group) for group in groups))
    return Caller(
        group_ids=ids or (private_group_id(address),),
        group_email=address,
        user_role=role,
        access_token=access_token,
    )


def private_group_id(email: str) -> GroupId:
    """`user-<slug>-<8 hex>` of an e-mail address; the hex tells apart what the slug made equal."""
    address = unicodedata.normalize("NFC", email.strip()).casefold()
    slug = re.sub(r"[^0-9a-z]+", "-", address)[:_LONGEST_SLUG].strip("-")
    digest = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return GroupId("-".join(part for part in ("user", slug, digest) if part))
