"""Reading ``gs://`` objects 50 ms away: ours beside Beam's own open.

The emulator of the tests stands behind their proxy, which holds every answer back for 50 ms and
counts requests. Each side reads the same objects in one thread of its own process:
``apache_beam.io.filesystems.FileSystems.open`` one after the other, as a DoFn does, and
``transforms.sources.reading.read_images``, which reads ahead. The proxy lets the emulator answer
one request at a time, at some milliseconds each: that bounds ours, not Beam's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.children import Child
from benchmarks.measurement import Measurement, Row, Settings, median, spread
from benchmarks.photos import make_photos
from benchmarks.suite import run_alone

LATENCY_SECONDS = 0.05

_OBJECTS = 200
_OBJECTS_FOR_BEAM = 40


class OurReader:
    """Our reader, warmed up by one object."""

    def run(self, uris: Sequence[str]) -> tuple[float, int]:
        """Seconds and bytes."""
        from beam_deeplab.transforms.records import EncodedImage, ImageRef
        from beam_deeplab.transforms.sources.reading import read_images

        start = time.perf_counter()
        rows = list(read_images(ImageRef(uri) for uri in uris))
        seconds = time.perf_counter() - start
        size = 0
        for row in rows:
            if not isinstance(row, EncodedImage):
                raise RuntimeError(f"{row.code}: {row.message}")
            size += len(row.data)
        return seconds, size


class BeamReader(OurReader):
    """Beam's own open."""

    def run(self, uris: Sequence[str]) -> tuple[float, int]:
        """Seconds and bytes."""
        from apache_beam.io.filesystems import FileSystems

        start = time.perf_counter()
        size = 0
        for uri in uris:
            with FileSystems.open(uri) as file:
                size += len(file.read())
        return time.perf_counter() - start, size


def measure(settings: Settings) -> Measurement:
    from tests.gcs_emulator import Gcs, run_gcs_server

    photos = make_photos(settings.shared, settings.workspace / "objects", _OBJECTS)
    size = sum(photo.stat().st_size for photo in photos)
    rates: dict[str, list[float]] = {"ours": [], "Beam's open": []}
    requests: dict[str, float] = {}
    with run_gcs_server() as server:
        bucket = Gcs(server)
        for photo in photos:
            bucket.put(photo.name, photo.read_bytes())
        uris = [bucket.uri(photo.name) for photo in photos]
        environment = {
            "STORAGE_EMULATOR_HOST": server.endpoint,
            "GOOGLE_APPLICATION_CREDENTIALS": str(
                _service_account(settings.workspace / "service-account.json", server.endpoint)
            ),
            "GOOGLE_CLOUD_PROJECT": "benchmark",
        }
        with (
            Child(OurReader, environment=environment) as ours,
            Child(BeamReader, environment=environment) as beam,
        ):
            contestants = (("ours", ours, uris), ("Beam's open", beam, uris[:_OBJECTS_FOR_BEAM]))
            for _, child, own in contestants:
                child.call(OurReader.run, own[:1])
            server.latency = LATENCY_SECONDS
            for _ in range(settings.repeats):
                for name, child, own in contestants:
                    server.requests.clear()
                    seconds, read = child.call(OurReader.run, own)
                    if own is uris and read != size:
                        raise RuntimeError(f"{read} of {size} bytes")
                    rates[name].append(len(own) / seconds)
                    requests[name] = len(server.requests) / len(own)
    rows: list[Row] = [
        {
            "reader": name,
            "objects/s": median(values),
            "spread": spread(values),
            "requests an object": requests[name],
        }
        for name, values in rates.items()
    ]
    return Measurement(
        name="gs_reading",
        title=f"Reading gs:// objects at {1000 * LATENCY_SECONDS:.0f} ms latency",
        rows=rows,
        ratios={"gs_reading_ratio": median(rates["ours"]) / median(rates["Beam's open"])},
    )


def _service_account(path: Path, endpoint: str) -> Path:
    """A key file for clients that insist on one; its tokens come from the proxy."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "benchmark",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "benchmarks@benchmark.iam.gserviceaccount.com",
        "token_uri": f"{endpoint}/token",
    }
    path.write_text(json.dumps(account))
    return path


if __name__ == "__main__":
    run_alone(measure)
