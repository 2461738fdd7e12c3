"""A browser without a screen for tests of pages: Chromium, driven over a pipe by its
DevTools protocol, so that nothing but Python is needed.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

from harness import eventually, within

PROGRAM = next((path for path in map(shutil.which, (
    "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")) if path), None)

# The protocol speaks on descriptors 3 and 4, whatever numbers the pipes have.
MOVE_DESCRIPTORS = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, pipe in enumerate(pipes, 3):
    os.dup2(pipe, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page. Use it in a with statement."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        from_us, self.to = os.pipe()
        self.back, from_it = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", MOVE_DESCRIPTORS, str(from_us), str(from_it), PROGRAM,
             "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--no-proxy-server",
             f"--user-data-dir={self.profile.name}", "--remote-debugging-pipe", "about:blank"],
            pass_fds=(from_us, from_it), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(from_us)
        os.close(from_it)
        self.answers, self.events = {}, []
        self.changed = threading.Condition()
        self.n_sent, self.session, self.ended = 0, None, False
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self._ask("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")

    def _read(self):
        rest = b""
        while True:
            read = os.read(self.back, 1 << 16)
            *messages, rest = (rest + read).split(b"\0")
            with self.changed:
                for message in map(json.loads, messages):
                    if "id" in message:
                        self.answers[message["id"]] = message
                    else:
                        self.events.append(message)
                self.ended = not read
                self.changed.notify_all()
            if not read:
                return

    def _ask(self, method, **params):
        self.n_sent += 1
        number = self.n_sent
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        with self.changed:
            assert self.changed.wait_for(lambda: number in self.answers or self.ended, within(30)), \
                f"the browser did not answer {method}"
            answer = self.answers.pop(number, {"error": "it has ended"})
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def size(self, width, height):
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 500)

    def dark(self, on):
        self._ask("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if on else "light"}])

    def open(self, url):
        self._ask("Page.navigate", url=url)
        self.wait(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def run(self, script):
        """What @script, an expression, comes to."""
        result = self._ask("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, script, seconds=20):
        """Until @script comes to something true, which is returned."""
        return eventually(lambda: self.run(script), seconds, script)

    def text(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def complaints(self):
        """What the page's console and its policy had to say, and what scripts threw."""
        with self.changed:
            return [event for event in self.events
                    if event["method"] == "Runtime.exceptionThrown"
                    or (event["method"] == "Log.entryAdded"
                        and event["params"]["entry"].get("source") != "network")]

    def asked_for(self):
        """The addresses of all that was asked for."""
        with self.changed:
            return {event["params"]["request"]["url"] for event in self.events
                    if event["method"] == "Network.requestWillBeSent"}

    def picture(self, path):
        data = self._ask("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        os.close(self.to)  # it ends with its pipe
        try:
            self.process.wait(within(10))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(within(10))
        os.close(self.back)
        self.profile.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
