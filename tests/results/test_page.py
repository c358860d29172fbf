"""The page in a browser: it draws, sorts, filters and toggles without an error, on a wide and on a narrow screen."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seglight.colours import voc_colours
from seglight.deploy.colours import overlay
from seglight.results.comparison import compare
from seglight.results.drawing import TITLE, side_by_side
from seglight.results.page import as_json

pytestmark = pytest.mark.slow

Scored = Callable[..., Path]
TABS = ["Table", "Cost", "Axes", "Classes", "Learning", "Images"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    started.set_script_timeout(60)
    yield started
    started.quit()


def draw_predictions(run: Path, seed: int) -> None:
    """Pictures as training leaves them: image, ground truth and prediction side by side."""
    palette, truth = voc_colours(9), np.zeros((48, 64), np.uint8)
    truth[10:30, 10:40] = 3
    truth[:4] = 255
    (run / "predictions").mkdir()
    for number in range(2):
        prediction = np.roll(np.where(truth == 255, 0, truth), seed * (number + 1), axis=1)
        image = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        panels = [image, overlay(image, truth, palette), overlay(image, prediction, palette)]
        side_by_side(panels, ("image", "ground truth", "prediction"), TITLE).save(
            run / "predictions" / f"val_{number:04d}.png"
        )


@pytest.fixture
def page(scored_run: Scored, tmp_path: Path) -> str:
    """Of eight runs, one of which is called as markup."""
    number = 0
    for seed in range(2):
        for skips, skill in (("none", 0.6), ("add8", 0.7)):
            for encoder, params in (("resnet18", 11_000_000), ("<script>alert(1)</script>", 25_000_000)):
                name = "<b>" if number == 7 else str(number)
                run = scored_run(f"sweep/{name}", skill, seed, skips=skips, encoder=encoder, summary={"params": params})
                draw_predictions(run, number)
                (run / "metrics.csv").write_text("epoch,step,val/miou\n0,9,0.3\n1,19,0.5\n")
                number += 1
    compare(tmp_path / "sweep", tmp_path / "out", resamples=500)
    return (tmp_path / "out" / "index.html").as_uri()


def opened(browser: Any, page: str, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page)


def texts(browser: Any, selector: str) -> list[str]:
    return browser.execute_script(  # type: ignore[no-any-return]
        "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", selector
    )


def click(browser: Any, selector: str, text: str | None = None) -> None:
    browser.execute_script(
        "const all = [...document.querySelectorAll(arguments[0])];"
        "all.find((one) => [null, one.textContent].includes(arguments[1])).click()",
        selector, text,
    )  # fmt: skip


def until(browser: Any, condition: str) -> None:
    """Waits for an expression in the page to be true."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 30).until(lambda driver: driver.execute_script(f"return {condition}"))


def no_error(browser: Any) -> bool:
    return [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []


@pytest.mark.parametrize("width", [1280, 390])
def test_every_view_is_drawn_within_the_screen_and_without_an_error(browser: Any, page: str, width: int) -> None:
    opened(browser, page, width)
    assert texts(browser, "nav button") == TABS
    assert 3 <= len(texts(browser, "#verdict li")) <= 6
    for tab in TABS:
        click(browser, "nav button", tab)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    plots = ("cost-plot", "effects-plot", "effect-kinds", "heat-plot", "kinds-plot", "curve-plot")
    for plot in plots:
        until(browser, f"document.querySelector('#{plot} .main-svg') !== null")
    until(browser, "document.querySelectorAll('#tiles figure').length === 10")  # image, ground truth and eight runs
    assert len(texts(browser, "#parallel path")) == 4
    assert no_error(browser)


def test_names_are_text_wherever_they_stand(browser: Any, page: str) -> None:
    opened(browser, page, 1280)
    for tab in TABS:
        click(browser, "nav button", tab)
    until(browser, "document.querySelectorAll('#tiles figure').length === 10")
    assert any("<script>alert(1)</script>" in name for name in texts(browser, "#cells tbody td:first-child"))
    assert any("sweep/<b>" in text or "(<b>)" in text for text in texts(browser, "#tiles figcaption"))
    until(browser, "document.querySelectorAll('#heat-plot .ytick text').length === 4")
    assert any("<script>" in label for label in texts(browser, "#heat-plot .ytick text"))
    assert no_error(browser)  # an alert would have stopped every step above
    assert as_json({"name": "</script><!--"}) == '{"name":"\\u003c/script\\u003e\\u003c!--"}'


def test_the_table_sorts_filters_and_shows_runs(browser: Any, page: str) -> None:
    opened(browser, page, 1280)

    def scores() -> list[float]:
        return [float(text) for text in texts(browser, "#cells tbody td:nth-child(5)")]

    assert len(scores()) == 4
    assert scores() == sorted(scores(), reverse=True)
    click(browser, "#cells th button", "mIoU")
    assert scores() == sorted(scores())
    assert texts(browser, "#cells th[aria-sort=ascending]") == ["mIoU"]
    assert len(texts(browser, "#cells tbody svg")) == 4  # the intervals
    box = browser.find_element("id", "filter")
    box.send_keys("add8 params<2e7")
    assert texts(browser, "#cells tbody td:first-child") == ["resnet18 skips=add8"]
    assert texts(browser, "#count") == ["1 of 4 cells"]
    click(browser, "#rows button", "runs")
    assert texts(browser, "#count") == ["2 of 8 runs"]
    assert no_error(browser)


def test_images_toggle_and_a_cell_of_the_confusion_matrix_shows_its_images(browser: Any, page: str) -> None:
    opened(browser, page, 1280)
    click(browser, "nav button", "Images")
    until(browser, "document.querySelectorAll('#tiles figure').length === 10")

    def shown() -> list[str]:
        drawn = "return [...document.querySelectorAll('#tiles canvas')].map((one) => one.toDataURL())"
        return browser.execute_script(drawn)  # type: ignore[no-any-return]

    predictions = shown()
    image, truth, first = predictions[:3]
    assert first == truth or image != truth
    browser.execute_script("window.before = document.querySelector('#tiles figure')")
    click(browser, "#image-mode button", "errors")
    until(browser, "window.before !== document.querySelector('#tiles figure')")
    errors = shown()
    assert errors[:2] == predictions[:2]
    assert errors[-1] != predictions[-1]
    options = texts(browser, "#image-key option")
    differ = [float(text.split("(")[1].split(" ")[0]) for text in options]
    assert differ == sorted(differ, reverse=True)
    assert differ[0] > 0
    select = (
        "const s = document.getElementById('confusion-key'); s.selectedIndex = 3; s.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(select)
    click(browser, "#confusion button[data-truth='3'][data-seen='0']")
    until(browser, "document.querySelectorAll('#confusion-tiles figure').length === 2")
    pixels = [int(text.split(": ")[1].split(" ")[0]) for text in texts(browser, "#confusion-tiles figcaption")]
    assert pixels == [3 * 2 * 20, 3 * 20]  # a square 20 high, moved by 6 and by 3
    assert no_error(browser)
