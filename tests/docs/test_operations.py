"""What docs/operations.md shows is true: its unit and its manifest are valid, its commands and exit codes are ours."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex

import pytest
import yaml

import baton
from baton.cli import supervisor, supervisor_link
from baton.cli.commands import doctor, worker
from baton.cli.main import parser
from baton.runtime import loop_watchdog
from tests.cli.command import ROOT

TEXT = (ROOT / "docs" / "operations.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def understood(words):
    """The arguments of a command line that begins with `baton`; ends the test if it makes no sense."""
    assert words[0].rpartition("/")[2] == "baton"
    return parser().parse_args(words[1:])


@pytest.fixture
def unit():
    (source,) = blocks("ini")
    found = configparser.ConfigParser(interpolation=None)
    found.optionxform = str
    found.read_string(source)
    return found


@pytest.fixture
def pod():
    (source,) = blocks("yaml")
    return yaml.safe_load(source)["spec"]["template"]["spec"]


def test_the_commands_are_understood():
    lines = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]

    commands = [understood(shlex.split(line)) for line in lines if line.startswith("baton ")]

    assert len(commands) >= 6


def test_the_unit_starts_a_worker_and_waits_for_its_drain(unit):
    service = unit["Service"]
    arguments = understood(shlex.split(service["ExecStart"]))

    assert arguments.module == "app"
    assert int(service["TimeoutStopSec"]) > arguments.grace + supervisor_link.CLEANUP_SECONDS
    assert service["KillMode"] == "mixed"


def test_the_manifest_starts_a_worker_and_waits_for_its_drain(pod):
    (container,) = pod["containers"]
    arguments = understood([*container["command"], *container["args"]])

    assert pod["terminationGracePeriodSeconds"] > arguments.grace + supervisor_link.CLEANUP_SECONDS
    assert [port["containerPort"] for port in container["ports"]] == [arguments.health.port]
    for probe, path in [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")]:
        assert container[probe]["httpGet"] == {"path": path, "port": container["ports"][0]["name"]}


def test_the_manifest_migrates_first(pod):
    (init,) = pod["initContainers"]

    assert init["command"][1] == "migrate"
    assert understood(init["command"]).schema == "baton"


def test_each_exit_code_is_documented():
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)}

    ours = {worker.DRAINED, worker.UNSETTLED, loop_watchdog.EXIT_STATUS, supervisor_link.ORPHANED, doctor.PROBLEM}
    assert ours <= documented
    assert supervisor.NOT_STARTED in documented


def test_each_option_of_a_worker_is_documented():
    helped = re.findall(r"--[a-z-]+", parser_of("worker").format_help())

    documented = set(re.findall(r"--[a-z-]+", TEXT))
    assert set(helped) - {"--help", "--address", "--schema"} <= documented


def parser_of(name):
    (commands,) = [action for action in parser()._actions if action.dest == "command" or action.choices]
    return commands.choices[name]


@pytest.mark.parametrize("source", blocks("json"), ids=lambda source: source[:20])
def test_what_is_shown_as_json_is_json(source):
    assert json.loads(source)


@pytest.mark.parametrize("source", blocks("python"), ids=lambda source: source.split("\n")[0])
def test_python_is_python_and_uses_names_that_are_exported(source):
    imported = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module == "baton"
    ]

    assert {alias.name for node in imported for alias in node.names} <= set(baton.__all__)
