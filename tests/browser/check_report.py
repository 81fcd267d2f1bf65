"""check_report.py FOLDER REPORT_MD

Opens million.html, workflow.html, sweep.html and lost.html of the folder in headless Chromium and uses
them: what REPORT_MD names is drawn, reacts, and can be reached; nothing is asked of a network, and
nothing is said on the console. Pictures are left in the folder. Each figure is printed beside what it is
to be; since the machine may be busy, it fails from SLACK times that."""
import base64, json, os, re, statistics, subprocess, sys
from pathlib import Path
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

SIZE_MAX = 5 * 1024 * 1024
DRAWN_MS = 2000
REACTION_MS = 100
SLACK = 4
NOTCHES = 30  # of a wheel: from some ten seconds to a few microseconds

# Runs in each page before it does. A reaction ends as the frame after the one that shows it begins: by
# then that one is painted.
PROBE = """
const scratch = new OffscreenCanvas(128, 64).getContext("2d", { willReadFrequently: true });
window.probe = {
  reactions: {}, drawn: null,
  pixels(canvas) {
    scratch.clearRect(0, 0, 128, 64);
    if (canvas.width && canvas.clientWidth) scratch.drawImage(canvas, 0, 0, 128, 64);
    return new Uint32Array(scratch.getImageData(0, 0, 128, 64).data.buffer);
  },
  isBlank(canvas) { const all = this.pixels(canvas); return all.every((pixel) => pixel === all[0]); },
  digest(canvas) { return this.pixels(canvas).reduce((sum, pixel) => (sum * 31 + pixel) % 4294967291, 0); },
};
for (const type of ["wheel", "keydown", "click", "change", "pointermove"]) {
  addEventListener(type, (event) => requestAnimationFrame(() => requestAnimationFrame((now) => {
    (probe.reactions[type] ||= []).push(Math.max(now, performance.now()) - event.timeStamp);
  })), { capture: true, passive: true });
}
(function look() {
  const root = document.documentElement;
  const canvases = [...document.querySelectorAll("canvas")];
  if (root && root.dataset.drawn && canvases.every((canvas) => !probe.isBlank(canvas))) probe.drawn = performance.now();
  else requestAnimationFrame(look);
})();
"""

# What can be used, in the order of the page.
CONTROLS = """
return [...document.querySelectorAll("a[href], button, select, summary, [tabindex='0']")]
  .filter((element) => element.checkVisibility() && !element.disabled);
"""

SECTIONS = """
const sections = {};
for (const section of document.querySelectorAll("section")) {
  const heading = section.querySelector("h2");
  sections[heading.textContent] = {
    height: section.getBoundingClientRect().height,
    canvases: [...section.querySelectorAll("canvas")].map((canvas) => !probe.isBlank(canvas)),
    rows: section.querySelectorAll("tbody tr").length,
    cards: section.querySelectorAll(".card dd").length,
    text: section.innerText,
  };
}
return sections;
"""

failures = []


def check(truth, text):
    if not truth:
        failures.append(text)
        print("  FAILED: " + text)


def figure(name, found, wanted, unit):
    print(f"  {name}: {found:,.0f} {unit} (to be under {wanted:,} {unit})")
    return found


def start_browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--window-size=1300,900", "--disable-background-networking",
                 "--disable-component-update", "--no-first-run", "--hide-scrollbars"):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": PROBE})
    return driver


class Report:
    """A page that is open."""

    def __init__(self, driver, folder, name, documented):
        self.driver, self.folder, self.name, self.documented = driver, folder, name, documented
        self.path = folder / (name + ".html")

    def js(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def open(self):
        self.driver.get(self.path.as_uri())
        WebDriverWait(self.driver, 60, 0.05).until(lambda _: self.js("return probe.drawn"))
        return self.js("return probe.drawn")

    def settle(self, frames=40):
        """Until what was asked for is drawn: a view takes a frame, and there are some ten."""
        self.driver.execute_async_script(
            "let left = arguments[0]; const done = arguments[1];"
            "(function next() { if (left-- > 0) requestAnimationFrame(next); else done(); })();", frames)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def digest(self, selector="#timeline canvas"):
        return self.js("return probe.digest(document.querySelector(arguments[0]))", selector)

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0]).textContent", selector)

    def press(self, *keys, held=None):
        chain = ActionChains(self.driver, duration=0)
        chain = chain.key_down(held) if held else chain
        for key in keys:
            chain = chain.send_keys(key)
        (chain.key_up(held) if held else chain).perform()

    def picture(self, what, full=False):
        taken = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        (self.folder / f"{self.name}-{what}.png").write_bytes(base64.b64decode(taken["data"]))

    def middle(self, selector, x=0.5, y=0.5):
        """A place of an element, after that is scrolled to, from the window's corner."""
        return self.js("const e = document.querySelector(arguments[0]); e.scrollIntoView({ block: 'center' });"
                       "const r = e.getBoundingClientRect();"
                       "return [r.left + r.width * arguments[1], r.top + r.height * arguments[2]]", selector, x, y)

    def mouse(self, kind, place, **more):
        self.cdp("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], **more)

    def reacted(self, kind, name, act, times=1):
        """The median, over `times`, of what it took from the event to the frame that shows it."""
        self.settle(3)
        self.js("probe.reactions = {}")
        for _ in range(times):
            before = self.js("return (probe.reactions[arguments[0]] || []).length", kind)
            act()
            WebDriverWait(self.driver, 20, 0.02).until(
                lambda _: self.js("return (probe.reactions[arguments[0]] || []).length", kind) > before)
        found = self.js("return probe.reactions[arguments[0]]", kind)
        median = figure(f"{name}" + (f", median of {times}" if times > 1 else ""), statistics.median(found), REACTION_MS, "ms")
        check(median < REACTION_MS * SLACK, f"{self.name}: {name} took {median:.0f} ms")

    # ---- What is tried ---------------------------------------------------------------------------

    def opens(self):
        size = figure("size", self.path.stat().st_size / 1024, SIZE_MAX // 1024, "KiB")
        check(size * 1024 < SIZE_MAX, f"{self.name}: too large")
        took = statistics.median(self.open() for _ in range(3))
        figure("from navigation to all drawn, median of 3", took, DRAWN_MS, "ms")
        check(took < DRAWN_MS * SLACK, f"{self.name}: drawn after {took:.0f} ms")
        self.settle()

    def is_drawn(self):
        sections = self.js(SECTIONS)
        wanted = set(self.documented)
        wanted -= {"Trials"} if self.name != "sweep" else set()
        wanted -= {"Maps and calls"} if self.name != "workflow" else set()
        for name in sorted(wanted):
            check(name in sections, f"{self.name}: no section {name}")
        charts = {"Over time": 2, "Slots": 1, "Instances by index": 1, "Durations": 1, "Trials": 1, "Best so far": 1}
        for name, found in sections.items():
            where = f"{self.name}, {name}"
            check(found["height"] > 40 and len(found["text"]) > 10, f"{where}: empty")
            check(all(found["canvases"]), f"{where}: a chart is blank")
            check(len(found["canvases"]) >= charts.get(name, 0), f"{where}: no chart")
            check(found["canvases"] or found["rows"] > 0 or found["cards"] > 0 or "No attempt failed" in found["text"],
                  f"{where}: no rows")

    def filters(self):
        choose = self.find("#filter-kind")
        self.js("arguments[0].focus()", choose)
        self.settle()
        before = self.digest()
        self.reacted("change", "filter by each state", lambda: self.press(Keys.ARROW_DOWN), 6)
        check(self.digest() != before, f"{self.name}: the filter {choose.get_property('value')} shows all")
        self.press(*[Keys.ARROW_UP] * 4)
        self.settle()
        check(choose.get_property("value") == "failed", f"{self.name}: the filter is not that of failures")
        check(self.digest() != before, f"{self.name}: the filter of failures shows all")
        self.middle("#timeline")
        self.picture("filtered")
        self.press(Keys.HOME)
        self.settle()
        check(self.digest() == before, f"{self.name}: without the filter it is not as before")

    def zooms_by_keys(self):
        self.js("document.querySelector('#timeline canvas').focus()")
        self.settle()
        before = self.digest()
        self.reacted("keydown", "timeline: zoom in by +", lambda: self.press("+"), 12)
        self.reacted("keydown", "timeline: move by arrow", lambda: self.press(Keys.ARROW_RIGHT), 5)
        check(self.digest() != before, f"{self.name}: + does not zoom")
        self.reacted("keydown", "timeline: all by 0", lambda: self.press("0"))
        check(self.digest() == before, f"{self.name}: 0 does not show all")
        self.press(Keys.ARROW_DOWN)
        self.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, held=Keys.SHIFT)
        self.reacted("keydown", "timeline: to the attempt by Enter", lambda: self.press(Keys.ENTER))
        told = self.text("#timeline-readout")
        check(re.search(r"slot \d+: .*instance \d+, [a-z-]+", told), f"{self.name}: no single attempt: {told}")
        self.mouse("mouseMoved", self.middle("#timeline canvas", 0.55, 0.5))
        self.settle()
        self.picture("attempt")
        self.press(Keys.ESCAPE, "0")
        self.settle()

    def point(self, y):
        """Moves the pointer along a line of the timeline to an attempt: where it is, and what is told."""
        left, right = (self.middle("#timeline canvas", x, y) for x in (0, 1))
        for part in range(95, 10, -1):
            place = [left[0] + (right[0] - left[0]) * part / 100, left[1]]
            self.mouse("mouseMoved", place)
            told = self.js("const tip = document.querySelector('#tip');"
                           "return tip.style.display === 'block' ? tip.textContent : ''")
            if told:
                break
        return place, told

    def zooms_by_wheel(self):
        before = self.digest()
        height = self.js("return document.querySelector('#timeline canvas').clientHeight")
        for pixel in range(36, height, 20):  # the middle of each slot
            place, told = self.point(pixel / height)
            if told:
                break
        self.mouse("mouseWheel", place, deltaX=0, deltaY=-100)
        self.settle()
        check(self.digest() == before, f"{self.name}: the wheel alone zooms, which was to scroll the page")
        place, told = self.point(pixel / height)
        wheel = lambda by: self.mouse("mouseWheel", place, deltaX=0, deltaY=by, modifiers=2)
        self.reacted("wheel", "timeline: zoom in by Ctrl and the wheel", lambda: wheel(-100), NOTCHES)
        for _ in range(20):  # it may have been a pixel beside the attempt
            _, told = self.point(pixel / height)
            if told:
                break
            wheel(100)
        check(re.search(r"instance \d+, [a-z-]+", told), f"{self.name}: under the pointer is no single attempt: {told}")
        self.picture("zoomed")
        self.reacted("wheel", "timeline: zoom out by Ctrl and the wheel", lambda: wheel(100), NOTCHES)
        check(self.digest() == before, f"{self.name}: zoomed out is not all: " + self.text("#timeline-readout"))

    def instances(self):
        self.js("document.querySelector('#states canvas').focus()")
        self.settle()
        before = self.digest("#states canvas")
        self.reacted("keydown", "instances: zoom in by +", lambda: self.press("+"), 6)
        check(self.digest("#states canvas") != before, f"{self.name}: the instances do not zoom")
        self.reacted("keydown", "instances: to the next that failed", lambda: self.press(Keys.ARROW_RIGHT, held=Keys.SHIFT), 3)
        check("instance" in self.text("#states-readout"), f"{self.name}: no instance is told")
        self.picture("instances")
        self.press("0")

    def themes(self):
        colours = lambda: self.js("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")
        seen = []
        for theme in ("light", "dark"):
            self.js("const b = document.querySelector('#theme'); b.focus({ preventScroll: true }); scrollTo(0, 0)")
            self.press(Keys.ENTER)
            self.settle()
            check(theme in self.text("#theme"), f"{self.name}: the button does not say {theme}")
            seen.append((colours(), self.digest(), self.digest("#ended canvas"), self.digest("#states canvas")))
            self.picture(theme, full=True)
        check(all(light != dark for light, dark in zip(*seen)), f"{self.name}: light and dark look alike")
        self.reacted("click", "colours: any", lambda: self.press(Keys.ENTER), 7)
        self.settle()
        check("auto" in self.text("#theme"), f"{self.name}: the colours are not the system's")
        for theme, wanted in (("light", seen[0]), ("dark", seen[1]), ("light", seen[0])):
            self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
            self.settle()
            check((colours(), self.digest()) == wanted[:2], f"{self.name}: the system's {theme} is not followed")
        self.cdp("Emulation.setEmulatedMedia", features=[])

    def trials(self):
        canvas = "section[aria-labelledby=parallel] canvas"
        axis = self.js("return 60 / document.querySelector(arguments[0]).clientWidth", canvas)
        place = self.middle(canvas, axis, 0.4)
        before = self.digest(canvas)
        self.mouse("mouseMoved", place)
        self.mouse("mousePressed", place, button="left", clickCount=1)
        steps = iter(range(5, 100, 5))
        self.reacted("pointermove", "trials: choose by dragging along an axis",
                     lambda: self.mouse("mouseMoved", (place[0], place[1] + next(steps)), button="left", buttons=1), 10)
        self.mouse("mouseReleased", (place[0], place[1] + 50), button="left", clickCount=1)
        told = self.text("section[aria-labelledby=parallel] .readout")
        check(re.search(r"^\d+ of 300 trials are chosen", told), f"{self.name}: no trials are chosen: {told}")
        self.picture("chosen")
        self.find("section[aria-labelledby=parallel] .tools button").click()
        self.settle()
        check(self.digest(canvas) == before, f"{self.name}: All does not choose all trials")
        self.js("document.querySelector(arguments[0]).focus()", canvas)
        self.reacted("keydown", "trials: choose by keys", lambda: self.press(Keys.ARROW_DOWN, "+", Keys.ARROW_RIGHT, Keys.ARROW_UP), 2)
        told = self.text("section[aria-labelledby=parallel] .readout")
        check(re.search(r"^Axis is_centred. \d+ of 300 trials are chosen", told), f"{self.name}: keys choose no trials: {told}")
        self.press("0")
        self.settle()
        head = self.find("section[aria-labelledby=trials-table] th:nth-child(4) button")
        self.js("arguments[0].focus()", head)
        self.reacted("click", "trials: sort the table", lambda: self.press(Keys.ENTER), 4)
        values = self.js("return [...document.querySelectorAll('section[aria-labelledby=trials-table] td:nth-child(4)')]"
                         ".map((cell) => Number(cell.textContent))")
        check(values == sorted(values, reverse=True), f"{self.name}: the table is not sorted")

    def is_reached_by_tab(self):
        controls = self.js(CONTROLS)
        self.js("document.activeElement.blur(); scrollTo(0, 0); getSelection().removeAllRanges();"
                "document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
        reached, unseen = [], []
        while len(reached) < len(controls):  # a Tab more would leave the page
            self.press(Keys.TAB)
            at, is_seen, name = self.js(
                "const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();"
                "return [arguments[0].indexOf(e), s.outlineStyle !== 'none' && r.bottom > 0 && r.top < innerHeight,"
                "e.outerHTML.slice(0, 90)]", controls)
            if name.startswith("<body") or at in reached:
                break
            if at >= 0:
                reached.append(at)
            if not is_seen:
                unseen.append(name)
        check(reached == list(range(len(controls))), f"{self.name}: Tab reaches {reached} of {len(controls)} controls")
        check(not unseen, f"{self.name}: the focus is not seen on {unseen}")
        print(f"  {len(reached)} controls are reached by Tab")

    def fits_narrow(self):
        self.cdp("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=False)
        self.settle()
        self.js("scrollTo(0, 0)")
        width = self.js("return document.documentElement.scrollWidth")
        check(width <= 360, f"{self.name}: {width} pixels wide in a window of 360")
        self.is_drawn()
        self.picture("narrow", full=True)
        self.cdp("Emulation.clearDeviceMetricsOverride")
        self.settle()

    def prints(self):
        self.cdp("Emulation.setEmulatedMedia", media="print")
        self.settle()
        self.is_drawn()
        self.cdp("Emulation.setEmulatedMedia", media="")
        printed = base64.b64decode(self.cdp("Page.printToPDF", printBackground=True)["data"])
        path = self.folder / (self.name + ".pdf")
        path.write_bytes(printed)
        text = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True).stdout
        for heading in self.js("return [...document.querySelectorAll('h2')].map((h) => h.textContent)"):
            check(heading in text, f"{self.name}: {heading} is not printed")
        pages = text.count("\f")
        check(1 <= pages < 25, f"{self.name}: {pages} pages are printed")
        print(f"  {pages} pages are printed")
        self.settle()

    def is_quiet(self):
        said = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] != "INFO"]
        check(not said, f"{self.name}: on the console: {said}")
        asked = set()
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                asked.add(event["params"].get("request", event["params"])["url"])
        asked -= {self.path.as_uri()}
        check(not asked, f"{self.name}: asked for {sorted(asked)}")


def main():
    folder, guide = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).read_text()
    table = guide.split("## What is on it")[1].split("\n###")[0]
    documented = re.findall(r"^\| ([A-Z][^|]*?) \|", table, re.MULTILINE)
    assert "Slots" in documented and len(documented) > 8, documented
    driver = start_browser()
    try:
        for name in ("million", "workflow", "sweep", "lost"):
            print(name)
            report = Report(driver, folder, name, documented)
            report.opens()
            report.is_drawn()
            report.zooms_by_keys()
            report.zooms_by_wheel()
            report.filters()
            report.instances()
            report.themes()
            if name == "sweep":
                report.trials()
            report.is_reached_by_tab()
            report.fits_narrow()
            report.prints()
            report.is_quiet()
    finally:
        driver.quit()
    print(f"{len(failures)} failures" if failures else "all is drawn, reacts, and is reached; pictures are in " + str(folder))
    return 1 if failures else 0


sys.exit(main())
