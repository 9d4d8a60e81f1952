"""Which claim tokens a beat lists."""

from __future__ import annotations

from baton.runtime.tokens import Tokens


def test_a_token_is_listed_from_its_claim_to_the_answer_of_its_last_step():
    tokens = Tokens()
    token = tokens.draw()
    assert tokens.listed() == [token]
    tokens.claimed(token, 2)
    tokens.answered(token)
    assert tokens.listed() == [token]

    tokens.answered(token)

    assert tokens.listed() == []


def test_a_claim_that_brought_nothing_is_listed_no_more():
    tokens = Tokens()
    tokens.claimed(tokens.draw(), 0)

    assert tokens.listed() == []


def test_tokens_are_never_the_same():
    tokens = Tokens()

    assert len({tokens.draw() for _ in range(100)}) == 100


def test_answers_under_several_tokens_are_counted_whatever_their_order():
    tokens = Tokens()
    first, second = tokens.draw(), tokens.draw()
    tokens.claimed(first, 3)
    tokens.claimed(second, 2)

    tokens.answered(first, first, second, first)

    assert tokens.listed() == [second]
