"""Hypothesis strategies from a JSON schema: the keywords that docs/workflow.schema.json uses, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]

NAMES = st.sampled_from(["a", "b", "c", "a/b", "a/c", "[gate]", "[end]", "a/[gate]", "Größe", "x" * 200, "x" * 201])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MOST_ITEMS = 5
MOST_SMALL = 5
"""Ordinals are drawn from few numbers, so that some are those of steps."""
_ANNOTATIONS = {"$schema", "$defs", "title", "description", "format"}
_KNOWN = _ANNOTATIONS | {
    *(
        "$ref",
        "const",
        "enum",
        "oneOf",
        "anyOf",
        "type",
        "minimum",
        "exclusiveMinimum",
        "maximum",
        "minLength",
        "maxLength",
        "pattern",
    ),
    *("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    *("properties", "propertyNames", "required", "additionalProperties", "minProperties", "maxProperties"),
}


class FromSchema:
    """Makes strategies of the parts of one schema."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._made: dict[str, st.SearchStrategy[Any]] = {}

    def documents(self) -> st.SearchStrategy[Any]:
        return self._strategy(self._root)

    def _strategy(self, schema: Schema) -> st.SearchStrategy[Any]:
        assert set(schema) <= _KNOWN, f"teach this file the keywords {set(schema) - _KNOWN}"
        if (reference := schema.get("$ref")) is not None:
            return self._named(reference.removeprefix("#/$defs/"))
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if any_of := schema.get("oneOf", schema.get("anyOf")):
            return st.one_of([self._strategy(one) for one in any_of])
        kinds = schema.get("type")
        if kinds is None:
            return ANY
        return st.one_of([self._of_type(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)])

    def _named(self, name: str) -> st.SearchStrategy[Any]:
        # Deferred, as a condition contains conditions.
        if name not in self._made:
            self._made[name] = st.deferred(lambda: self._strategy(self._root["$defs"][name]))
        return self._made[name]

    def _of_type(self, kind: str, schema: Schema) -> st.SearchStrategy[Any]:
        match kind:
            case "null":
                return st.none()
            case "boolean":
                return st.booleans()
            case "integer":
                lowest = schema.get("minimum", 0)
                return st.integers(lowest, lowest + MOST_SMALL) | st.just(schema.get("maximum", lowest))
            case "number":
                lowest = schema.get("exclusiveMinimum", schema.get("minimum", 0))
                return st.floats(lowest, schema["maximum"], exclude_min="exclusiveMinimum" in schema)
            case "string" if schema.get("format") == "date-time":
                return st.datetimes().map(lambda moment: moment.isoformat() + "Z")
            case "string":
                return NAMES | st.sampled_from(["{}", "[]", "null"])
            case "array":
                return self._array(schema)
            case "object":
                return self._object(schema)
            case _:
                raise AssertionError(f"teach this file the type {kind}")

    def _array(self, schema: Schema) -> st.SearchStrategy[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", MOST_ITEMS)
        if (prefix := schema.get("prefixItems")) is not None:
            tuples = [st.tuples(*map(self._strategy, prefix[:size])).map(list) for size in range(least, most + 1)]
            return st.one_of(tuples)
        items = self._strategy(schema["items"]) if "items" in schema else ANY
        unique = schema.get("uniqueItems", False)
        return st.lists(items, min_size=least, max_size=most, unique_by=repr if unique else None)

    def _object(self, schema: Schema) -> st.SearchStrategy[Any]:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        if not properties:
            keys = self._strategy(schema["propertyNames"]) if "propertyNames" in schema else st.text(max_size=3)
            others = schema.get("additionalProperties", True)
            return st.dictionaries(keys, self._strategy(others) if isinstance(others, Mapping) else ANY, max_size=3)
        made = {name: self._strategy(one) for name, one in properties.items()}
        if schema.get("maxProperties") == 1:
            return st.one_of([st.fixed_dictionaries({name: one}) for name, one in made.items()])
        required = schema.get("required", ())
        return st.fixed_dictionaries(
            {name: made[name] for name in required},
            optional={name: one for name, one in made.items() if name not in required},
        )
