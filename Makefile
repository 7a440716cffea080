# Everything runs in a virtual environment of the project's own; Python 3.11 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install quickstart test slow engines docs fuzz bench bench-bars lint types format clean \
	image template run-dataflow-cpu run-dataflow-gpu

install: $(INSTALLED)

$(INSTALLED): pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

quickstart: $(INSTALLED) ## pictures of which the truth is known, segmented, scored and shown
	$(BIN)/beam-deeplab quickstart

test: lint types ## lint, types, and every test that takes seconds
	$(BIN)/pytest --numprocesses=2 --dist=worksteal -m 'not slow and not engines'

slow: $(INSTALLED) ## the tests that take longer: runs killed again and again, trainings, large networks
	$(BIN)/pytest --numprocesses=2 --dist=worksteal -m 'slow and not engines'

engines: $(INSTALLED) ## fetches Prism and Flink by Go and Maven, once, and runs the tests on them
	$(BIN)/python -m tests.engines.fetching
	$(BIN)/pytest -m engines

docs: $(INSTALLED) ## the pages and the reference of every module, in build/docs; a warning fails
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs

fuzz: $(INSTALLED) ## a longer campaign against the decoder than the suite's 600 cases
	DECODER_FUZZ_CASES=$${DECODER_FUZZ_CASES:-20000} $(BIN)/pytest tests/test_fuzz_decoding.py

bench: $(INSTALLED) ## every benchmark beside its peers; needs DEEPLAB_SHARED
	$(BIN)/python -m benchmarks

bench-bars: $(INSTALLED) ## just the ratios that the project promises, in a quarter of an hour
	$(BIN)/python -m benchmarks --bars

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# On Dataflow; docs/dataflow.md says what the variables are.
KIND ?= worker
GPU ?= type:nvidia-l4;count:1;install-nvidia-driver
DATAFLOW = $(BIN)/beam-deeplab segment --input='$(INPUT)' --output='$(OUTPUT)' --model='$(MODEL)' \
	--runner=DataflowRunner --project=$(PROJECT) --region=$(REGION) --temp_location=$(TEMP) \
	--sdk_container_image=$(IMAGE) $(FLAGS)

# Fails, with its name, where a variable is missing.
needs = $(foreach name,$(1),$(if $($(name)),,$(error give $(name)=…)))

image: ## a worker's image, IMAGE=…; KIND=worker (CPUs), launcher or gpu
	$(call needs,IMAGE)
	docker build --file docker/Dockerfile --build-arg KIND=$(KIND) --tag $(IMAGE) .
	docker push $(IMAGE)

template: ## a Flex Template at TEMPLATE=gs://…, and its image IMAGE=…, for its workers too
	$(call needs,IMAGE TEMPLATE)
	docker build --file docker/Dockerfile --target template --build-arg IMAGE=$(IMAGE) \
		--build-arg KIND=$(if $(filter gpu,$(KIND)),gpu,launcher) --tag $(IMAGE) .
	docker push $(IMAGE)
	gcloud dataflow flex-template build $(TEMPLATE) --image=$(IMAGE) --sdk-language=PYTHON \
		--metadata-file=flex_template/metadata.json

run-dataflow-cpu: $(INSTALLED) ## a job: INPUT OUTPUT MODEL PROJECT REGION TEMP IMAGE, and FLAGS
	$(call needs,INPUT OUTPUT MODEL PROJECT REGION TEMP IMAGE)
	$(DATAFLOW)

run-dataflow-gpu: $(INSTALLED) ## the same on GPUs, one L4 a worker unless GPU= and FLAGS say another
	$(call needs,INPUT OUTPUT MODEL PROJECT REGION TEMP IMAGE)
	$(DATAFLOW) --accelerator='$(GPU)' $(if $(findstring --machine_type,$(FLAGS)),,--machine_type=g2-standard-4) \
		$(if $(findstring use_nvidia_mps,$(GPU)),,--experiments=no_use_multiple_sdk_containers)

clean:
	rm -rf $(VENV) build dist *.egg-info
