"""Who may see what, and which writes are accepted."""

from __future__ import annotations

import pytest

from baton import Engine, InvalidOption, Run
from baton.web import User, dashboard
from baton.web.serving import application, user_of
from baton.web.sign_in import Gate
from tests.web.served import ANN, SAME_ORIGIN, asking, asking_as, confirmed, everybody_is, token_in

TOKEN = "correct horse battery staple"
PAGES = ("", "runs", "run?id=1", "steps?id=1", "step?id=1&step=a", "data?id=1&step=a", "queues", "pools", "schedules",
         "doctor", "confirm?action=cancel&id=1", "events")  # fmt: skip


async def test_without_a_user_callback_there_is_no_dashboard(engine):
    with pytest.raises(TypeError, match="user"):
        dashboard(engine)
    with pytest.raises(InvalidOption, match="give a function that says who sends a request"):
        dashboard(engine, user=None)


@pytest.mark.parametrize("page", PAGES)
async def test_nobody_sees_no_page(engine, page):
    async with asking_as(engine, None) as client:
        answer = await client.get(page)

    assert answer.status_code == 403
    assert "You may not see this dashboard" in answer.text


@pytest.mark.parametrize("answer", [True, "", "  ", 7, ("ann", "everything")])
async def test_an_answer_that_is_no_user_lets_nobody_in(engine, answer, caplog):
    async with asking_as(engine, answer) as client:
        assert (await client.get("")).status_code == 500
    assert "user= must return a User" in caplog.text


async def test_a_callback_that_raises_lets_nobody_in(engine, caplog):
    def broken(request):
        raise LookupError("no session")

    async with asking(dashboard(engine, user=broken)) as client:
        answer = await client.get("runs")

    assert answer.status_code == 500
    assert "no session" not in answer.text


async def test_the_callback_may_be_async_and_is_given_the_request(engine):
    async def who(request):
        return request.headers.get("x-user")

    async with asking(dashboard(engine, user=who)) as client:
        assert (await client.get("runs")).status_code == 403
        assert "bob" in (await client.get("runs", headers={"x-user": "bob"})).text


def test_an_unknown_permission_is_refused():
    with pytest.raises(InvalidOption, match="may"):
        User("ann", may={"cancel", "delete"})


async def test_a_name_alone_may_read_and_change_nothing(engine, filled):
    async with asking_as(engine, "bob") as client:
        page = await client.get("run", params={"id": filled.waiting})
        form = await client.get("confirm", params={"action": "cancel", "id": filled.waiting})
        fields = {"action": "cancel", "id": filled.waiting, "write_token": client.cookies["baton_write_token"]}
        answer = await client.post("confirm", data=fields, headers=SAME_ORIGIN)

    assert "confirm?action" not in page.text
    assert (form.status_code, answer.status_code) == (403, 403)
    assert "Nothing was changed" in answer.text
    assert (await Run(filled.waiting).status()).state == "executing"


@pytest.mark.parametrize("permission", ["retry", "signal", "pause queues", "see data"])
async def test_one_permission_gives_no_other(engine, filled, permission):
    async with asking_as(engine, User("bob", may={permission})) as client:
        await client.get("runs")
        fields = {"action": "cancel", "id": filled.waiting, "write_token": client.cookies["baton_write_token"]}
        answer = await client.post("confirm", data=fields, headers=SAME_ORIGIN)

    assert answer.status_code == 403
    assert (await Run(filled.waiting).status()).state == "executing"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://dashboard.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://dashboard"},
    ],
)
async def test_a_write_from_elsewhere_is_refused(engine, filled, headers):
    async with asking_as(engine) as client:
        form = await client.get("confirm", params={"action": "cancel", "id": filled.waiting})
        fields = {"action": "cancel", "id": filled.waiting, "write_token": token_in(form.text)}
        answer = await client.post("confirm", data=fields, headers=headers)

    assert answer.status_code == 403
    assert "does not come from a page of this dashboard" in answer.text
    assert (await Run(filled.waiting).status()).state == "executing"


async def test_a_write_names_its_origin_where_browsers_say_no_more(engine, filled):
    """Over plain HTTP, and not on this machine, browsers send no Sec-Fetch-Site."""
    async with asking_as(engine) as client:
        form = await client.get("confirm", params={"action": "cancel", "id": filled.waiting})
        fields = {"action": "cancel", "id": filled.waiting, "write_token": token_in(form.text)}
        answer = await client.post("confirm", data=fields, headers={"Origin": "http://dashboard"})

    assert answer.status_code == 200
    assert (await Run(filled.waiting).status()).state == "cancelled"


async def test_a_trusted_origin_may_write_through_a_proxy(engine, filled):
    app = dashboard(engine, user=everybody_is(ANN), trusted_origins=["https://ops.example"])
    async with asking(app) as client:
        form = await client.get("confirm", params={"action": "cancel", "id": filled.waiting})
        fields = {"action": "cancel", "id": filled.waiting, "write_token": token_in(form.text)}
        answer = await client.post("confirm", data=fields, headers={"Origin": "https://ops.example"})

    assert answer.status_code == 200


@pytest.mark.parametrize("token", [None, "", "x" * 43, "\N{SNOWMAN}" * 43])
async def test_a_write_without_its_token_is_refused(engine, filled, token):
    async with asking_as(engine) as client:
        await client.get("confirm", params={"action": "cancel", "id": filled.waiting})
        fields = {"action": "cancel", "id": filled.waiting, **({} if token is None else {"write_token": token})}
        answer = await client.post("confirm", data=fields, headers=SAME_ORIGIN)

    assert answer.status_code == 403
    assert "write token" in answer.text
    assert (await Run(filled.waiting).status()).state == "executing"


async def test_a_token_without_its_cookie_is_refused(engine, filled):
    async with asking_as(engine) as client:
        form = await client.get("confirm", params={"action": "cancel", "id": filled.waiting})
        client.cookies.clear()
        fields = {"action": "cancel", "id": filled.waiting, "write_token": token_in(form.text)}
        answer = await client.post("confirm", data=fields, headers=SAME_ORIGIN)

    assert answer.status_code == 403


async def test_a_write_is_a_form_and_nothing_else(engine, filled):
    async with asking_as(engine) as client:
        await client.get("runs")
        json = await client.post("confirm", json={"action": "cancel", "id": filled.waiting}, headers=SAME_ORIGIN)
        text = await client.post(
            "confirm", content="action=cancel", headers={**SAME_ORIGIN, "Content-Type": "text/plain"}
        )
        large = await client.post("confirm", data={"value": "x" * (2 << 20)}, headers=SAME_ORIGIN)

    assert [json.status_code, text.status_code, large.status_code] == [415, 415, 413]


async def test_no_page_that_is_only_read_changes_anything(engine, filled):
    """Each action asked for with GET only asks back."""
    async with asking_as(engine) as client:
        for action in ("cancel", "retry", "signal"):
            query = {"action": action, "id": filled.waiting, "step": "approval", "write_token": "x"}
            assert (await client.get("confirm", params=query)).status_code == 200

    assert (await Run(filled.waiting).status()).counts["waiting"] == 1


@pytest.mark.parametrize("page", ["", "static/style.css", "static/nothing", "nowhere", "data?id=1&step=a"])
async def test_each_answer_has_the_headers(engine, page):
    async with asking_as(engine) as client:
        headers = (await client.get(page)).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"


async def test_pages_have_nothing_inline(engine, filled):
    async with asking_as(engine) as client:
        for page in ("", "runs", f"run?id={filled.waiting}", f"step?id={filled.saga}&step=pay"):
            text = (await client.get(page)).text
            assert "<style" not in text
            assert " style=" not in text
            assert " onclick=" not in text
            assert text.count("<script") == 1


async def test_pages_are_not_kept_and_files_are(engine):
    async with asking_as(engine) as client:
        page = await client.get("")
        style = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        assert page.headers["cache-control"] == "no-store"
        assert "immutable" in (await client.get(style)).headers["cache-control"]
        assert (await client.get("static/style.css?old")).headers["cache-control"] == "no-cache"


async def test_cookies_are_kept_from_scripts_and_other_sites(engine):
    app = dashboard(engine, user=everybody_is(ANN))
    async with asking(app) as plain, asking(app, base_url="https://dashboard/") as encrypted:
        over_http = (await plain.get("")).headers["set-cookie"]
        over_https = (await encrypted.get("")).headers["set-cookie"]

    assert "HttpOnly" in over_http
    assert "SameSite=strict" in over_http
    assert over_https.startswith("__Host-baton_write_token=")
    assert "Secure" in over_https


async def test_an_engine_that_is_not_open_is_a_sentence(database):
    async with asking_as(Engine(database)) as client:
        answer = await client.get("runs")

    assert answer.status_code == 503
    assert "has not opened its engine" in answer.text


@pytest.mark.parametrize("page", PAGES)
async def test_without_the_token_no_page_is_shown(engine, page):
    app = application(engine, Gate(TOKEN, user_of(may_act=True, sees_data=True)), "")
    async with asking(app) as client:
        answer = await client.get(page)

    assert (answer.status_code, answer.headers.get("location")) in ((303, "sign-in"), (403, None))


async def test_the_token_lets_in_and_signing_out_ends_it(engine, filled):
    app = application(engine, Gate(TOKEN, user_of(may_act=True, sees_data=True)), "")
    async with asking(app) as client:
        form = await client.get("sign-in")
        fields = {"token": TOKEN, "write_token": token_in(form.text)}
        entered = await client.post("sign-in", data=fields, headers=SAME_ORIGIN)
        assert (entered.status_code, entered.headers["location"]) == (303, "./")
        assert TOKEN not in str(client.cookies)
        assert (await client.get("runs")).status_code == 200
        assert (await confirmed(client, action="cancel", id=filled.waiting)).status_code == 200
        await client.post("sign-out", headers=SAME_ORIGIN)
        assert (await client.get("runs")).status_code == 303


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + " ", TOKEN.upper(), "\N{SNOWMAN}"])
async def test_a_wrong_token_lets_nobody_in(engine, token):
    app = application(engine, Gate(TOKEN, user_of(may_act=True, sees_data=True)), "")
    async with asking(app) as client:
        form = await client.get("sign-in")
        fields = {"token": token, "write_token": token_in(form.text)}
        assert (await client.post("sign-in", data=fields, headers=SAME_ORIGIN)).status_code == 403
        assert (await client.get("runs")).status_code == 303


async def test_signing_in_from_another_site_is_refused(engine):
    app = application(engine, Gate(TOKEN, user_of(may_act=True, sees_data=True)), "")
    async with asking(app) as client:
        form = await client.get("sign-in")
        fields = {"token": TOKEN, "write_token": token_in(form.text)}
        answer = await client.post("sign-in", data=fields, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403


async def test_a_session_ends_when_the_token_is_changed(engine):
    one, other = (
        application(engine, Gate(token, user_of(may_act=True, sees_data=True)), "") for token in (TOKEN, TOKEN + "2")
    )
    async with asking(one) as client:
        form = await client.get("sign-in")
        await client.post("sign-in", data={"token": TOKEN, "write_token": token_in(form.text)}, headers=SAME_ORIGIN)
        cookies = client.cookies
    async with asking(other, cookies=cookies) as client:
        assert (await client.get("runs")).status_code == 303


def test_a_short_token_is_refused_and_not_shown():
    with pytest.raises(InvalidOption) as raised:
        Gate("hunter2", ANN)
    assert "hunter2" not in str(raised.value)
