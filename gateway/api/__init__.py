"""CUBE's REST API in front of the catalog.

A request walks through one room after another: `app` (routes, CORS, the order of the checks), `media` (what is wanted),
`authentication` (who asks), `parsers` and `fields` (what was sent), a resource of a noun (`feeds`, `plugins`, ...), and
back through `shapes` and `renderers`. A resource is a declaration: path, methods, shape, filters, template. What may be
done is decided by `gateway.policy` and the catalog; nothing here speaks SQL.
"""
