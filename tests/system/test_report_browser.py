"""The page in a real browser: no error, no request, readable when narrow, videos in step, usable from the keyboard."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Chromium

from eap.reporting.page import build_report

sys.path.append(str(Path(__file__).parents[1] / "unit" / "reporting"))

from report_experiments import make_compared
from report_results import TEST_CLIPS, report_config

pytestmark = pytest.mark.system

ROUND = "document.querySelector('.round[data-seed=\"0\"]')"
TIMES = f"[...{ROUND}.querySelectorAll('video')].map(v => v.currentTime)"


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_loads_without_error_or_request_and_fits(page: Path, browser: Chromium, width: int, scheme: str) -> None:
    browser.events.clear()
    browser.open(page, width, scheme)
    browser.wait("[...document.querySelectorAll('video')].every(v => v.readyState >= 2)")
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    noise = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
    assert [event for event in browser.events if event["method"] in noise] == []
    urls = {
        event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    }
    assert [url for url in urls if not url.startswith("data:")] == [page.resolve().as_uri()]


def test_dark_and_light_differ_and_are_readable(page: Path, browser: Chromium) -> None:
    def luminances() -> tuple[float, float]:
        values = browser.evaluate(
            "['color', 'backgroundColor'].map(k => getComputedStyle(document.body)[k].match(/\\d+/g).slice(0, 3))"
        )
        linear = [[((int(c) / 255 + 0.055) / 1.055) ** 2.4 for c in rgb] for rgb in values]
        return tuple(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)

    for scheme in ("light", "dark"):
        browser.open(page, 1280, scheme)
        ink, paper = luminances()
        assert (paper > ink) == (scheme == "light")
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 7


@pytest.mark.parametrize("width", [1280, 390])
def test_the_histograms_and_the_contact_sheet_are_seen(page: Path, browser: Chromium, width: int) -> None:
    browser.open(page, width)
    tallest = "[...document.querySelectorAll('.bins')].map(b => [...b.querySelectorAll('i')].map(i => i.offsetHeight))"
    assert all(max(heights) > 80 for heights in browser.evaluate(tallest))
    seen = "[...document.querySelectorAll('.sheet img')].map(i => i.naturalWidth * (i.offsetWidth > 60))"
    assert browser.evaluate(seen) == [96, 96, 96]


def test_the_name_of_a_clip_runs_nothing(page: Path, browser: Chromium) -> None:
    browser.open(page, 1280)
    assert browser.evaluate("document.title") == "EAP: audio-driven emotional talking faces"
    assert browser.evaluate("document.scripts.length") == 1
    assert "<script>" in browser.evaluate("document.querySelector('.card h3').textContent")


def test_one_button_plays_all_in_step(page: Path, browser: Chromium) -> None:
    browser.open(page, 1280)
    browser.wait(f"[...{ROUND}.querySelectorAll('video')].every(v => v.readyState >= 2)")
    assert browser.evaluate(f"[...{ROUND}.querySelectorAll('video')].map(v => v.muted)") == [False, True, True, True]
    browser.evaluate(f"{ROUND}.querySelector('button').click()")
    # A busy machine may be late with a frame, so this waits for the moment at which all are in step.
    browser.wait(f"(t => Math.min(...t) > 0.2 && Math.max(...t) - Math.min(...t) < 0.09)({TIMES})")
    assert len(browser.evaluate(TIMES)) == 4  # real, neutral, emotional, and the other experiment's
    assert browser.evaluate(f"{ROUND}.querySelector('button').textContent") == "Pause"
    browser.wait(f"{ROUND}.querySelector('button').textContent === 'Play together'")
    browser.evaluate(f"{ROUND}.querySelector('button').click()")
    browser.wait(f"{TIMES}.every(t => t > 0 && t < 1)")


def test_slider_moves_all_videos(page: Path, browser: Chromium) -> None:
    browser.open(page, 1280)
    browser.wait(f"[...{ROUND}.querySelectorAll('video')].every(v => v.readyState >= 2)")
    move = "s.value = 0.8; s.dispatchEvent(new Event('input', {bubbles: true}))"
    browser.evaluate(f"(s => {{ {move} }})({ROUND}.querySelector('input'))")
    browser.wait(f"{TIMES}.every(t => Math.abs(t - 0.8) < 0.001)")
    assert browser.evaluate(TIMES) == pytest.approx([0.8] * 4, abs=0.001)


def test_seed_choice_changes_videos_and_curves(page: Path, browser: Chromium) -> None:
    browser.open(page, 1280)
    shown = "[...document.querySelectorAll('.round')].filter(r => r.offsetHeight > 0).map(r => r.dataset.seed)"
    strong = (
        "[...new Set([...document.querySelectorAll('.card polyline[data-seed]:not(.thin)')].map(l => l.dataset.seed))]"
    )
    assert browser.evaluate(shown) == ["0"] * len(TEST_CLIPS)
    browser.evaluate("document.querySelector('input[name=seed][value=\"1\"]').click()")
    assert browser.evaluate(shown) == ["1"] * len(TEST_CLIPS)
    assert browser.evaluate(strong) == ["1"]


def test_chart_reads_zooms_and_resets_from_the_keyboard(page: Path, browser: Chromium) -> None:
    browser.open(page, 1280)
    plot = "document.querySelector('#training .plot')"
    box = f"{plot}.querySelector('svg.lines').getAttribute('viewBox').split(' ').map(Number)"
    full = browser.evaluate(box)
    browser.evaluate(f"{plot}.focus()")
    browser.key("ArrowRight")
    assert "step · train, seed 0: " in browser.evaluate(f"{plot}.parentElement.querySelector('output').value")
    browser.key("+")
    assert browser.evaluate(box)[2] == pytest.approx(full[2] / 2)
    browser.key("Escape")
    assert browser.evaluate(box) == pytest.approx(full)


def test_chart_zooms_by_dragging(page: Path, browser: Chromium) -> None:
    browser.open(page, 1280)
    plot = "document.querySelector('#training .plot')"
    area = browser.evaluate(
        f"(p => {{ p.scrollIntoView({{block: 'center', behavior: 'instant'}}); const r = p.getBoundingClientRect();"
        f" return [r.x, r.y, r.width, r.height]; }})({plot})"
    )
    box = f"{plot}.querySelector('svg.lines').getAttribute('viewBox').split(' ').map(Number)"
    x0, _, width, _ = browser.evaluate(box)
    y = area[1] + area[3] / 2
    for kind, part in (("mousePressed", 0.25), ("mouseMoved", 0.5), ("mouseReleased", 0.75)):
        browser.send(
            "Input.dispatchMouseEvent", type=kind, x=area[0] + part * area[2], y=y, button="left", clickCount=1
        )
    left, _, zoomed, _ = browser.evaluate(box)
    assert left == pytest.approx(x0 + width / 4, rel=0.02)
    assert zoomed == pytest.approx(width / 2, rel=0.02)


def test_play_button_is_reached_and_pressed_by_keyboard(page: Path, browser: Chromium) -> None:
    browser.open(page, 1280)
    browser.wait(f"[...{ROUND}.querySelectorAll('video')].every(v => v.readyState >= 2)")
    browser.evaluate("document.querySelector('input[name=seed]').focus()")
    browser.key("Tab")
    assert browser.evaluate("document.activeElement.textContent") == "Play together"
    browser.key("Enter")
    browser.wait(f"{TIMES}.every(t => t > 0.1)")
