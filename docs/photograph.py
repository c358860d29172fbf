"""The page of the first sweep as a browser shows it: `python docs/photograph.py compare/index.html docs/compare.png`.

docs/sweeps.md and docs/compare.md have the two commands that make the page. It tells training times, so nothing else
should run meanwhile. Needs Chromium and its driver, and selenium.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from selenium import webdriver

options = webdriver.ChromeOptions()
options.binary_location = shutil.which("chromium") or "chromium"
for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,860"):
    options.add_argument(argument)
browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
browser.set_page_load_timeout(600)
try:
    browser.get(Path(sys.argv[1]).resolve().as_uri())
    browser.find_element("css selector", 'nav button[data-view="pictures"]').click()
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
finally:
    browser.quit()
picture.thumbnail((1024, 1024))
picture.quantize(256, Image.Quantize.MAXCOVERAGE).save(sys.argv[2], optimize=True)
