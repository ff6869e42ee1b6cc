"""All tables of the catalog in one place; each noun has its own module."""

from __future__ import annotations

from gateway.catalog.base import Base
from gateway.catalog.feeds import Feed
from gateway.catalog.instances import Join, ParameterValue, PluginInstance, Split
from gateway.catalog.people import Group, Membership, Token, User
from gateway.catalog.plugins import ComputeResource, Plugin, PluginComputeResource, PluginMeta, PluginParameter
from gateway.catalog.tree import File, Folder, LinkFile
from gateway.catalog.work import JournalEntry, OutboxRow, PendingDeletion, Repair

__all__ = [
    "Base",
    "ComputeResource",
    "Feed",
    "File",
    "Folder",
    "Group",
    "Join",
    "JournalEntry",
    "LinkFile",
    "Membership",
    "OutboxRow",
    "ParameterValue",
    "PendingDeletion",
    "Plugin",
    "PluginComputeResource",
    "PluginInstance",
    "PluginMeta",
    "PluginParameter",
    "Repair",
    "Split",
    "Token",
    "User",
]
