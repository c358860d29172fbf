"""The page in a browser: an image is dropped, two runs show their classes; a broken file is named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seglight
from seglight.demo import page, samples, serve
from seglight.sources.network import Network

WAIT = 60  # seconds, at most


@pytest.fixture
def network(run_dir: Path) -> Network:
    return Network(seglight.load_run(run_dir), "cpu")


def test_samples_are_the_data_sets_images_and_their_absence_is_no_error(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    paths = samples(network, 3, tmp_path)
    assert len(set(paths)) == 3
    assert all(np.asarray(Image.open(path)).shape == (64, 64, 3) for path in paths)
    assert samples(network, 0, tmp_path) == []
    monkeypatch.setitem(network.run.cfg.data, "_target_", "seglight.data.voc.VOC")
    assert samples(network, 3, tmp_path) == []
    assert "no samples of the data set: " in caplog.text


@pytest.fixture
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium with its chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(flag)
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.mark.slow
@pytest.mark.parametrize("runs", [1, 2])
def test_runs_on_a_dropped_image(runs: int, network: Network, browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    dropped = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)).save(dropped)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    wait = WebDriverWait(browser, WAIT, ignored_exceptions=[StaleElementReferenceException])
    built = serve(page([network] * runs, samples(network, 2, tmp_path)), "127.0.0.1", 17860)

    def shares() -> list[str]:
        cells = browser.execute_script(
            "return [...document.querySelectorAll('.legend td')].map(cell => cell.innerText)"
        )
        return [cell for cell in cells if "%" in cell]

    def overlays() -> list[str]:
        shown = "[...document.querySelectorAll('.overlay img')].filter(image => image.naturalWidth == 80)"
        return browser.execute_script(f"return {shown}.map(image => image.src)")  # type: ignore[no-any-return]

    try:
        browser.get(f"http://127.0.0.1:{built.server_port}")
        upload = wait.until(lambda _: browser.find_element(By.CSS_SELECTOR, "input[type=file]"))
        upload.send_keys(str(dropped))
        before = wait.until(lambda _: len(overlays()) == runs and overlays())
        expected = len(network.run.predict(dropped).shares)
        wait.until(lambda _: len(shares()) == runs * expected)
        opacity = browser.find_element(By.CSS_SELECTOR, "input[type=number]")
        opacity.send_keys(Keys.CONTROL, "a")
        opacity.send_keys("100", Keys.ENTER)
        opacity.send_keys(Keys.TAB)
        wait.until(lambda _: len(overlays()) == runs and overlays() != before)
        browser.find_element(By.CSS_SELECTOR, "button[aria-label='Remove Image'], button[aria-label='Clear']").click()
        wait.until(lambda _: not shares())
        wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, "input[type=file]"))
        browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(tmp_path / "broken.png"))
        said = wait.until(lambda _: [toast.text for toast in browser.find_elements(By.CSS_SELECTOR, ".toast-body")])
        assert "broken.png: cannot be decoded as an image" in said[0]
        assert str(tmp_path) not in said[0]
    finally:
        built.close()
