"""Addresses of CUBE's resources that other resources point at, and that have no module of their own here yet.

Clients follow links by name, so an item has all of its links from the start; each leaves this table with its module.
"""

from __future__ import annotations

PLANNED = {
    name: f"/api/v1/{path}"
    for name, path in {
        "user-groups": "users/{}/groups/",
        "groups": "groups/",
        "download-tokens": "downloadtokens/",
        "note": "note{}/",
        "feed-group-permissions": "{}/grouppermissions/",
        "feed-user-permissions": "{}/userpermissions/",
        "feed-tags": "{}/tags/",
        "feed-taggings": "{}/taggings/",
        "feed-comments": "{}/comments/",
        "tags": "tags/",
        "workflow": "pipelines/workflows/{}/",
        "workflows": "pipelines/workflows/",
        "pipelines": "pipelines/",
        "pipeline-source-files": "pipelines/sourcefiles/",
        "pacs": "pacs/",
        "pacs-queries": "pacs/queries/",
        "pacs-files": "pacs/files/",
        "pacs-series": "pacs/series/",
        "folder-link-files": "filebrowser/{}/linkfiles/",
        "folder-group-permissions": "filebrowser/{}/grouppermissions/",
        "folder-user-permissions": "filebrowser/{}/userpermissions/",
        "file-group-permissions": "filebrowser/files/{}/grouppermissions/",
        "file-user-permissions": "filebrowser/files/{}/userpermissions/",
    }.items()
}
