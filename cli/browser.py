"""A page in the user's browser, where there is one."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping


def open_page(link: str, variables: Mapping[str, str] = os.environ) -> bool:
    """Open a link in a browser with windows; return whether there is one.

    A browser within the terminal is none: it would take the terminal away from the service. The
    environment's BROWSER is what the user wants, whatever it is.

    Parameters
    ----------
    variables
        The environment, which says whether there is a display.
    """
    import webbrowser

    if not has_browser(variables):
        return False
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    if not variables.get("BROWSER") and type(browser) is webbrowser.GenericBrowser:
        return False
    # Some take seconds to answer, and the service begins meanwhile.
    threading.Thread(target=browser.open, args=(link,), name="browser", daemon=True).start()
    return True


def has_browser(variables: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Say whether a window could be shown: on a display, or by what BROWSER names."""
    if variables.get("BROWSER") or platform in ("darwin", "win32"):
        return True
    return any(variables.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
