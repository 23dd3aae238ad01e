"""In a real browser: the site as a phone shows it, and JupyterLab as a student meets it."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from lhas_utils.core import paths
from lhas_utils.reader import site

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="Chromium and chromedriver are needed (Debian: apt install chromium-driver)"
    ),
    pytest.mark.filterwarnings("ignore"),
]
SHOTS = paths.BUILD / "screenshots"


@pytest.fixture
def browser(tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    flags = (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-background-networking",
    )
    for flag in (*flags, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,1000"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    SHOTS.mkdir(parents=True, exist_ok=True)
    yield driver
    driver.quit()


@pytest.mark.parametrize("width", [390, 1400])
def test_the_site_has_no_console_error_and_no_sideways_scroll_and_its_script_answers(browser, tmp_path, width):
    built = sorted((paths.BUILD / "smoke").glob("[0-9][0-9]_*.ipynb")) or sorted(paths.NOTEBOOKS.glob("*.ipynb"))
    source = tmp_path / "executed"
    source.mkdir()
    for path in built:
        shutil.copy(path, source)
    folder = site.build("smoke", source, tmp_path / "html")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 2, "mobile": width < 500},
    )
    complaints = []
    for page in sorted(folder.glob("*.html")):
        browser.get(page.as_uri())
        complaints += [(page.name, entry["message"]) for entry in browser.get_log("browser")]
        wide = browser.execute_script("return document.documentElement.scrollWidth")  # innerWidth would grow with it
        complaints += [(page.name, f"{wide} px wide in {width}")] if wide > width else []
        blank = browser.execute_script(
            "return [...document.images].filter(i => !i.alt || (i.complete && !i.naturalWidth)).length"
        )
        complaints += [(page.name, f"{blank} images without alt text or not shown")] if blank else []
        browser.save_screenshot(str(SHOTS / f"{width}-{page.stem}.png"))
    assert not complaints

    def text(page: str, selector: str) -> str:
        browser.get((folder / page.partition("?")[0]).as_uri() + page[page.find("?") :] * ("?" in page))
        return browser.find_element(By.CSS_SELECTOR, selector).text

    assert "loss minus random is " in text("rows.html?experiment=table1&a=loss&b=random", ".result")
    assert text("search.html?q=forgetting", "#said").endswith(" found")
    assert " claims" in text("claims.html", ".said")
    browser.find_element(By.CSS_SELECTOR, ".controls input").send_keys("C17")
    assert browser.find_element(By.CSS_SELECTOR, ".said").text.startswith(("1 of", "2 of"))


# ---- JupyterLab ----------------------------------------------------------------------------------

NOTEBOOK = "const n = window.jupyterapp.shell.currentWidget.content; n.activeCellIndex = arguments[0]; "
STATE = """
const app = window.jupyterapp, panel = app.shell.currentWidget;
if (!panel || !panel.content || !panel.content.model || !panel.sessionContext) return null;
const cells = panel.content.model.cells, out = [];
for (let i = 0; i < cells.length; i++) out.push(cells.get(i).toJSON());
return {cells: out, status: panel.sessionContext.session?.kernel?.status ?? "none", ready: panel.context.isReady};
"""


def state(browser):
    return browser.execute_script(STATE)


def command(browser, name: str):
    browser.execute_script(f"window.jupyterapp.commands.execute('{name}')")


def errors(s) -> str:
    failed = [o for c in s["cells"] for o in c.get("outputs", []) if o["output_type"] == "error"]
    return "; ".join(f"{o['ename']}: {o['evalue']}" for o in failed)


def finished(browser):
    """What there is once every cell has run, or one has failed: those below it never run."""
    s = state(browser)
    code = [c for c in s["cells"] if c["cell_type"] == "code"] if s else []
    ended = code and s["status"] == "idle" and (errors(s) or all(c["execution_count"] for c in code))
    return s if ended else False


@contextlib.contextmanager
def lab(root, tmp_path):
    """Start JupyterLab on loopback as `make lab` does, with a token; yield the notebook's address."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    token = secrets.token_hex(16)
    env = os.environ | {
        "PYTHONPATH": str(root),
        "HOME": str(tmp_path),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    env |= {f"JUPYTER_{k}_DIR": str(tmp_path / k.lower()) for k in ("CONFIG", "DATA", "RUNTIME")}
    env.pop("MPLBACKEND", None)
    settings = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.root_dir": tmp_path / "work",
        "IdentityProvider.token": token,
    }
    args = [f"--{k}={v}" for k, v in settings.items()]
    extra = [
        "--allow-root",
        "--no-browser",
        "--expose-app-in-browser",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    log = (tmp_path / "lab.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *args, *extra], env=env, stdout=log, stderr=log, start_new_session=True
    )
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=5).close()
                break
            assert server.poll() is None, (tmp_path / "lab.log").read_text()[-2000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/lab/tree/08_your_selector.ipynb?token={token}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        log.close()


def bars(cell) -> list[str]:
    """The selectors that the table of a race names, in its output text."""
    text = "".join("".join(o.get("text", "")) for o in cell["outputs"])
    return [line.split()[0] for line in text.splitlines() if len(line.split()) == 6 and "." in line]


@pytest.mark.slow
def test_a_student_edits_the_selector_and_sees_the_new_bar(browser, root, tmp_path):
    (tmp_path / "work").mkdir()
    nb = nbformat.read(root / "notebooks/08_your_selector.ipynb", as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
            cell.source = cell.source.replace('PROFILE = "fast"', 'PROFILE = "smoke"')
    nbformat.write(nb, tmp_path / "work/08_your_selector.ipynb")
    with lab(root, tmp_path) as address:
        wait = WebDriverWait(browser, 300, poll_frequency=1, ignored_exceptions=[StaleElementReferenceException])
        browser.get(address)
        # gives it the focus; cells are drawn anew while the page settles
        wait.until(
            lambda b: [cell.click() or cell for cell in b.find_elements(By.CSS_SELECTOR, ".jp-Notebook-cell")[:1]]
        )
        wait.until(lambda b: (state(b) or {}).get("status") == "idle")
        command(browser, "notebook:run-all-cells")
        done = wait.until(finished)
        assert not errors(done)
        at = next(i for i, c in enumerate(done["cells"]) if "lu.compare(my_selector" in c["source"])
        assert bars(done["cells"][at]) == ["random", "gradient", "lhas", "my_selector"]
        sliders = browser.execute_script(
            "return document.querySelectorAll('.widget-slider, .jupyter-widgets.widget-hslider').length"
        )
        before = json.dumps(done["cells"][at]["outputs"])

        edited = next(i for i, c in enumerate(done["cells"]) if c["source"].startswith("def my_selector"))
        browser.execute_script(NOTEBOOK + "n.mode = 'edit'; n.scrollToItem(arguments[0])", edited)
        time.sleep(2)
        field = browser.find_elements(By.CSS_SELECTOR, ".jp-Notebook .jp-mod-active .cm-content")[0]
        field.click()
        ActionChains(browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()
        field.send_keys(
            "def my_quality(ctx, budget, *, rng): return lu.top_k(ctx.quality, budget)",
            Keys.ENTER,
            "my_selector = my_quality",
        )
        wait.until(lambda b: "my_quality" in state(b)["cells"][edited]["source"])
        command(browser, "notebook:run-all-cells")
        again = wait.until(lambda b: (s := finished(b)) and json.dumps(s["cells"][at]["outputs"]) != before and s)
        assert not errors(again)
        assert bars(again["cells"][at])[-1] == "my_quality"
        assert any("image/png" in o.get("data", {}) for o in again["cells"][at]["outputs"])
        browser.execute_script(NOTEBOOK + "n.scrollToItem(arguments[0])", at)
        time.sleep(3)
        browser.save_screenshot(str(SHOTS / "lab-08-race.png"))
        slider_cell = next(i for i, c in enumerate(again["cells"]) if "lu.live.sliders(" in c["source"])
        browser.execute_script(NOTEBOOK + "n.scrollToItem(arguments[0])", slider_cell)
        time.sleep(3)
        browser.save_screenshot(str(SHOTS / "lab-08-sliders.png"))
        found = browser.execute_script("return document.querySelectorAll('.widget-slider, .noUi-target').length")
        assert max(found, sliders) >= 3, "the sliders for lambda, eta and rho are not there"
