"""The page as a whole: self-contained, escaped, true to its tables, clear about what is missing."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_results import ASIDE, FLAT, ODD_CLIP, SCORES, SHORT, TEST_CLIPS, make_results, report_config

from eap.reporting.metrics import describe
from eap.reporting.page import build_report
from eap.reporting.score_tables import score_text
from eap.schemas import read_table, write_table
from eap.stage import StageError

VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """Tags with their attributes, the text, and the tags that were left open or closed wrongly."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.faults = "", []
        self._open: list[str] = []
        self.feed(html)
        self.faults += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def html(results: Path) -> str:
    return build(results)


def build(results: Path, **changes: object) -> str:
    page = results / "report" / "index.html"
    build_report(report_config(**changes), results, page)
    return page.read_text(encoding="utf-8")


def section(html: str, name: str) -> str:
    """The part of the page with that id; sections of the page are not nested in it."""
    return re.search(rf'<section id="{name}".*?\n</section>', html, re.S)[0]


def test_loads_nothing_from_outside(html: str) -> None:
    page = Page(html)
    links = [value for _, attributes in page.tags for name in ("src", "href", "poster", "srcset", "data")
             if (value := attributes.get(name))]  # fmt: skip
    assert links
    assert [link[:40] for link in links if not link.startswith(("data:", "#"))] == []
    active = "".join(re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", html, re.S))
    assert len(active) > 10_000
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|https?://", active)
    policy = next(tag["content"] for tag in page.all("meta") if tag.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_markup_is_well_formed_with_unique_ids_that_labels_point_to(html: str) -> None:
    page = Page(html)
    assert page.faults == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(name, ids[0]) in ids
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids


def test_every_score_equals_the_summary(results: Path, html: str) -> None:
    summary = read_table(results / "comparison" / "summary.parquet", "summary")
    assert len(summary) == sum(len(values) for values in SCORES.values())
    shown = re.findall(r'<data value="([^"]+)">([^<]+)</data>', section(html, "scores"))
    expected = []
    for row in summary.itertuples():
        decimals = describe(row.metric).decimals
        expected += [(v, score_text(v, decimals)) for v in (row.mean, row.std, row.low, row.high) if v == v]
    assert sorted((float(value), text) for value, text in shown) == sorted(expected)


def test_summary_averages_the_seeds(results: Path, html: str) -> None:
    summary = read_table(results / "comparison" / "summary.parquet", "summary").set_index(["variant", "metric"])
    row = summary.loc[("generated", "lmd")]
    assert row["mean"] == pytest.approx(1.904)
    assert row["std"] == pytest.approx(0.02 / 2**0.5)
    assert row["n_seeds"] == 2


def test_scores_stand_in_their_row_and_column(html: str) -> None:
    body = section(html, "scores").split("<table", 2)[1]
    headings = re.findall(r'<th scope="col"[^>]*>([^<]+)', body)
    still = re.search(r'<tr data-variant="still">(.*?)</tr>', body, re.S)[1]
    cells = re.findall(r'<td class="score.*?</td>', still, re.S)
    assert [text.strip() for text in headings] == [
        "Video", "LMD", "LMD, centred", "LMD / eye distance", "Opening correlation", "Coverage",
    ]  # fmt: skip
    assert ">3.041<" in cells[0]
    assert ">0.0501<" in cells[2]
    assert "undefined" in cells[3]


def test_undefined_is_shown_with_its_reason(html: str) -> None:
    cell = r'<td class="score undefined"><em>undefined</em><small>([^<]+)</small></td>'
    assert re.findall(cell, section(html, "scores")) == [FLAT, FLAT]
    assert f"without 2 of 4 scores: {SHORT}" in html
    assert re.search(rf"<td>neutral</td><td>LSE-D</td><td>{SHORT}</td><td[^>]*>1</td>", html)


def test_odd_clip_ids_are_escaped(html: str) -> None:
    assert "<b>1001</b>" not in html
    assert html.count("<script>") == 1
    assert "{{ 7*7 }}" in html
    assert ODD_CLIP in Page(html).text
    assert any(ODD_CLIP in (video["aria-label"] or "") for video in Page(html).all("video"))


def test_states_what_was_run(html: str) -> None:
    text = Page(html).text
    for part in ("0, 1", "6 used, 2 set aside", "by clip: no claim about unseen people", "student, weights trained",
                 "pseudo labels, source landmarks", "not comparable to published SyncNet numbers",
                 "Faces here are generated where marked", "3 used clips carry no emotion label",
                 "all clips: no neutral clip", *(reason for *_, reason in ASIDE)):  # fmt: skip
        assert part in text


def test_embeds_each_video_marked_and_described(html: str) -> None:
    page = Page(html)
    videos = page.all("video")
    assert len(videos) == 2 * 3 * len(TEST_CLIPS)
    assert all(video["src"].startswith("data:video/mp4;base64,") for video in videos)
    assert sum(video["aria-label"].endswith(", generated") for video in videos) == 2 * 2 * len(TEST_CLIPS)
    assert html.count('<span class="mark">generated</span></figcaption>') == 2 * 2 * len(TEST_CLIPS)
    assert all(image["alt"] for image in page.all("img"))
    contact_sheet, grid = 3, 1 + 3 + 11  # s1 neutral; 1001 happy and sad. The real one, sources, and all cells but one
    assert len(page.all("img")) == 2 * len(TEST_CLIPS) + contact_sheet + grid


def test_shows_no_more_clips_than_asked(results: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    build_report(report_config(max_videos=1), results, page)
    assert section(page.read_text(encoding="utf-8"), "clips").count("<article") == 1


def test_same_input_gives_the_same_page_and_a_small_one(results: Path, html: str) -> None:
    assert build(results) == html
    shown = [*results.glob("evaluation/*/*/videos/*/*"), *results.glob("evaluation/base/seed=0/grid/*")]
    media = sum(path.stat().st_size for path in shown)
    # Base64 takes 4/3; what is not media stays under 0.7 MB here.
    assert len(html.encode()) < 4 / 3 * media + 700_000


def test_disk_use_of_each_stage_stands_there(results: Path, html: str) -> None:
    folders = (
        "ant",
        "comparison",
        "controls",
        "data",
        "data/audio",
        "data/frames",
        "era",
        "evaluation",
        "judge",
        "student",
        "sync",
    )
    table = html.split("<summary>Disk use")[1].split("</table>")[0]
    shown = dict(re.findall(r'<td class="id">([^<]+)</td><td>([\d.]+)</td>', table))
    assert sorted(shown) == sorted(folders)
    frames = sum(path.stat().st_size for path in (results / "data" / "frames").iterdir())
    assert shown["data/frames"] == f"{frames / 1e6:.2f}"


def test_result_names_its_files_and_counts(results: Path, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    result = build_report(report_config(), results, page)
    assert result.artifacts == (page,)
    assert result.metrics["clips_used"] == 6
    assert result.metrics["clips_set_aside"] == 2
    assert result.metrics["page_megabytes"] == pytest.approx(page.stat().st_size / 1e6)


def test_one_seed_has_no_deviation_and_no_choice_of_seeds(tmp_path: Path) -> None:
    html = build(make_results(tmp_path, seeds=(3,)), seeds=(3,))
    assert 'class="std"' not in html
    assert 'name="seed"' not in html.partition("<script>")[0]
    assert "One seed: nothing is known about the spread between runs." in html


def test_split_by_speaker_is_checked_against_the_table(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    with pytest.raises(StageError, match=r"1001, s1 stand.* more than one split"):
        build(results, by="speaker")
    rows = read_table(results / "data" / "splits.parquet", "splits")
    rows["split"] = rows["speaker_id"].map({"s1": "train", "1001": "test"})
    write_table(results / "data" / "splits.parquet", "splits", rows)
    assert "speaker-disjoint" in build(results, by="speaker")


@pytest.mark.parametrize(
    "missing",
    ["evaluation/base/seed=1/scores.parquet", "ant/base/seed=1/history.parquet", "sync/base/history.parquet",
     "evaluation/base/seed=1/videos/0/real.mp4", "data/labels.parquet", "data/frames/shard=0001.parquet",
     "data/shapes.parquet", "controls/base/curves.parquet", "comparison/summary.parquet",
     "evaluation/base/seed=0/grid/happy-g1.jpg", "evaluation/base/seed=0/bias.parquet", "data/audio/shard=0001.parquet",
     "comparison/breakdown.parquet"],
)  # fmt: skip
def test_missing_file_is_named(results: Path, tmp_path: Path, missing: str) -> None:
    results = Path(shutil.copytree(results, tmp_path / "results"))
    (results / missing).unlink()
    (results / "report" / "index.html").unlink(missing_ok=True)
    with pytest.raises(StageError, match=re.escape(missing)):
        build(results)
    assert not (results / "report" / "index.html").exists()


def test_missing_seed_folder_names_file_and_remedy(tmp_path: Path) -> None:
    results = make_results(tmp_path, seeds=(0,))
    with pytest.raises(StageError, match=r"ant/base/seed=7/history\.parquet: missing.*take 7 out of `seeds`"):
        build(results, seeds=(0, 7))


def test_rows_of_another_seed_are_refused(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    folder = results / "evaluation" / "base"
    (folder / "seed=1" / "scores.parquet").write_bytes((folder / "seed=0" / "scores.parquet").read_bytes())
    with pytest.raises(StageError, match=r"seed=1/scores\.parquet: holds rows of another seed than 1"):
        build(results)
