"""What docs/testing.md shows runs: the tests of the order service, and the program without pytest."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from baton.testing.plugin import __dict__ as plugin
from tests.cli.command import ROOT, assert_succeeded, python

TEXT = (ROOT / "docs" / "testing.md").read_text()
ORDERS = (ROOT / "examples" / "orders" / "test_orders.py").read_text()
BLOCKS = re.findall(r"^```python\n# (\S+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def blocks(name: str) -> list[str]:
    return [source for file, source in BLOCKS if file == name]


@pytest.mark.slow
def test_the_tests_of_the_order_service_pass(empty_database):
    loaded = ["-p", "baton.testing.plugin", "-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, f"--rootdir={ROOT}", *loaded, "examples/orders"],
        cwd=ROOT,
        env=os.environ
        | {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(ROOT),
            "BATON_TEST_DATABASE_URL": empty_database,
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{ORDERS.count('async def test_')} passed" in done.stdout


@pytest.mark.parametrize("source", blocks("test_orders.py"), ids=lambda source: re.search(r"test_\w+", source)[0])
def test_each_test_shown_is_one_of_them(source):
    assert source.strip() in ORDERS


def test_the_program_without_pytest_runs(database, tmp_path):
    (source,) = blocks("alone.py")
    (tmp_path / "alone.py").write_text(source)

    assert assert_succeeded(python("alone.py", cwd=tmp_path, database=database)) == "reminded ada\n"


def test_each_fixture_is_described():
    described = set(re.findall(r"^\| .*?\|", TEXT, re.MULTILINE))
    fixtures = [name for name, value in plugin.items() if type(value).__name__ == "FixtureFunctionDefinition"]
    own = [name for name in fixtures if not name.startswith(("_", "baton_"))]

    assert len(own) == 9
    assert [name for name in own if not any(f"`{name}" in row or f"await {name}(" in row for row in described)] == []
    assert all(name in TEXT for name in fixtures if name.startswith("baton_"))
