"""FHIR's XML as its JSON, by HL7's JSON Schema of R4 (shared/data/r4/definitions).

For the few definitions of the official validator's suite that are XML: no part of Tarn.
"""
import json
import subprocess
import xml.etree.ElementTree as tree

XML, XHTML = "{http://hl7.org/fhir}", "{http://www.w3.org/1999/xhtml}"


def schema_of(path):
    text = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
    return json.loads(text)["definitions"]


def target_of(row):
    """(definition's name or None, is it a list) of a property of the schema."""
    inner = row.get("items", row)
    return inner.get("$ref", "").rpartition("/")[2] or None, "items" in row


def number_or_text(schema, row, name, text):
    kind = schema.get(name, row.get("items", row)).get("type")
    if kind == "boolean":
        return text == "true"
    return json.loads(text) if kind == "number" else text


def resource(schema, node):
    name = node.tag.removeprefix(XML)
    return {"resourceType": name, **members(schema, schema[name], node)}


def narrative(node):
    tree.register_namespace("", XHTML[1:-1])
    return tree.tostring(node, encoding="unicode").strip()


def value_of(schema, row, child):
    """(JSON value or None, its sibling object or None)"""
    name = target_of(row)[0]
    if child.tag.startswith(XHTML):
        return narrative(child), None
    if name == "ResourceList":
        return resource(schema, child[0]), None
    if name in schema and "properties" in schema[name]:
        return members(schema, schema[name], child), None
    text = child.get("value")
    value = None if text is None else number_or_text(schema, row, name, text)
    return value, members(schema, schema["Element"], child) or None


def members(schema, definition, node):
    found = {k: node.get(k) for k in ("id", "url") if node.get(k) is not None}
    for child in node:
        key = child.tag.removeprefix(XML).removeprefix(XHTML)
        row = definition["properties"].get(key)
        if row is None:
            raise ValueError(f"{key} is no element of {node.tag}")
        value, sibling = value_of(schema, row, child)
        if not target_of(row)[1]:
            if value is not None:
                found[key] = value
            if sibling:
                found["_" + key] = sibling
            continue
        found.setdefault(key, []).append(value)
        found.setdefault("_" + key, []).append(sibling)
    return {k: v for k, v in found.items() if not isinstance(v, list) or any(i is not None for i in v)}


def convert(path, schema):
    return resource(schema, tree.parse(path).getroot())
