"""The console in a real browser: Chromium, driven by Playwright.

`make browser` runs these tests, `.ci/install-browser` brings what they need.
"""
