#!/usr/bin/python3
"""The page of the realtime demo in Chromium: two people, a feed, figures, a server that comes back."""

import importlib.util
import unittest

import lib
from lib.browser import CHROMIUM, DRIVER, Browser
from lib.client import post_json
from lib.server import Server

MISSING = [name for name, found in (("chromium", CHROMIUM), ("chromedriver", DRIVER),
                                    ("selenium", importlib.util.find_spec("selenium"))) if not found]

# Opens a socket and says what came back of each message, and whether it was compressed.
ECHO = """
const [url, done] = arguments;
const messages = ["x", "Gr\u00fc\u00dfe \ud83c\udf0a ".repeat(500), "water ".repeat(100000)];
const socket = new WebSocket(url);
let next = 0;
socket.onopen = () => socket.send(messages[next]);
socket.onerror = () => done("failed");
socket.onmessage = (event) => {
    if (event.data !== messages[next])
        done(`message ${next} came back as ${event.data.slice(0, 40)}`);
    else if (++next < messages.length)
        socket.send(messages[next]);
    else
        done(socket.extensions);
};
"""


@unittest.skipIf(MISSING, "not installed: " + ", ".join(MISSING))
class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("realtime")
        cls.addClassCleanup(cls.server.kill)
        cls.addClassCleanup(cls.server.stop)
        cls.port = cls.server.port
        cls.ada, cls.bob = Browser(cls.port), Browser(cls.port)
        cls.addClassCleanup(cls.ada.quit)
        cls.addClassCleanup(cls.bob.quit)

    def setUp(self):
        for browser in (self.ada, self.bob):
            browser.driver.get("about:blank")
            browser.driver.get(browser.address)
            browser.wait_until_connected()

    def tearDown(self):
        for browser in (self.ada, self.bob):
            self.assertEqual(browser.complaints(), [])

    def both_join(self, room):
        self.ada.join(room, "Ada")
        self.bob.join(room, "Bob")
        self.ada.wait_for_text("members", "Bob")
        self.bob.wait_for_text("members", "Ada")

    def test_two_pages_exchange_messages(self):
        self.both_join("one")
        self.ada.say("hello Bob")
        self.bob.wait_for_text("messages", "hello Bob")
        self.bob.say("hello Ada")
        self.ada.wait_for_text("messages", "hello Ada")
        for browser in (self.ada, self.bob):
            self.assertEqual([line for line in browser.lines("messages") if line.startswith("hello")],
                             ["hello Bob", "hello Ada"])
            self.assertEqual(browser.text("member-count"), "2")

    def test_another_room_hears_nothing(self):
        self.ada.join("here", "Ada")
        self.bob.join("there", "Bob")
        self.ada.say("only here")
        self.ada.wait_for_text("messages", "only here")
        self.bob.say("only there")
        self.bob.wait_for_text("messages", "only there")
        self.assertNotIn("only here", self.bob.text("messages"))
        self.assertNotIn("only there", self.ada.text("messages"))

    def test_private_message_arrives_at_one_only(self):
        with Browser(self.port) as carol:
            self.both_join("private")
            carol.join("private", "Carol")
            self.ada.wait_for_text("members", "Carol")
            self.ada.find("members").find_element("xpath", ".//button[.='Bob']").click()
            self.ada.say("for Bob alone")
            self.bob.wait_for_text("messages", "for Bob alone")
            self.ada.wait_for_text("messages", "for Bob alone")
            self.assertIn("to you alone", self.bob.text("messages"))
            self.ada.find("recipient").send_keys("Everyone")
            self.ada.say("for all")
            carol.wait_for_text("messages", "for all")
            self.assertNotIn("for Bob alone", carol.text("messages"))
            self.assertEqual(carol.complaints(), [])

    def test_answering_someone_who_left_the_room(self):
        self.both_join("first")
        self.ada.find("members").find_element("xpath", ".//button[.='Bob']").click()
        self.ada.say("see you elsewhere")
        self.bob.wait_for_text("messages", "see you elsewhere")
        self.ada.join("second", "Ada")
        self.bob.wait_for_text("messages", "Ada left")
        self.bob.find("recipient").send_keys("Ada")
        self.bob.say("coming")
        self.ada.wait_for_text("messages", "coming")
        self.assertIn("to you alone", self.ada.text("messages"))

    def test_closed_tab_has_left(self):
        self.both_join("tabs")
        first = self.bob.driver.current_window_handle
        self.bob.driver.switch_to.new_window("tab")
        second = self.bob.driver.current_window_handle
        self.bob.driver.switch_to.window(first)
        self.bob.driver.close()
        self.bob.driver.switch_to.window(second)
        self.ada.wait_for_text("messages", "Bob left")
        self.assertNotIn("Bob", self.ada.text("members"))
        self.assertEqual(self.ada.text("member-count"), "1")

    def test_leave_button(self):
        self.both_join("door")
        self.bob.find("leave").click()
        self.ada.wait_for_text("messages", "Bob left")
        self.assertEqual(self.bob.text("room-name"), "Not in a room")
        self.assertFalse(self.bob.find("send").is_enabled())
        self.assertEqual(self.bob.lines("members"), [])

    def test_keyboard_alone(self):
        from selenium.webdriver.common.keys import Keys

        self.bob.join("keys", "Bob")
        self.ada.driver.execute_script("document.getElementById('username').focus()")

        def press(*keys):
            self.ada.driver.switch_to.active_element.send_keys(*keys)

        press(Keys.CONTROL, "a")
        press("Ada", Keys.TAB)
        press(Keys.CONTROL, "a")
        press("keys", Keys.ENTER)
        self.ada.wait_for_text("room-name", "In keys as Ada")
        self.assertEqual(self.ada.driver.switch_to.active_element.get_attribute("id"), "message")
        press("typed only", Keys.ENTER)
        self.bob.wait_for_text("messages", "typed only")

    def test_foreign_text_is_only_text(self):
        self.ada.join("<b>room</b>", "<i>Ada</i>")
        self.bob.join("<b>room</b>", "Bob")
        self.ada.say("<img src=x onerror=\"document.title='broken'\">")
        self.bob.wait_for_text("messages", "<img src=x")
        self.bob.wait_for_text("members", "<i>Ada</i>")
        self.assertEqual(self.bob.driver.execute_script(
            "return document.querySelectorAll('#messages img, #members i, #room-name b').length"), 0)
        self.assertNotEqual(self.bob.driver.title, "broken")

    def test_push_wakes_the_long_poll(self):
        for browser in (self.ada, self.bob):
            browser.wait_for_text("feed-state", "Listening")
        self.ada.type("push-message", "storm warning\n")
        for browser in (self.ada, self.bob):
            browser.wait_for_text("feed-list", "storm warning")
        self.ada.wait_for_text("push-result", "waiting")
        post_json(self.port, "/api/push", {"message": "from outside"})
        for browser in (self.ada, self.bob):
            browser.wait_for_text("feed-list", "from outside")
            self.assertEqual(browser.lines("feed-list")[:2], ["from outside", "storm warning"])

    def test_figures_are_live(self):
        self.ada.wait_for_text("stats-state", "Live")

        def requests():
            return int(self.ada.text("figure-requests").replace(",", "") or 0)

        before = requests()
        self.ada.wait(lambda: requests() > before, "the number of requests rises")
        self.assertGreaterEqual(int(self.ada.text("figure-connections")), 2)
        self.ada.driver.execute_script("document.querySelector('#stats details').open = true")
        self.ada.wait_for_text("handlers", "longpoll")

    def test_link_to_a_room(self):
        self.ada.driver.get("about:blank")
        self.ada.driver.get(self.ada.address + "#room=linked")
        self.assertEqual(self.ada.find("room").get_attribute("value"), "linked")

    def test_everything_has_a_name(self):
        unnamed = self.ada.driver.execute_script(
            "return [...document.querySelectorAll('input, select, button, section, img')].filter((element) =>"
            " !(element.labels?.length || element.textContent.trim() || element.getAttribute('aria-labelledby')"
            " || element.hasAttribute('alt'))).map((element) => element.outerHTML)")
        self.assertEqual(unnamed, [])

    def test_list_follows_its_end(self):
        def left_below():
            return self.bob.driver.execute_script("const list = document.getElementById('messages');"
                                                  "return list.scrollHeight - list.scrollTop - list.clientHeight")

        self.both_join("long talk")
        for number in range(20):
            self.ada.say(f"line {number}")
        self.bob.wait_for_text("messages", "line 19")
        self.bob.wait(lambda: left_below() < 2, "the end is in view")
        self.bob.driver.execute_script("document.getElementById('messages').scrollTop = 0")
        self.bob.wait(lambda: left_below() > 40, "scrolled up")
        self.ada.say("line 20")
        self.bob.wait(lambda: "line 20" in self.bob.lines("messages"), "line 20")
        self.assertGreater(left_below(), 40)
        self.bob.find("newest").click()
        self.bob.wait(lambda: left_below() < 2, "the end is in view again")
        self.assertFalse(self.bob.find("newest").is_displayed())
        self.bob.driver.execute_script("document.getElementById('messages').scrollTop = 0")
        self.bob.wait(lambda: left_below() > 40, "scrolled up")
        self.bob.say("my own is in view at once")
        self.bob.wait(lambda: left_below() < 2, "the end is in view once more")

    def test_list_tells_who_says_what(self):
        self.both_join("who")
        for browser, text in ((self.ada, "one"), (self.ada, "two"), (self.bob, "three"), (self.ada, "four")):
            browser.say(text)
            self.bob.wait(lambda expected=text: expected in self.bob.lines("messages"), text)
        rows = self.bob.driver.execute_script(
            "return [...document.querySelectorAll('#messages > .message')].map((item) => ["
            "item.querySelector('.text').textContent, item.querySelector('.who').textContent,"
            "item.classList.contains('own'), item.querySelector('.head').offsetHeight > 5])")
        self.assertEqual(rows, [["one", "Ada", False, True], ["two", "Ada", False, False], ["three", "You", True, True],
                                ["four", "Ada", False, True]])

    def test_fits_a_phone(self):
        with Browser(self.port) as phone:
            phone.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                         {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True})
            phone.driver.get(phone.address)
            phone.join("a room with a name that is rather long for so small a screen", "W" * 40)
            phone.say("unbreakable" * 30)
            phone.wait_for_text("messages", "unbreakable")
            self.assertEqual(phone.driver.execute_script("return document.documentElement.scrollWidth"), 360)
            self.assertEqual(phone.driver.execute_script(
                "return [...document.querySelectorAll('button, input, select')].filter((element) =>"
                " element.offsetHeight && element.offsetHeight < 36).map((element) => element.id)"), [])


@unittest.skipIf(MISSING, "not installed: " + ", ".join(MISSING))
class Compression(unittest.TestCase):
    def test_on_and_off(self):
        with Server("realtime") as page, Server("inspect") as echo, Browser(page.port) as browser:
            self.assertIn("permessage-deflate",
                          browser.driver.execute_async_script(ECHO, f"ws://127.0.0.1:{echo.port}/ws"))
            extensions = "const done = arguments[0], socket = new WebSocket(location.origin.replace('http', 'ws') +" \
                         "'/ws/chat'); socket.onmessage = () => done(socket.extensions);"
            self.assertEqual(browser.driver.execute_async_script(extensions), "")


@unittest.skipIf(MISSING, "not installed: " + ", ".join(MISSING))
class Reconnect(unittest.TestCase):
    def test_comes_back_with_the_server(self):
        """The server ends and another one takes its port: the page is in its room again, and the feed goes on."""
        first = self.enterContext(Server("realtime"))
        browser = self.enterContext(Browser(first.port))
        browser.join("harbour", "Ada")
        browser.wait_for_text("feed-state", "Listening")
        post_json(first.port, "/api/push", {"message": "before"})
        browser.wait_for_text("feed-list", "before")
        first.stop()
        browser.wait_for_text("connection", "Connection lost")
        self.assertEqual(browser.text("room-name"), "Not in a room")
        with Server("realtime", port=first.port) as second:
            browser.wait_until_connected()
            browser.wait_for_text("room-name", "In harbour as Ada")
            browser.say("back again")
            browser.wait_for_text("messages", "back again")
            browser.wait_for_text("feed-state", "Listening")
            post_json(second.port, "/api/push", {"message": "after"})
            browser.wait_for_text("feed-list", "after")
            self.assertEqual(browser.lines("feed-list"), ["after"])
            self.assertEqual(browser.complaints(), [])


if __name__ == "__main__":
    lib.run()
