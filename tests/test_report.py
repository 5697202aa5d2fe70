from __future__ import annotations

import base64
import io
import itertools
import math
import re
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from dross.report import render_report
from dross.report.charts import Axis, histogram, training_curve
from dross.report.page import _times
from dross.report.pictures import HeatScale, overlay
from dross.report.wording import shorten
from dross.sources.base import Unreadable
from dross.sources.video import VideoSource
from report_factory import finding, image_findings, make_findings, scores_of, table_findings, text_findings

VOID = {"meta", "link", "img", "br"}
# SVG shapes are written <line .../>, which the parser reports as one start-and-end tag.
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}&amp;"


class Page(HTMLParser):
    """A strict reading of a page: every element closed in order, attributes and texts kept."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> does not close what is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


PAGES = {"table": table_findings, "image": image_findings, "text": text_findings}


# The answer


def test_the_headline_says_how_many_and_how_sure() -> None:
    findings = table_findings(500)
    assert (
        "20 of 500 rows do not belong: 4.0 % (90 % interval 2.9 % to 5.8 %)"
        in Page(render_report(findings)).text
    )


def test_the_headline_says_when_the_share_was_given() -> None:
    findings = table_findings(contamination_interval=(0.04, 0.04), summary={"share": {"source": "given"}})
    text = Page(render_report(findings)).text
    assert "4.0 % (share given)" in text
    assert "interval" not in text


@pytest.mark.parametrize(
    ("flagged", "expected"), [(1, "1 of 500 images does not"), (0, "0 of 500 images do not")]
)
def test_the_headline_counts_one_and_none(flagged: int, expected: str) -> None:
    labels = np.zeros(500, np.int8)
    labels[:flagged] = 1
    assert expected in Page(render_report(image_findings(labels=labels))).text


def test_scores_without_a_gap_bring_a_warning() -> None:
    assert "This number is uncertain" in Page(render_report(table_findings(separated=False))).text
    assert "uncertain" not in Page(render_report(table_findings())).text.lower()


def test_nothing_flagged_without_a_gap_is_not_called_clean() -> None:
    findings = table_findings(
        separated=False, labels=np.zeros(500, np.int8), contamination_interval=(0.0, 0.5)
    )
    text = Page(render_report(findings)).text
    assert (
        "None of 500 rows is flagged: the share of anomalies may be 0.0 % to 50.0 % (90 % interval)" in text
    )
    assert "do not belong" not in text


def test_the_warning_says_why_where_the_estimate_does() -> None:
    summary = {"share": {"message": "Most rows share their score."}}
    text = Page(render_report(table_findings(separated=False, summary=summary))).text
    assert "Most rows share their score. This number is uncertain" in text


# Hostile and odd values


def test_hostile_values_stay_text() -> None:
    summary = {key: {HOSTILE: HOSTILE} for key in ("read", "versions", "checksums", "detector_parameters")}
    columns = [{key: HOSTILE for key in ("name", "role", "missing", "why")}]
    findings = make_findings(
        scores_of(100),
        [
            finding(HOSTILE, reason=HOSTILE, cells={HOSTILE: HOSTILE}),
            finding(HOSTILE, reason=HOSTILE, text=HOSTILE),
        ],
        name=HOSTILE,
        notes=[HOSTILE],
        detector=HOSTILE,
        kind=HOSTILE,
        unreadable=[Unreadable(HOSTILE, HOSTILE)],
        separated=False,
        history=[{"epoch": 1, HOSTILE: 2.0}, {"epoch": 2, HOSTILE: 1.0}],
        summary=summary
        | {"features": {"columns": columns}, "command": HOSTILE, "share": {"message": HOSTILE}}
        | {"seed": HOSTILE, "device": HOSTILE},
    )
    page = Page(render_report(findings))
    assert not page.all("script")
    assert not page.all("img")
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert page.text.count(HOSTILE) > 15


def test_hostile_ids_of_images_stay_in_their_attributes() -> None:
    image = np.zeros((1, 8, 8), np.uint8)
    top = [finding(HOSTILE, image=image, heatmap=np.ones((8, 8), np.float32))]
    page = Page(render_report(make_findings(scores_of(100), top)))
    assert not page.all("script")
    assert all(set(attributes) <= {"src", "alt", "width", "height"} for attributes in page.all("img"))


def test_characters_that_html_cannot_hold_are_written_out() -> None:
    top = [finding("a\udcff\x00\u202eb", cells={"c": "d\x1be"}, reason="\ufeff")]
    html = render_report(make_findings(scores_of(100), top))
    assert "a\\udcff\\u0000\\u202eb" in html
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800-\udfff]", html)
    html.encode("utf-8")


@pytest.mark.parametrize("value", [None, math.nan, "", np.float32("nan")])
def test_a_missing_cell_is_called_missing(value: object) -> None:
    html = render_report(make_findings(scores_of(100), [finding(cells={"age": value})]))
    assert "<em>missing</em>" in html


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.1 + 0.2, "0.3"), (True, "True"), ("missing", "missing"), ([1, 2], "1, 2"), ({}, "missing")],
)
def test_cells_are_shown_as_they_are(value: object, shown: str) -> None:
    page = Page(render_report(make_findings(scores_of(100), [finding(cells={"age": value})])))
    assert f"age{shown}" in "".join(page.texts)


def test_the_columns_of_the_reason_come_first_and_are_marked() -> None:
    cells = {"area": 1, "worst area": 4254, "a": 2, "0": 3, "age": 4}
    top = [finding(cells=cells, reason="age = 4 (usually 50); worst area = 4254 (usually 880.0)")]
    html = render_report(make_findings(scores_of(100), top))
    marked = re.findall(r'class="named">.*?</span>([^<]*)</dt>', html)
    assert [name.strip() for name in marked] == ["age", "worst area"]
    assert "in the reason: " in html


# The page itself


@pytest.mark.parametrize("kind", PAGES)
def test_the_page_is_well_formed_and_accessible(kind: str) -> None:
    page = Page(render_report(PAGES[kind](unreadable=[Unreadable("a", "b")], metrics=METRICS)))
    assert page.tags[0] == ("html", {"lang": "en"})
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes]
    assert set(named) <= set(ids)
    assert {attributes["href"] for attributes in page.all("a")} <= {f"#{id}" for id in ids}
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(attributes.get("alt") for attributes in page.all("img"))
    assert all(attributes.get("scope") for attributes in page.all("th"))
    assert all("aria-label" in a or "aria-hidden" in a or "viewbox" in a for a in page.all("svg"))


@pytest.mark.parametrize("kind", PAGES)
def test_the_page_asks_for_nothing_outside(kind: str) -> None:
    html = render_report(PAGES[kind]())
    page = Page(html)
    assert not re.search(r"https?:|//[a-z]|@import|@font-face", re.sub(r"base64,[\w+/=]+", "", html))
    assert set(re.findall(r"url\(([^)]*)\)", html)) <= {"#stripes"}
    assert not page.all("script")
    assert all(str(attributes["src"]).startswith("data:image/") for attributes in page.all("img"))
    assert [attributes["href"] for attributes in page.all("link")] == ["data:,"]
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")


def test_sections_without_content_are_absent() -> None:
    text = Page(render_report(make_findings(scores_of(100), []))).text
    for absent in ("Training", "known answers", "could not be read has", "Checksums", "Versions", "Columns"):
        assert absent not in text
    assert "No findings were kept" in text
    assert "dross score model.dross NEW_DATA" in text
    assert "dross.find(data, detector='isolation_forest'" in text


def test_everything_known_is_told() -> None:
    findings = table_findings(
        metrics=METRICS,
        notes=["Read as CSV."],
        unreadable=[Unreadable(f"line {i}", "31 fields") for i in range(70)],
    )
    text = Page(render_report(findings)).text
    for told in (
        "delimiter;",
        "Read as CSV.",
        "column 19",
        "AUROC0.912",
        "known anomaly1238",
        "70 items were passed over",
        "line 49",
        "dross find cells.csv --seed 7",
        "ab" * 32,
        "0.50 s",
    ):
        assert told in text
    assert "line 50" not in text
    assert "Python" not in text


METRICS = {
    "auroc": 0.9123,
    "aupr": None,
    "confusion": {"tp": 12, "fn": 38, "fp": 8, "tn": 442},
    "n_anomalies": 50,
}


def test_labels_of_one_class_have_no_areas() -> None:
    metrics = METRICS | {"auroc": None}
    assert "the labels hold one" in Page(render_report(table_findings(metrics=metrics))).text


@pytest.mark.parametrize("ground", ["--ground", "--raised"])
@pytest.mark.parametrize("dark", [False, True])
def test_text_has_contrast_in_light_and_dark(ground: str, dark: bool) -> None:
    css = resources.files("dross").joinpath("report/report.css").read_text("utf-8")
    light, night = css.split("@media screen and (prefers-color-scheme: dark)")[:2]
    colours = dict(re.findall(r"(--[\w-]+): (#\w{6})", night if dark else light))
    pairs = [("--text", ground), ("--quiet", ground), ("--accent", ground)]
    pairs += [("--accent", "--accent-ground"), ("--caution", "--caution-ground")]
    for text, behind in pairs:
        assert contrast(colours[text], colours[behind]) >= 4.5, (text, behind)
    for shape in ("--bar", "--accent"):
        assert contrast(colours[shape], colours["--ground"]) >= 3.0, shape


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2 between two colours."""

    def luminance(colour: str) -> float:
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


# Size


def test_ten_thousand_rows_of_images_stay_under_5_mb() -> None:
    html = render_report(image_findings(10_000, shown=150, side=256, channels=3))
    assert len(html.encode()) < 5_000_000
    assert html.count('class="pair') == 100


def test_a_table_of_hostile_breadth_stays_under_5_mb() -> None:
    cells = {f"{HOSTILE * 3} {i}": HOSTILE * 1_000 for i in range(3_000)}
    top = [finding(HOSTILE * 500 + str(row), reason=HOSTILE * 500, cells=cells) for row in range(120)]
    columns = [{"name": name, "role": name, "why": name} for name in cells]
    findings = make_findings(
        scores_of(10_000),
        top,
        notes=[HOSTILE * 1_000] * 1_000,
        unreadable=[Unreadable(HOSTILE * 1_000, HOSTILE * 1_000)] * 1_000,
        summary={"features": {"columns": columns}, "read": cells, "command": HOSTILE * 10_000},
    )
    html = render_report(findings)
    assert len(html.encode()) < 5_000_000
    assert html.count('scope="row" class="id"') == 100
    assert "2960 further columns are not shown" in html


def test_videos_whose_shortened_names_are_equal_have_curves_of_their_own() -> None:
    names = [f"{'camera' * 10}-{number}-{'morning' * 10}.mp4" for number in (1, 2)]
    clips = VideoSource(
        name="v",
        ids=np.arange(50),
        kind="video",
        rows=np.zeros((50, 4, 16, 16), np.uint8),
        videos=np.array([names[i // 25] for i in range(50)], dtype=object),
        spans=np.array([[i % 25, i % 25 + 1] for i in range(50)], np.float64),
        numbers=np.arange(50) % 25,
    )
    drawn = _times(make_findings(scores_of(50), [], kind="video", source=clips))["videos"]
    assert [len(one.points.split()) for one in drawn] == [25, 25]
    assert {one.name for one in drawn} == {shorten(names[0], 80, tail=40)}


def test_long_texts_are_cut() -> None:
    html = render_report(text_findings())
    assert "x" * 600 in html
    assert "x" * 701 not in html


# Heat maps


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB"), float)


def test_heat_maps_share_one_scale() -> None:
    image = np.full((1, 8, 8), 128, np.uint8)
    scale = HeatScale.of([np.full((8, 8), 0.1, np.float32), np.ones((8, 8), np.float32)])
    assert scale == HeatScale(0.0, 1.0)
    weak, strong = (decoded(overlay(image, np.full((8, 8), v, np.float32), scale)) for v in (0.1, 1.0))
    assert np.abs(weak - 94).mean() < 0.5 * np.abs(strong - 94).mean()
    assert np.ptp(strong, axis=(0, 1)).max() == 0.0


def test_the_page_draws_all_heat_maps_on_the_same_scale() -> None:
    image = np.full((1, 8, 8), 128, np.uint8)
    spot = np.zeros((8, 8), np.float32)
    spot[2, 3] = 0.5

    def shown(other: float) -> str:
        top = [
            finding("a", image=image, heatmap=spot),
            finding("b", image=image, heatmap=np.full((8, 8), other, np.float32)),
        ]
        page = Page(render_report(make_findings(scores_of(100), top)))
        assert f"{other:g}" in page.text
        return next(
            str(a["src"]) for a in page.all("img") if a["alt"] == "Heat map: where a adds to its score"
        )

    assert shown(5.0) != shown(0.5)
    peak = np.abs(decoded(shown(0.5)) - 94).sum(-1)
    assert np.unravel_index(peak.argmax(), peak.shape) == (2, 3)


def test_heat_that_adds_nothing_is_not_drawn() -> None:
    image = np.full((1, 8, 8), 80, np.uint8)
    scale = HeatScale(0.0, 1.0)
    for value in (0.0, -3.0, math.nan, -math.inf):
        assert (decoded(overlay(image, np.full((8, 8), value, np.float32), scale)) == 70).all()
    top = [finding("a", image=image, heatmap=np.full((8, 8), -1.0, np.float32))]
    html = render_report(make_findings(scores_of(100), top))
    assert "Heat map" not in html
    assert "Colour scale" not in html


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 300, 20), (4, 9, 9), (2, 8, 8), (5, 1, 300)])
def test_images_of_any_shape_are_shown(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    heat = np.ones(shape[1:], np.float32)
    page = Page(render_report(make_findings(scores_of(100), [finding("a", image=image, heatmap=heat)])))
    pair = [attributes for attributes in page.all("img") if "height" not in attributes]
    sizes = {decoded(str(attributes["src"])).shape for attributes in pair}
    assert len(sizes) == 1
    assert max(sizes.pop()) <= 128


# Charts


def rows_of(bars: list) -> int:
    return sum(int(re.sub(r"[\s\u202f]", "", bar.label.split(" row")[0])) for bar in bars)


SCORES = {
    "apart": scores_of(1_000),
    "constant": np.full(50, 3.0),
    "zeros": np.zeros(50),
    "heavy": np.random.default_rng(0).lognormal(0, 3, 1_000),
    "negative": -np.random.default_rng(0).lognormal(0, 3, 1_000),
    "huge": np.array([-1e308, 0.0, 1e308, 1e300]),
    "tiny": np.array([0.0, 5e-324, 1e-310, 2e-310]),
    "near": 1e9 + np.arange(20) * 1e-3,
    "one": np.array([0.5]),
    "infinite": np.array([0.1, 0.2, 0.3, np.inf, np.nan]),
}


@pytest.mark.parametrize("name", SCORES)
def test_the_histogram_holds_every_finite_score(name: str) -> None:
    scores = SCORES[name]
    threshold = float(np.quantile(scores[np.isfinite(scores)], 0.9))
    chart = histogram(scores, scores > threshold, threshold)
    assert chart is not None
    finite = np.isfinite(scores)
    assert chart.left_out == (~finite).sum()
    assert rows_of(chart.bars) == finite.sum()
    assert rows_of([bar for bar in chart.bars if bar.flagged]) == (scores[finite] > threshold).sum()
    for bar in chart.bars:
        assert 0.0 <= bar.x <= bar.x + bar.width <= 100.001
        assert bar.width > 0.0
        assert 0.0 < bar.height <= 100.0
        if chart.threshold is not None:
            side = bar.x - chart.threshold if bar.flagged else chart.threshold - bar.x - bar.width
            assert side >= -0.01


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, st.integers(1, 60), elements=st.floats(allow_subnormal=True)),
    st.floats(allow_nan=False),
)
def test_the_histogram_takes_any_numbers(scores: np.ndarray, threshold: float) -> None:
    chart = histogram(scores, scores > threshold, threshold)
    finite = np.isfinite(scores)
    assert (chart is None) == (not finite.any())
    if chart is not None:
        assert rows_of(chart.bars) == finite.sum()
        assert all(0.0 <= tick.at <= 100.0 for tick in chart.x_ticks + chart.y_ticks)
        assert len(chart.x_ticks) <= 10


def test_scores_far_apart_get_a_logarithmic_axis() -> None:
    heavy = np.append(np.random.default_rng(0).uniform(1, 2, 500), 1e6)
    chart = histogram(heavy, heavy > 10, 10.0)
    assert chart is not None
    assert chart.log_scores
    assert chart.log_counts
    assert len(chart.bars) > 3
    assert {"10", "1000", "100000"} & {tick.label for tick in chart.x_ticks}
    even = np.random.default_rng(0).uniform(1, 2, 500)
    plain = histogram(even, even > 1.9, 1.9)
    assert plain is not None
    assert not plain.log_scores
    assert not plain.log_counts


@pytest.mark.parametrize("axis", [Axis(0.0, 7.3), Axis(-2.0, 5.0), Axis(1e6, 1e6 + 1), Axis(0.0, 9.0, 0.01)])
def test_marks_stand_where_their_label_says(axis: Axis) -> None:
    ticks = axis.ticks()
    assert 3 <= len(ticks) <= 9
    for tick in ticks:
        assert axis.position(float(tick.label)) == pytest.approx(tick.at, abs=0.01)
        assert axis.value(tick.at) == pytest.approx(float(tick.label), rel=1e-3, abs=1e-4)


def test_the_curve_keeps_losses_and_leaves_out_what_is_not_finite() -> None:
    history = [{"epoch": e, "loss": 5.0 / e, "latent_loss": math.nan, "lr": 0.1} for e in range(1, 2_001)]
    history[3]["loss"] = math.inf
    curve = training_curve(history)
    assert curve is not None
    assert [line.name for line in curve.lines] == ["loss"]
    points = np.array([point.split(",") for point in curve.lines[0].points.split()], float)
    assert 250 <= len(points) <= 300
    assert ((points >= 0) & (points <= 100)).all()
    assert (np.diff(points[:, 1]) > 0).all()
    assert (curve.lines[0].first, curve.lines[0].last) == ("5", "0.0025")
    assert curve.log_losses


def test_what_tells_of_a_collapse_is_drawn_beside_the_losses() -> None:
    history = [
        {"epoch": e, "loss": 5.0 / e, "encoder_loss": 1.0, "code_norm": 20.0 + e, "real_spread": 0.5}
        for e in range(1, 4)
    ]
    curve = training_curve(history, ("code_norm", "real_spread", "generated_spread"))
    assert curve is not None
    assert [line.name for line in curve.lines] == ["code_norm", "real_spread"]
    page = render_report(table_findings(history=history))
    assert page.count('class="axis-title end">epoch') == 2
    assert "length of codes, spread of images" in page
    end = "Training ended after 3 of 9 epochs: enough was learnt."
    assert end in render_report(table_findings(history=history, summary={"training_end": end}))
    without = [{"epoch": entry["epoch"], "loss": entry["loss"]} for entry in history]
    assert "spread of images" not in render_report(table_findings(history=without))


@pytest.mark.parametrize(
    "history", [[], [{"epoch": 1, "loss": 1.0}], [{"epoch": 1}, {"epoch": 2, "loss": math.nan}]]
)
def test_no_curve_without_two_epochs_and_a_loss(history: list) -> None:
    assert training_curve(history) is None
    assert "Training" not in Page(render_report(table_findings(history=history))).text


# In a browser

CHROMIUM = [
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
]
# A window of headless Chromium is at least 500 pixels wide, a frame can be as narrow as a phone.
PROBE = """<iframe srcdoc="{page}" style="border: 0; width: {width}px; height: 800px"></iframe><script>
onload = () => {{
  const inner = frames[0], names = inner.performance.getEntriesByType("resource").map(entry => entry.name);
  const loaded = names.filter(name => !name.startsWith("data:"));
  document.title = [inner.innerWidth, inner.document.documentElement.scrollWidth, loaded.length].join(" ");
}};
</script>"""


def probe(chromium, html: str, width: int) -> tuple[int, int, int]:
    """Return the width of a page's window, the width of its content, and how many files it loaded."""
    unlocked = re.sub(r"<meta http-equiv=[^>]*>", "", html)
    dom, _ = chromium(PROBE.format(page=escape(unlocked), width=width), "--dump-dom")
    inner, scroll, loaded = re.findall(r"<title>(\d+) (\d+) (\d+)</title>", dom)[0]
    return int(inner), int(scroll), int(loaded)


browser = pytest.mark.browser


@pytest.fixture
def chromium(tmp_path: Path):
    """Return a call that opens a page and gives back (stdout, stderr)."""
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not on the PATH")

    def call(html: str, *options: str) -> tuple[str, str]:
        page = tmp_path / "page.html"
        page.write_text(html, encoding="utf-8")
        command = [*CHROMIUM, f"--user-data-dir={tmp_path / 'profile'}", *options, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout, done.stderr

    return call


def console(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if "CONSOLE" in line]


@browser
@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("width", [320, 360])
def test_no_page_is_wider_than_a_phone(chromium, kind: str, width: int) -> None:
    long = [Unreadable("folder/" * 30, "x" * 200)]
    html = render_report(PAGES[kind](unreadable=long, metrics=METRICS, name="n" * 60))
    inner, scroll, loaded = probe(chromium, html, width)
    assert inner == width
    assert scroll <= width
    assert loaded == 0


@browser
def test_the_probe_sees_a_page_that_is_too_wide_and_a_load(chromium) -> None:
    html = render_report(table_findings())
    foreign = '<div style="width: 2000px">x</div><img src="http://127.0.0.1:59999/none.png"></body>'
    _, scroll, loaded = probe(chromium, html.replace("</body>", foreign), 360)
    assert scroll >= 2000
    assert loaded == 1
    refused = html.replace("</body>", '<img src="file:///none.png"></body>')
    assert console(chromium(refused, "--dump-dom")[1])


@browser
@pytest.mark.parametrize("kind", PAGES)
def test_the_page_renders_without_complaint(chromium, tmp_path: Path, kind: str) -> None:
    html = render_report(PAGES[kind](metrics=METRICS))
    picture = tmp_path / "page.png"
    _, stderr = chromium(html, f"--screenshot={picture}", "--window-size=1200,1600")
    assert not console(stderr)
    colours = Image.open(picture).convert("RGB").getcolors(1_000_000)
    assert colours is not None
    assert len(colours) > 20


@browser
def test_the_page_follows_the_dark_setting(chromium, tmp_path: Path) -> None:
    brightness = []
    for scheme in (0, 1):
        picture = tmp_path / f"{scheme}.png"
        chromium(
            render_report(table_findings()),
            f"--screenshot={picture}",
            "--window-size=800,800",
            f"--blink-settings=preferredColorScheme={scheme}",
        )
        brightness.append(np.median(np.asarray(Image.open(picture).convert("L"))))
    assert brightness[0] < 60
    assert brightness[1] > 240
