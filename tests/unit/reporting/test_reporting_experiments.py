"""The page of two experiments: verdicts, flags, parts, choices, and the other experiment's videos and losses."""

from __future__ import annotations

import re

import pytest
from report_experiments import FLAG, OTHER, make_compared
from report_results import TEST_CLIPS, report_config
from test_reporting_page import Page, section

from eap.reporting.page import build_report


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    results = make_compared(tmp_path_factory.mktemp("results"))
    build_report(report_config(), results, results / "report" / "index.html")
    return (results / "report" / "index.html").read_text(encoding="utf-8")


def test_verdicts_of_the_experiments(html: str) -> None:
    part = section(html, "comparison")
    row = re.search(rf'<tr><th scope="row">{OTHER} against base.*?</tr>', part, re.S)[0]
    assert re.findall(r'data-verdict="([^"]+)"', row)[:2] == ["better", "worse"]
    assert "<small>−0.500</small>" in row
    assert "<code>loss.metric: 0</code>" in part
    assert "data, student, sync, ant, controls of base" in part
    assert "each experiment is judged by its own regressor" in part


def test_the_headline_table_has_the_other_experiment(html: str) -> None:
    part = section(html, "summary")
    row = re.search(rf"Generated, {OTHER}.*?</tr>", part, re.S)[0]
    assert ">1.404<" in row
    assert f"Opening correlation {FLAG}" in part
    assert "1 of 14 metrics prove nothing here. Lips: Opening correlation cannot tell" in part


def test_every_part_has_a_panel_for_every_score(html: str) -> None:
    part = section(html, "parts")
    panels = re.findall(r'class="panel" data-part="(\w+)" data-metric="([^"]+)"', part)
    assert len(set(panels)) == len(panels)
    assert {kind for kind, _ in panels} == {"emotion", "level", "speaker"}
    options = re.findall(r'<option value="([^"]+)">', part)
    assert {metric for _, metric in panels} == set(options)
    assert len(set(options)) == len(options)


def test_videos_and_losses_of_the_other_experiment(html: str) -> None:
    page = Page(html)
    captions = [video["aria-label"] for video in page.all("video")]
    assert sum(caption.startswith(f"{OTHER}, g = 1") for caption in captions) == 2 * len(TEST_CLIPS)
    assert re.findall(r'data-experiment="(\w+)"', section(html, "training")) == ["base", OTHER]
    assert section(html, "training").count("Landmark student") == 1


def test_every_table_of_numbers_can_be_saved(html: str) -> None:
    tables = re.findall(r"<table([^>]*)>", html)
    unsaved = [attributes for attributes in tables if "data-csv" not in attributes]
    assert sorted(unsaved) == [' class="downloads"', ' class="sheet"']
    assert html.count("data:application/gzip;base64,") == 14
