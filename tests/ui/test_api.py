"""The API as a program calls it: over HTTP with Gradio's own client, and as tools of an MCP client."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from backend.benchmarks.demo import DemoBenchmark
from storage import runs
from storage.database import connect, migrate
from storage.tables import Run
from tests.backend.report import lab as made
from ui import api, api_taking
from ui.context import Lab
from ui.lab import mcp_wanted

TAKING = {"get_scores", "submit_attack", "get_attacks", "get_transcripts", "get_findings", "get_report"}


class Served:
    """A lab behind an address."""

    def __init__(self, lab: Lab, mcp: bool) -> None:
        with gr.Blocks(analytics_enabled=False) as self.pages:
            api.publish(lab)
        options: dict[str, Any] = {"quiet": True, "ssr_mode": False, "footer_links": [], "mcp_server": mcp}
        self.pages.launch(server_name="127.0.0.1", prevent_thread_lock=True, **options)
        self.url = str(self.pages.local_url)


@pytest.fixture(scope="module")
def filled(world: DemoBenchmark, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Run, Run]]:
    home = tmp_path_factory.mktemp("served")
    patch = pytest.MonkeyPatch()
    patch.setenv("LETHE_HOME", str(home))
    engine = connect(f"sqlite:///{home / 'lethe.db'}")
    migrate(engine)
    npo = made.unlearned(engine, home, made.vanilla(engine, home), name="NPO")
    attack = made.attacked(engine, home, npo)
    yield Lab(engine, home, {"demo": world}), npo, attack
    engine.dispose()
    patch.undo()


@pytest.fixture(scope="module")
def client(filled: tuple[Lab, Run, Run], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    served = Served(filled[0], mcp=False)
    downloads = str(tmp_path_factory.mktemp("downloads"))
    found = Client(served.url, verbose=False, download_files=downloads, analytics_enabled=False)
    yield found
    found.close()
    served.pages.close()


def test_every_function_is_typed_and_documented(client: Client) -> None:
    named: dict[str, Any] = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {f"/{name}" for name in TAKING} < set(named)
    for place, told in named.items():
        assert told["description"], place
        assert all(parameter["type"] for parameter in told["parameters"]), place
    assert len(named) == 13


def test_every_argument_is_explained_where_a_program_reads_it(filled: tuple[Lab, Run, Run]) -> None:
    for function in (*api.functions(filled[0]), *api_taking.functions(filled[0])):
        explained = re.findall(r"^ +(\w+): \S", str(inspect.getdoc(function)).partition("Args:")[2], re.MULTILINE)
        assert explained == list(inspect.signature(function).parameters), function.__name__


def test_scores_attacks_transcripts_and_findings_are_the_rows(client: Client, filled: tuple[Lab, Run, Run]) -> None:
    _, npo, attack = filled
    scores = client.predict(run_ids=[npo.id[:8]], api_name="/get_scores")
    assert [(row["set"], row["value"]) for row in scores if row["metric"] == "accuracy"] == [
        ("forget", 0.2),
        ("retain", 0.35),
    ]
    table = client.predict(run_id=attack.id, api_name="/get_attacks")
    assert [row["name"] for row in table] == ["roleplay", "plain", "few_shot"] and table[0]["gap"] == 0.5
    leaked = client.predict(run_id=attack.id, role="unlearned", leaked=True, api_name="/get_transcripts")
    assert [(row["attack"], row["item"], row["leaked"]) for row in leaked] == [("roleplay", "i0", True)]
    everything = client.predict(run_id=attack.id, role="original", limit=1, offset=1, api_name="/get_transcripts")
    assert len(everything) == 1
    found = client.predict(run_ids=[npo.id], api_name="/get_findings")
    assert {"claim", "verdict", "words", "witnesses"} < found[0].keys() and found == client.predict(
        api_name="/get_findings"
    )


def test_a_report_comes_as_a_page(client: Client, filled: tuple[Lab, Run, Run]) -> None:
    html = client.predict(run_ids=[filled[1].id], api_name="/get_report")
    assert html.startswith("<!doctype html>") and filled[1].id in html


def test_an_attack_is_submitted(client: Client, filled: tuple[Lab, Run, Run]) -> None:
    lab, npo, _ = filled
    queued = client.predict(
        run_id=npo.id, attacks=["roleplay"], items=3, control="none", name="mine", api_name="/submit_attack"
    )
    run = runs.get(lab.engine, queued["id"])
    assert (run.kind, run.state, run.name) == ("attack", "queued", "mine")
    assert (run.spec["attacks"], run.spec["items"], run.spec["control"]) == (["roleplay"], 3, "none")
    assert run.parent_checkpoint_id == npo.output_checkpoint_id
    runs.request_stop(lab.engine, run.id, "cancel")


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("/get_scores", {"run_ids": ["nobody"]}, "No run has"),
        ("/get_scores", {"run_ids": []}, "name a run whose scores to take"),
        ("/get_report", {"run_ids": []}, "name one to 20 runs"),
        ("/get_attacks", {"run_id": "NPO"}, "attacks nothing"),
        ("/submit_attack", {"run_id": "NPO", "attacks": ["thunder"]}, "no attack called 'thunder'"),
        ("/submit_attack", {"run_id": "NPO", "items": 0}, "items must be at least 1"),
    ],
)
def test_the_api_says_no_in_one_sentence(client: Client, name: str, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(api_name=name, **given)


def test_mcp_is_off_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LETHE_MCP", raising=False)
    assert mcp_wanted() is False
    monkeypatch.setenv("LETHE_MCP", "1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="needs the package mcp"):
        mcp_wanted()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert mcp_wanted() is True


def test_an_mcp_client_finds_the_tools_and_uses_them(filled: tuple[Lab, Run, Run], tmp_path: Path) -> None:
    served = Served(replace(filled[0]), mcp=True)

    async def use() -> tuple[dict[str, Any], Any, Any]:
        async with (
            streamable_http_client(f"{served.url}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            table = await session.call_tool("get_attacks", {"run_id": filled[2].id})
            no = await session.call_tool("get_attacks", {"run_id": "NPO"})
            return tools, table, no

    try:
        tools, table, no = asyncio.run(use())
    finally:
        served.pages.close()
    assert set(tools) >= TAKING | {"list_runs", "submit_run", "probe"}
    assert all(tool.description for tool in tools.values())
    said = {name: told["description"] for name, told in tools["get_attacks"].inputSchema["properties"].items()}
    assert said == {"run_id": "the attack run, by id, first digits or exact name."}
    assert '"roleplay"' in table.content[0].text or "'roleplay'" in table.content[0].text
    assert no.isError and "attacks nothing" in no.content[0].text
