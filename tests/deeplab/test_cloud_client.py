"""One client for all of a process: whose credentials it takes, and what goes without any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from beam_deeplab.deeplab import cloud_client
from beam_deeplab.deeplab.credentials import CredentialsError


@pytest.fixture(autouse=True)
def fresh_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is signed in, and no client was made before."""
    for variable in ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
    # Without this a search for the metadata server of a Google machine takes 20 s.
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(cloud_client, "_process", cloud_client._Process())


def test_credentials_that_name_no_project_suffice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = {
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "secret",
        "refresh_token": "token",
    }
    file = tmp_path / "user.json"
    file.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    assert cloud_client.client().bucket("bucket").name == "bucket"
    assert cloud_client.client(public=True) is cloud_client.client()


def test_public_objects_need_no_credentials() -> None:
    with pytest.raises(CredentialsError, match="gcloud auth application-default login"):
        cloud_client.client()
    anonymous = cloud_client.client(public=True)
    assert anonymous is cloud_client.client(public=True)
    assert anonymous.bucket("bucket").name == "bucket"
