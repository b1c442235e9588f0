"""Shopify's own Admin schema as the judge: introspection out of its package `@shopify/dev-mcp`."""

import functools
import gzip
import json

from graphql import GraphQLSchema, build_client_schema

from tests.fakes.npm import fetched

PACKAGE = "@shopify/dev-mcp@1.16.0"
VERSIONS = ("2026-04", "2026-07", "2026-10")


@functools.cache
def schema(version: str) -> GraphQLSchema | None:
    """Return Shopify's schema of that version, None where it cannot be had."""
    folder = fetched(PACKAGE, [f"dist/data/admin_{each}.json.gz" for each in VERSIONS])
    if folder is None:
        return None
    read = json.loads(gzip.decompress((folder / f"admin_{version}.json.gz").read_bytes()))
    return build_client_schema(read.get("data", read), assume_valid=True)
