"""What the page's sections do in a real browser: sorting, choosing, saving, the grid, the timeline, the map, focus."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from chromium import Chromium

from eap.reporting.page import build_report

sys.path.append(str(Path(__file__).parents[1] / "unit" / "reporting"))

from report_experiments import OTHER, make_compared
from report_results import report_config

pytestmark = pytest.mark.system

ROUND = "document.querySelector('.round[data-seed=\"0\"]')"
TIMES = f"[...{ROUND}.querySelectorAll('video')].map(v => v.currentTime)"
PAPER = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = make_compared(tmp_path_factory.mktemp("results"))
    path = results / "report" / "index.html"
    build_report(report_config(), results, path)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


def choose_theme(browser: Chromium, value: str) -> str:
    """Press a choice of colours; the paper's colour after it."""
    browser.evaluate(f"document.querySelector('input[name=theme][value=\"{value}\"]').click()")
    return browser.evaluate(PAPER)


def test_colours_can_be_chosen_and_are_remembered(page: Path, browser: Chromium) -> None:
    browser.open(page, 390, "light")
    light = browser.evaluate(PAPER)
    dark = choose_theme(browser, "dark")
    assert dark != light
    browser.open(page, 390, "light")
    assert browser.evaluate(PAPER) == dark
    assert choose_theme(browser, "light") == light
    browser.open(page, 390, "dark")
    assert browser.evaluate(PAPER) == light
    assert choose_theme(browser, "") == dark


def test_tables_sort_both_ways_with_what_is_undefined_last(page: Path, browser: Chromium) -> None:
    browser.open(page, 1280)
    table = "document.querySelector('#scores table')"
    order = f"[...{table}.tBodies[0].rows].map(r => r.dataset.variant)"
    heading = f"[...{table}.tHead.rows[0].cells].find(h => h.textContent.includes('Opening correlation'))"
    assert browser.evaluate(f"{heading}.getAttribute('aria-sort')") == "none"
    browser.evaluate(f"{heading}.querySelector('button').focus()")
    browser.key("Enter")
    assert browser.evaluate(order) == ["neutral", "generated", "real", "still"]
    assert browser.evaluate(f"{heading}.getAttribute('aria-sort')") == "ascending"
    browser.key("Enter")
    assert browser.evaluate(order) == ["real", "generated", "neutral", "still"]
    assert browser.evaluate(f"{heading}.getAttribute('aria-sort')") == "descending"


def test_a_table_that_goes_on_to_the_right_fades_there(page: Path, browser: Chromium) -> None:
    browser.open(page, 390)
    box = "document.querySelector('#scores .scroll')"
    browser.wait(f"{box}.classList.contains('more')")
    assert "gradient" in browser.evaluate(f"getComputedStyle({box}).maskImage")
    browser.evaluate(f"{box}.scrollLeft = 9999")
    browser.wait(f"!{box}.classList.contains('more')")


def test_choices_show_one_panel(page: Path, browser: Chromium) -> None:
    browser.open(page, 390)
    shown = "[...document.querySelectorAll('#parts .panel')].filter(p => p.offsetHeight).map(p => ({...p.dataset}))"
    assert browser.evaluate(shown) == [{"part": "emotion", "metric": "lmd"}]
    browser.evaluate("document.querySelector('#parts input[value=level]').click()")
    pick = "s.value = 'lse_d_expert'; s.dispatchEvent(new Event('change', {bubbles: true}))"
    browser.evaluate(f"(s => {{ {pick} }})(document.querySelector('#parts select'))")
    assert browser.evaluate(shown) == [{"part": "level", "metric": "lse_d_expert"}]
    browser.evaluate(f"document.querySelector('#training input[value={OTHER}]').click()")
    assert browser.evaluate("[...document.querySelectorAll('#training h3')].filter(h => h.offsetHeight).length") == 1
    assert browser.evaluate("document.documentElement.scrollWidth") == 390


def test_tables_and_files_are_saved_as_csv(page: Path, browser: Chromium, tmp_path: Path) -> None:
    browser.open(page, 1280)
    browser.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.evaluate("document.querySelector('#scores button.csv').click()")
    browser.evaluate("document.querySelector('a.csv[download^=summary]').click()")
    deadline = time.monotonic() + 20
    while len(list(tmp_path.glob("*.csv"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    lips = pd.read_csv(tmp_path / "Lips.csv")
    assert lips["Video"].str.startswith("Generated").sum() == 1
    assert float(lips["LMD px"][0].split()[0]) == pytest.approx(1.904)
    summary = pd.read_csv(tmp_path / "summary.csv")
    row = summary[(summary.experiment == "base") & (summary.variant == "still") & (summary.metric == "lmd")]
    assert row["mean"].iloc[0] == pytest.approx(3.041)


def test_the_grid_plays_in_step_and_a_tile_is_shown_large(page: Path, browser: Chromium) -> None:
    browser.open(page, 1280)
    times = "[...document.querySelectorAll('.gridded video')].map(v => v.currentTime)"
    assert browser.evaluate(times) == []
    browser.evaluate("document.querySelector('.gridded .player button').click()")
    apart = f"(t => Math.min(...t) > 0.2 ? Math.max(...t) - Math.min(...t) : 9)({times})"
    browser.wait(f"{apart} < 0.09")
    assert len(browser.evaluate(times)) == 12
    sound = "[...document.querySelectorAll('.gridded video')].filter(v => !v.muted).map(v => !!v.closest('.real'))"
    assert browser.evaluate(sound) == [True]
    browser.evaluate("document.querySelector('.grid .tile[data-video]').focus()")
    browser.key("Enter")
    browser.wait("document.querySelector('dialog[open] video')?.currentTime > 0.1")
    assert "Generated from the neutral source" in browser.evaluate("document.querySelector('dialog p').textContent")
    browser.key("Escape")
    browser.wait("!document.querySelector('dialog[open]')")


def test_the_timeline_leads_the_videos_and_follows_them(page: Path, browser: Chromium) -> None:
    browser.open(page, 1280)
    browser.wait(f"[...{ROUND}.querySelectorAll('video')].every(v => v.readyState >= 2)")
    plot = "document.querySelector('.timeline .plot')"
    assert browser.evaluate(f"{plot}.querySelector('.wave path').getBBox().width") > 1
    assert browser.evaluate(f"{plot}.querySelector('.playhead').hidden") is True
    x, y, width, height = browser.evaluate(
        f"(p => {{ p.scrollIntoView({{block: 'center', behavior: 'instant'}}); const r = p.getBoundingClientRect();"
        f" return [r.x, r.y, r.width, r.height]; }})({plot})"
    )
    at = {"x": x + width / 2, "y": y + height / 2, "button": "left", "clickCount": 1}
    for kind in ("mousePressed", "mouseReleased"):
        browser.send("Input.dispatchMouseEvent", type=kind, **at)
    middle = browser.evaluate(f"(b => b.x + b.width / 2)({plot}.querySelector('svg.lines').viewBox.baseVal)")
    browser.wait(f"{TIMES}.every(t => Math.abs(t - {middle}) < 0.03)")
    place = f"parseFloat({plot}.querySelector('.playhead').style.left)"
    assert browser.evaluate(place) == pytest.approx(50, abs=2)
    browser.evaluate(f"{ROUND}.querySelector('button').click()")
    browser.wait(f"{place} > 60")


def test_a_class_of_the_map_can_be_picked_out(page: Path, browser: Chromium) -> None:
    browser.open(page, 390)
    clear = "[...new Set([...document.querySelectorAll('.maps circle:not(.faint)')].map(c => c.dataset.emotion))]"
    press = "document.querySelector('.classes [data-emotion=happy] button').click()"
    assert len(browser.evaluate(clear)) == 3
    browser.evaluate(press)
    assert browser.evaluate(clear) == ["happy"]
    browser.evaluate(press)
    assert len(browser.evaluate(clear)) == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_is_reached_by_keyboard_and_shows_its_focus(page: Path, browser: Chromium, scheme: str) -> None:
    browser.open(page, 1280, scheme)
    focus = (
        "(e => { const s = getComputedStyle(e.matches('.choice input, .theme input') ? e.nextElementSibling : e);"
        " return [e.tagName, e.closest('main > section')?.id ?? '', s.outlineStyle, parseFloat(s.outlineWidth)]; })"
        "(document.activeElement)"
    )
    seen = []
    while len(seen) < 600:
        browser.key("Tab")
        found = browser.evaluate(focus)
        if found[0] == "BODY":
            break
        seen.append(found)
    assert {section for _, section, *_ in seen} >= {
        "summary", "clips", "grid", "scores", "comparison", "parts", "embeddings", "bias", "saturation", "training",
        "data", "protocol", "downloads",
    }  # fmt: skip
    assert [found for found in seen if found[2] == "none" or found[3] < 1] == []
