#!/bin/sh
# Installs beam-deeplab, and what one kind of machine needs beside it, into an environment of its own.
# The images are made by it, and so is the rehearsal without Docker (tests/test_worker_image.py).
#
#   install.sh KIND PREFIX SOURCE
#
# KIND    worker: for CPUs, without TensorFlow; runs models that a launcher has converted
#         launcher: with tensorflow-cpu, which converts them; works as a worker too
#         gpu: with TensorFlow and NVIDIA's libraries
# PREFIX  the environment's folder; made
# SOURCE  the project, or a wheel of it
set -eu

kind=$1
prefix=$2
source=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 -m venv "$scratch/tools"
"$scratch/tools/bin/python" -m pip install --quiet 'uv>=0.13'
# With pip: Beam's boot program asks it what is there, and installs by it what a job brings.
python3 -m venv "$prefix"

# What this program imports nothing of. Beam's extra [gcp] brings a client for each of its connectors.
never="python_version < '3'"
for unused in google-cloud-aiplatform google-cloud-language google-cloud-recommendations-ai \
    google-cloud-videointelligence google-cloud-vision google-cloud-dlp google-cloud-spanner \
    google-cloud-bigtable google-cloud-pubsublite google-cloud-datastore
do
    echo "$unused ; $never"
done > "$scratch/overrides.txt"
case $kind in
    worker)
        set --
        printf '%s\n' "tensorflow ; $never" "keras ; $never" >> "$scratch/overrides.txt"
        ;;
    launcher)
        set -- tensorflow-cpu
        echo "tensorflow ; $never" >> "$scratch/overrides.txt"
        ;;
    gpu)
        set -- 'tensorflow[and-cuda]'
        ;;
    *)
        echo "install.sh: there is no kind $kind: worker, launcher or gpu" >&2
        exit 2
        ;;
esac
"$scratch/tools/bin/uv" pip install --quiet --python "$prefix/bin/python" \
    --override "$scratch/overrides.txt" "$source" "$@"

# Headers, static libraries and the packages' own tests are for building and testing them.
packages=$("$prefix/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
rm -rf "$packages/pyarrow/include" "$packages/tensorflow/include" "$packages/apache_beam/examples"
find "$packages" -type d -name tests -prune -exec rm -rf {} +
find "$packages" -name '*.a' -delete
