"""Chromium without a window, told what to do over a pipe; nothing but the standard library.

The protocol is that of Chrome's developer tools: JSON messages with a zero byte behind each, which
the browser reads from descriptor 3 and writes to descriptor 4.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time

ANSWER_SECONDS = 30.0


def program():
    """Where the browser is; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One page of one browser."""

    def __init__(self, folder, size=(1280, 1000)):
        to_browser, self.sending = os.pipe()
        self.receiving, from_browser = os.pipe()
        command = (f"exec {program()} --headless=new --no-sandbox --disable-gpu --hide-scrollbars "
                   f"--disable-dev-shm-usage --no-first-run --disable-extensions "
                   f"--disable-background-networking --window-size={size[0]},{size[1]} "
                   f"--user-data-dir={folder} --remote-debugging-pipe about:blank "
                   f"3<&{to_browser} 4>&{from_browser}")
        self.process = subprocess.Popen(
            ["bash", "-c", command], pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.number = 0
        self.buffer = b""
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        self.call("Page.enable")

    def call(self, method, **parameters):
        """Sends a command, and gives its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.sending, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            answer = self.message(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def message(self, deadline):
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.receiving], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self.receiving, 1 << 20)
            if not piece:
                raise RuntimeError("the browser has ended")
            self.buffer += piece
        first, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(first)

    def open(self, url):
        self.call("Page.navigate", url=url)

    def run(self, script):
        """The value of a script, which may be a promise."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True,
                           returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, condition, seconds=20):
        """Waits until a script is true; gives its value."""
        deadline = time.monotonic() + seconds
        while True:
            value = self.run(condition)
            if value:
                return value
            if time.monotonic() > deadline:
                raise TimeoutError(f"{condition} is not so within {seconds} s; the page says: "
                                   + self.run("document.body.innerText")[:600])
            time.sleep(0.05)

    def choose_file(self, selector, path):
        """Puts a file into a file input, as a person would."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[path])

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.sending)
        os.close(self.receiving)
