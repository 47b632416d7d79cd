"""GS-Pull: flat Gaussians and a signed distance that pull each other (needs torch).

Written from ``gspull-spec.md``; no code of the release.
"""
