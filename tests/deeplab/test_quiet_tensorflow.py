from __future__ import annotations

import os
import subprocess
import sys

import pytest

from beam_deeplab.deeplab.quiet_tensorflow import without_greetings

GREETINGS = b"""\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795475164.848577    6850 port.cc:153] oneDNN custom operations are on. You may see
E0000 00:00:1795475167.754852    6850 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA
2025-03-02 22:46:00.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
To enable the following instructions: AVX2 AVX512F AVX512_VNNI, in other operations, rebuild

"""
OTHERS = b"""\
WARNING:root:Compressing a mask took long
beam-deeplab: --model: there is no such model
INFO:deeplab.engines.loading:openvino at f32
I think that this is a sentence
2025-03-02 22:46:00.123456: F tensorflow/core/platform/cpu_feature_guard.cc:37] compiled for AVX512
Traceback (most recent call last):
"""


def test_only_greetings_are_dropped() -> None:
    lines = [*GREETINGS.splitlines(keepends=True), *OTHERS.splitlines(keepends=True)]
    mixed = b"".join(lines[::2]) + b"".join(lines[1::2])
    kept = without_greetings(mixed).splitlines()
    assert sorted(kept) == sorted(OTHERS.splitlines())


_IMPORT = "from beam_deeplab.deeplab.quiet_tensorflow import import_tensorflow_quietly as quietly\n"
_SPEAK_MEANWHILE = """
import builtins, os
real = builtins.__import__
def speaking(name, *arguments, **options):
    if name == "tensorflow":
        builtins.__import__ = real
        os.write(2, b"a worker has to say this\\n")
    return real(name, *arguments, **options)
builtins.__import__ = speaking
quietly()
print("imported", flush=True)
"""


@pytest.mark.slow
def test_what_others_say_meanwhile_comes_out() -> None:
    environment = {name: value for name, value in os.environ.items() if name[:6] != "TF_CPP"}
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT + _SPEAK_MEANWHILE],
        capture_output=True,
        check=True,
        env=environment,
    )
    assert done.stdout == b"imported\n"
    assert done.stderr == b"a worker has to say this\n"


@pytest.mark.slow
def test_the_search_for_gpus_is_quiet_where_tensorflow_was_imported_before() -> None:
    search = """
import os
import tensorflow as tf
os.write(2, b"from here on\\n")
quietly()
tf.config.list_physical_devices("GPU")
"""
    done = subprocess.run([sys.executable, "-c", _IMPORT + search], capture_output=True, check=True)
    assert done.stderr.partition(b"from here on\n")[2] == b""


def test_a_failed_import_says_everything() -> None:
    fail = """
import os, sys
class Broken:
    def find_spec(self, name, *arguments):
        if name == "tensorflow":
            os.write(2, b"I0000 00:00:1795475164.848577    6850 port.cc:153] a clue\\n")
            raise ImportError("libcuda.so is missing")
sys.meta_path.insert(0, Broken())
try:
    quietly()
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", _IMPORT + fail], capture_output=True, check=True)
    assert done.stdout == b"libcuda.so is missing\n"
    assert b"a clue" in done.stderr


@pytest.mark.parametrize("death", ["os.abort()", "os.kill(os.getpid(), 9)"])
def test_a_message_on_which_the_import_dies_reaches_the_user(death: str) -> None:
    die = f"""
import os, sys
class Fatal:
    def find_spec(self, name, *arguments):
        if name == "tensorflow":
            os.write(2, b"F0000 00:00:1795475164.848577 6850 cpu_feature_guard.cc:37] needs AVX\\n")
            {death}
sys.meta_path.insert(0, Fatal())
quietly()
"""
    done = subprocess.run([sys.executable, "-c", _IMPORT + die], capture_output=True, check=False)
    assert done.returncode < 0
    assert b"cpu_feature_guard.cc:37] needs AVX" in done.stderr
