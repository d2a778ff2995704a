"""Beside pages and API the server is the same: keys of recipients, its own media type, its own bound on bodies."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from noroshi.config import load
from noroshi.web.app import make
from noroshi.web.options import Options
from tests.support.taxii import FINDINGS, INBOX, MEDIA, Site, entry, thing_of


def test_in_the_whole_application(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.publish([entry(0)])
    app = make(site.lake, load(None), site.state, Options(rate=0))
    headers = {"authorization": f"Bearer {site.key}", "accept": MEDIA}
    client = TestClient(app, headers=headers)
    assert len(client.get(f"{FINDINGS}/objects/").json()["objects"]) == 1
    assert client.get(f"{FINDINGS}/objects/", headers={"authorization": ""}).status_code == 401
    assert client.get("/taxii2").json()["title"] == "Noroshi"
    assert client.get("/taxii2/none/").headers["content-type"] == MEDIA
    large = {"objects": [thing_of(n, x="y" * 900_000) for n in range(3)]}  # more than a form may send
    found = client.post(f"{INBOX}/objects/", json=large, headers={"content-type": MEDIA})
    assert (found.status_code, found.json()["success_count"]) == (202, 3)
