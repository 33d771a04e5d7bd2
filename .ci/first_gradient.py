"""Ask a running server for the README's gradient, by the README's own command: first_gradient.py PORT."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()
PATIENCE_S = 300.0


def block(language: str, start: str) -> str:
    """The README's one code block of a language that starts so."""
    (found,) = re.findall(rf"^```{language}\n({start}.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def wait_until_ready(url: str) -> None:
    """Return when the server says that it is ready; exit if it does not within `PATIENCE_S`."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=10):
                return
        except OSError as error:  # refused, or 503
            if time.monotonic() > deadline:
                sys.exit(f"the server is not ready after {PATIENCE_S:g} s: {error}")
            time.sleep(0.2)


def main() -> None:
    """Compare the answer with the one that the README shows; exit with both if they differ."""
    url = f"http://127.0.0.1:{int(sys.argv[1])}"
    wait_until_ready(url)
    command = block("sh", "curl ")
    if "http://127.0.0.1:8000/" not in command:
        sys.exit(f"the README's command does not name the server's default address:\n{command}")
    asked = subprocess.run(
        ["bash", "-c", command.replace("http://127.0.0.1:8000", url)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    shown = block("json", "")
    if json.loads(asked.stdout) != json.loads(shown):
        sys.exit(f"the README shows\n{shown}\nand the server answers\n{asked.stdout}")
    sys.stdout.write(f"{asked.stdout.strip()}: as the README shows\n")


if __name__ == "__main__":
    main()
