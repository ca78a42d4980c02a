# SPDX-License-Identifier: Apache-2.0
"""rpc.discover is a valid OpenRPC document: against the official meta-schema where it is at hand, and against what we use of it always."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import jsonschema
import pytest

# What the specification (1.2.6) says of the parts that we write: names, kinds, what must be there, and nothing else but x-….
STRING = {"type": "string", "minLength": 1}


def object_of(needed, **optional):
    return {"type": "object", "required": list(needed), "additionalProperties": False, "patternProperties": {"^x-": True},
            "properties": {**needed, **optional}}


SCHEMA = {"anyOf": [{"type": "boolean"}, {"$ref": "http://json-schema.org/draft-07/schema#"}]}
DESCRIPTOR = object_of({"name": STRING, "schema": SCHEMA}, description=STRING, summary=STRING, required={"type": "boolean"})
METHOD = object_of({"name": STRING, "params": {"type": "array", "items": DESCRIPTOR}, "result": DESCRIPTOR}, summary=STRING, description=STRING,
                   paramStructure={"enum": ["by-name", "by-position", "either"]})
CONDENSED = object_of({"openrpc": {"const": "1.2.6"}, "info": object_of({"title": STRING, "version": STRING}),
                       "methods": {"type": "array", "minItems": 1, "items": METHOD}},
                      components=object_of({}, schemas={"type": "object", "patternProperties": {"^[A-Za-z0-9._-]+$": SCHEMA}, "additionalProperties": False}))


def official():
    """The meta-schema of the npm package @open-rpc/meta-schema, or of the file $OPENRPC_META_SCHEMA."""
    file = os.environ.get("OPENRPC_META_SCHEMA")
    if file:
        return json.loads(pathlib.Path(file).read_text())
    if shutil.which("node"):
        made = subprocess.run(["node", "-p", "const m = require('@open-rpc/meta-schema'); JSON.stringify(m.openrpcDocument || m.default || m)"],
                              capture_output=True, text=True, timeout=60)
        if made.returncode == 0:
            return json.loads(made.stdout)
    pytest.skip("no meta-schema: npm install @open-rpc/meta-schema and set NODE_PATH, or name its JSON in OPENRPC_META_SCHEMA")


@pytest.fixture
def document(server):
    server.start()
    return server.rpc("rpc.discover")


def test_condensed(document):
    errors = [f"{list(e.absolute_path)}: {e.message[:200]}" for e in jsonschema.Draft7Validator(CONDENSED).iter_errors(document)]
    assert not errors, "\n".join(errors)


def test_official_meta_schema(document):
    schema = official()
    # It refers to JSON Schema's own meta-schema under another address, of the same content as draft 7.
    draft = {**jsonschema.Draft7Validator.META_SCHEMA, "$id": "https://meta.json-schema.tools/"}
    schema.pop("$schema", None)
    resolver = jsonschema.RefResolver.from_schema(schema, store={"https://meta.json-schema.tools": draft, "https://meta.json-schema.tools/": draft})
    errors = [f"{list(e.absolute_path)}: {e.message[:200]}" for e in jsonschema.Draft7Validator(schema, resolver=resolver).iter_errors(document)]
    assert not errors, "\n".join(errors)
    assert list(jsonschema.Draft7Validator(schema, resolver=resolver).iter_errors({**document, "methods": 5})), "it would take anything"


def test_names_are_unique_and_references_lead_somewhere(document):
    names = [method["name"] for method in document["methods"]]
    assert len(names) == len(set(names))
    for method in document["methods"]:
        params = [param["name"] for param in method["params"]]
        assert len(params) == len(set(params)), method["name"]
        required = [param["required"] for param in method["params"]]
        assert required == sorted(required, reverse=True), f"{method['name']}: what is required stands first, for the positional form"
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert name in document["components"]["schemas"], name


def test_every_error_has_a_code_of_its_own(document):
    codes = [row["code"] for row in document["x-errors"]]
    assert len(codes) == len(set(codes)) and all(row["name"] and row["doc"] for row in document["x-errors"])
