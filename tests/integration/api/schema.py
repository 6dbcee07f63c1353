"""As much of JSON Schema as our own document uses, to hold real answers against it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def violations(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str = "$") -> list[str]:
    """Where a value is not what the schema says; a key that an object's schema does not name is a violation too."""
    if "$ref" in schema:
        found = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return violations(value, found, document, at)
    if "anyOf" in schema:
        arms = [violations(value, arm, document, at) for arm in schema["anyOf"]]
        return [] if any(not arm for arm in arms) else min(arms, key=len)
    expected = TYPES[schema["type"]]
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        return [f"{at}: {value!r} is no {schema['type']}"]
    return [*_simple(value, schema, at), *_inside(value, schema, document, at)]


def _simple(value: Any, schema: dict[str, Any], at: str) -> list[str]:
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is none of {schema['enum']}"]
    if "minimum" in schema and value < schema["minimum"]:
        return [f"{at}: {value} is too small"]
    if schema.get("format") == "date-time" and datetime.fromisoformat(value).utcoffset() is None:
        return [f"{at}: {value!r} has no zone"]
    return []


def _inside(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str) -> list[str]:
    if schema["type"] == "array":
        return [v for n, item in enumerate(value) for v in violations(item, schema["items"], document, f"{at}[{n}]")]
    properties = schema.get("properties")
    if schema["type"] != "object" or properties is None:
        return []
    found = [f"{at}.{name}: missing" for name in schema.get("required", ()) if name not in value]
    found += [f"{at}.{name}: not described" for name in value if name not in properties]
    for name in properties.keys() & value.keys():
        found += violations(value[name], properties[name], document, f"{at}.{name}")
    return found
