"""Chromium with the page of the realtime demo."""

import shutil
import tempfile

from lib.server import PATIENCE

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
         "--disable-extensions", "--disable-features=MediaRouter,OptimizationHints,Translate")


class Browser:
    """A browser with a profile of its own, on the page at once."""

    def __init__(self, port, width=1280, height=900, fragment=""):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        self.profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={self.profile.name}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(DRIVER), options=options)
        self.address = f"http://127.0.0.1:{port}/"
        self.driver.get(self.address + fragment)

    def find(self, identity):
        return self.driver.find_element("id", identity)

    def text(self, identity):
        return self.find(identity).text

    def type(self, identity, text):
        box = self.find(identity)
        box.clear()
        box.send_keys(text)

    def wait(self, condition, what):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, PATIENCE, poll_frequency=0.02).until(lambda _: condition(), what)

    def wait_for_text(self, identity, text):
        self.wait(lambda: text in self.text(identity), f"{text!r} in #{identity}")

    def wait_until_connected(self):
        self.wait_for_text("connection", "Connected")

    def join(self, room, name):
        self.wait(lambda: self.find("join").is_enabled(), "the join button is enabled")
        self.type("username", name)
        self.type("room", room)
        self.find("join").click()
        self.wait_for_text("room-name", f"In {room} as {name}")

    def say(self, text):
        self.type("message", text + "\n")

    def lines(self, identity):
        """The texts of a list's items, time stamps left out."""
        return self.driver.execute_script(
            "return [...document.getElementById(arguments[0]).children].map((item) =>"
            " item.querySelector('.text')?.textContent ?? item.textContent)", identity)

    def complaints(self):
        """What went wrong in the page's scripts, connections that were lost left out."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and "WebSocket" not in entry["message"] and "ERR_" not in entry["message"]]

    def quit(self):
        self.driver.quit()
        self.profile.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.quit()
