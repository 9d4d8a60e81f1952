"""How deep conditions may be nested: the database evaluates one by a function that calls itself."""

from __future__ import annotations

import pytest

from baton import Baton, result_of, worker
from baton.core.conditions import MOST_NESTED_CONDITIONS, All, AnyOf


@pytest.mark.parametrize(("joined", "kind"), [(lambda a, b: a & b, All), (lambda a, b: a | b, AnyOf)])
def test_a_chain_of_one_operator_is_flat(joined, kind):
    condition = result_of("a") == 0
    for number in range(1, 1000):
        condition = joined(condition, result_of("a") == number)

    assert isinstance(condition.spec, kind)
    assert len(condition.spec.members) == 1000
    assert condition.depth == 2


def test_mixed_operators_keep_their_order():
    a, b, c = (result_of(name) == 1 for name in "abc")

    assert repr((a & b) | c) == "((result_of('a') == 1) & (result_of('b') == 1)) | (result_of('c') == 1)"
    assert repr(a & (b | c)) == "(result_of('a') == 1) & ((result_of('b') == 1) | (result_of('c') == 1))"


def test_a_condition_that_is_nested_too_deep_is_refused():
    condition = result_of("a") == 1
    for _ in range(MOST_NESTED_CONDITIONS - 1):
        condition = ~condition

    with pytest.raises(TypeError, match="a condition is nested at most 100 deep; combine the values in a step"):
        ~condition  # noqa: B018  # it raises


async def test_the_deepest_condition_is_inserted_and_evaluated(engine, connection):
    @worker
    async def value() -> int:
        return 1

    condition = result_of("a") == 1
    for _ in range(MOST_NESTED_CONDITIONS - 2):
        condition = ~condition
    flow = Baton.new().add("a", value.new()).add("b", value.new(), when=condition)

    await connection.execute("select insert_workflow_json($1)", flow.to_json())
    await connection.execute("update steps set state = 'completed', result = '1', finished_at = now() where name = 'a'")
    query = "select c.holds from steps s cross join condition_holds(s.id, s.condition) as c where s.name = 'b'"
    assert await connection.fetchval(query)
