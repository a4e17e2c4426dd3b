# Cinch's commands. `make demo` and `make test` need nothing but Swift: they install what is missing.

.DEFAULT_GOAL := help
.PHONY: help demo test snapshots build example format lint selftest oclgrind avx512-check sanitize gpu-isa fuzz bench profile plan-check scaling commands gpu-report peers golden pytorch-check onnx-check tensorboard-check rbm-check patches-check report-check bundle install uninstall deb deb-test bundle-test drivers-test docs clean need

SWIFT ?= swift
CINCH = .build/release/cinch
DEVICE ?= opencl
# Of this machine, for the names of results: avx2, avx512, baseline.
VECTORS = $(shell python3 Benchmarks/machine.py --vectors)
PYTORCH_CHECK = $(addprefix .build/pytorch-check/,run x.npy y.npy)

# Warnings are errors in everything that is this package's own; SwiftPM silences those of its dependencies.
STRICT = -Xswiftc -warnings-as-errors -Xcc -Wall -Xcc -Werror=all
# Tests are a debug build, for what they need to see, but optimised: that takes half as long again to compile, and half as
# long to run.
TEST_FLAGS = $(STRICT) -Xcc -O2 -Xswiftc -O
SWIFT_FILES = Package.swift Sources Kernels Tests Examples

help:  ## Lists the commands
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## */\1\t/' | awk -F'\t' '{printf "make %-19s %s\n", $$1, $$2}'

demo: build  ## Trains a sparse autoencoder over OpenCL on Fashion-MNIST and shows what it learned
	$(CINCH) train sparse --device $(DEVICE) --epochs 60

test: need  ## Builds and runs every test, and the example of the README
	$(SWIFT) build --build-tests $(TEST_FLAGS)
	CINCH_TUNING=off $(SWIFT) test --skip-build $(TEST_FLAGS)
	@$(MAKE) --no-print-directory example

snapshots: need  ## Writes the help texts, launch logs and article on ops that tests compare with
	$(SWIFT) build --build-tests $(TEST_FLAGS)
	CINCH_UPDATE_SNAPSHOTS=1 $(SWIFT) test --skip-build $(TEST_FLAGS) --filter 'HelpTests|OpTableTests|LaunchLogTests'

build: need  ## Builds the program cinch, optimised
	@Tools/commit
	$(SWIFT) build -c release --product cinch

example: need  ## Builds and runs the example of the README, for one epoch
	rm -rf Examples/TrainAndEncode/.build/run
	$(SWIFT) run -c release --package-path Examples/TrainAndEncode TrainAndEncode 1 Examples/TrainAndEncode/.build/run

format:  ## Formats every Swift file
	$(SWIFT) format format --in-place --recursive $(SWIFT_FILES)

lint:  ## Checks the format of every Swift file
	$(SWIFT) format lint --strict --recursive $(SWIFT_FILES)

selftest: build  ## Checks the ops of every device here against the reference
	$(CINCH) selftest

oclgrind: build  ## Looks for data races and stray accesses in both kernel families (some minutes)
	@Tools/need oclgrind
	Tools/oclgrind $(CINCH)

avx512-check: build  ## Runs the small op cases with AVX-512 on an emulated processor (some minutes)
	@Tools/need bochs bochsbios isolinux syslinux-common genisoimage busybox-static cpio
	Tools/avx512-check $(CINCH)

# Address space that a test limits is too little for the sanitizer's own.
# LLVM gives threads signal stacks that AddressSanitizer would take for its own.
sanitize: need  ## Runs the tests with AddressSanitizer, but for those that limit memory (half an hour)
	$(SWIFT) build --build-tests $(TEST_FLAGS) --sanitize=address --scratch-path .build/sanitize
	ASAN_OPTIONS=detect_leaks=0:use_sigaltstack=0 $(SWIFT) test --skip-build $(TEST_FLAGS) --sanitize=address --scratch-path .build/sanitize \
	  --skip 'CommandTests\.MemoryTests|manyPatchesAreNoTrap|aNetworkThatDoesNotFitIsRefusedAtOnce'

gpu-isa: need  ## What compilers of NVIDIA, AMD and Intel make of the GPU family, held to its table; WRITE=1 makes that anew
	@Tools/gpu-isa/setup .build/gpu-isa
	$(SWIFT) build -c release --product ExportKernels
	rm -rf .build/gpu-programs
	.build/release/ExportKernels .build/gpu-programs
	python3 Tools/gpu-isa/report.py .build/gpu-isa .build/gpu-programs Benchmarks/results/gpu-isa.md $(if $(WRITE),--write)

fuzz: need  ## Reads damaged files of every format: COUNT (100000) each, by SEED (1), of FORMATS (all)
	$(SWIFT) build -c release --product Fuzz
	.build/release/Fuzz --count $(or $(COUNT),100000) --seed $(or $(SEED),1) $(addprefix --format ,$(FORMATS))

bench: build  ## Training throughput and the fraction of the roofline, on DEVICE (opencl)
	$(CINCH) bench --device $(DEVICE)

profile: DEVICE = opencl cpu
profile: build  ## Writes where an update's time goes, op by op, to Benchmarks/results/profile-VECTORS.md
	python3 Benchmarks/profile_table.py $(CINCH) --device $(DEVICE) > .build/profile.md
	mv .build/profile.md Benchmarks/results/profile-$(VECTORS).md

plan-check: DEVICE = opencl cpu
plan-check: build  ## What `cinch plan` predicts beside what short runs take
	python3 Benchmarks/check_plan.py $(CINCH) --device $(DEVICE)

scaling: DEVICE = opencl cpu
scaling: build  ## Writes throughput against batch, width, image, depth, samples and threads to Benchmarks/results/scaling-VECTORS.md
	python3 Benchmarks/scaling.py $(CINCH) --device $(DEVICE) --output Benchmarks/results/scaling-$(VECTORS).md

commands: DEVICE = opencl cpu
commands: build  ## Writes how long whole commands take, beside PyTorch's and JAX's, to Benchmarks/results/commands-VECTORS.md; ROUNDS (5)
	Benchmarks/setup-python.sh
	.venv/bin/python Benchmarks/commands.py --cinch $(CINCH) --device $(DEVICE) --rounds $(or $(ROUNDS),5) > .build/commands.md
	mv .build/commands.md Benchmarks/results/commands-$(VECTORS).md

gpu-report: build  ## Everything about Cinch on DEVICE (opencl), beside peers where PYTHON has PyTorch, in gpu-report.md: 10 minutes
	python3 Benchmarks/gpu_report.py --cinch $(CINCH) --device $(DEVICE) $(if $(PYTHON),--python $(PYTHON)) --output gpu-report.md

peers: DEVICE = opencl cpu
peers: build  ## Compares with PyTorch, torch.compile and JAX in turns; ROUNDS (5)
	Benchmarks/setup-python.sh
	.venv/bin/python Benchmarks/compare.py --device $(DEVICE) --rounds $(or $(ROUNDS),5)

golden:  ## Makes the golden values of the tests anew, with PyTorch and NumPy
	Benchmarks/setup-python.sh
	.venv/bin/python Benchmarks/golden.py
	.venv/bin/python Benchmarks/golden_convolution.py
	.venv/bin/python Benchmarks/golden_components.py

pytorch-check: build  ## Has PyTorch reconstruct from Cinch's weights, as nn.Sequential too, and Cinch from PyTorch's
	Benchmarks/setup-python.sh
	rm -rf .build/pytorch-check && mkdir -p .build/pytorch-check
	$(CINCH) train conv --device $(DEVICE) --epochs 1 --out .build/pytorch-check/run
	.venv/bin/python Benchmarks/check_pytorch.py --make-samples 100 $(PYTORCH_CHECK)
	$(CINCH) reconstruct .build/pytorch-check/run --device $(DEVICE) --data .build/pytorch-check/x.npy \
	  --output .build/pytorch-check/y.npy
	.venv/bin/python Benchmarks/check_pytorch.py $(PYTORCH_CHECK)
	.venv/bin/python Benchmarks/check_sequential.py $(CINCH)

onnx-check: build  ## Exports every recipe as ONNX, and compares onnxruntime's outputs with Cinch's
	Benchmarks/setup-python.sh
	.venv/bin/pip install --quiet onnx==1.23.2 onnxruntime==1.32.0
	.venv/bin/python Benchmarks/check_onnx.py $(CINCH)

tensorboard-check: build  ## Reads every recipe's events with TensorBoard's own reader, and compares them with its files
	Benchmarks/setup-python.sh
	.venv/bin/pip install --quiet tensorboard==2.21.0 setuptools==80.9.0 pillow==13.0.0
	.venv/bin/python Benchmarks/check_tensorboard.py $(CINCH)

rbm-check: build  ## Compares a Boltzmann machine's pseudo-likelihood with scikit-learn's
	Benchmarks/setup-python.sh
	.venv/bin/pip install --quiet scikit-learn==1.9.1
	.venv/bin/python Benchmarks/check_rbm.py $(CINCH)

patches-check: build  ## Learns edges from photographs' patches by L-BFGS, and measures how oriented they are
	Benchmarks/setup-python.sh
	.venv/bin/pip install --quiet scikit-learn==1.9.1 pillow==13.0.0
	rm -rf .build/patches-check
	.venv/bin/python Benchmarks/check_patches.py $(CINCH) .build/patches-check

report-check: build  ## Makes reports of every recipe, and looks at them in Chromium, light and dark, wide and narrow
	@Tools/need chromium
	python3 Benchmarks/check_report.py $(CINCH) .build/report-check

bundle: need  ## Makes dist/cinch-VERSION-linux-x86_64.tar.gz, which runs on other machines
	SWIFT="$(SWIFT)" Tools/bundle

install:  ## Makes the bundle and installs it below PREFIX (/usr/local), with man pages and completions
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" Tools/install check
	@$(MAKE) --no-print-directory bundle
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" Tools/install

uninstall:  ## Removes what install put below PREFIX
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" Tools/install remove

deb: bundle  ## Makes dist/cinch_VERSION_ARCHITECTURE.deb of it
	Tools/deb

deb-test:  ## Installs the package in a fresh Debian 12 without Swift, and uses it there
	@Tools/need debootstrap
	Tools/deb-test

bundle-test:  ## Unpacks the bundle elsewhere and runs it in an empty environment
	Tools/bundle-test

drivers-test:  ## Tries the bundle over Mesa's OpenCL and a newer PoCL, in a fresh Debian 13; INTEL=1: Intel's too (15 min)
	@Tools/need debootstrap
	INTEL="$(INTEL)" Tools/drivers-test

lecture-%: need
	$(SWIFT) run -c release --package-path Examples/Lectures Lectures $* .build/lectures/$* --device $(DEVICE)

lecture-pretraining:  ## Errors with and without pre-training, one to four layers deep, plain and rotated images (15 min)
lecture-filters:  ## What a denoising autoencoder's units look for, the more is destroyed (2 min)
lecture-codes:  ## PCA against linear, shallow and deep autoencoders; codes of two numbers as a map
lecture-variants:  ## Five epochs, denoising, L1 against KL, denoising against contractive (5 min)
lecture-transposed:  ## A transposed convolution as a product with a matrix

docs: need  ## Makes the library's documentation in .build/docs
	SWIFT="$(SWIFT)" Tools/docs

clean:  ## Removes what was built; runs and .venv stay
	rm -rf .build dist Examples/*/.build

need:
	@Tools/need ocl-icd-opencl-dev opencl-headers libopenblas-dev pocl-opencl-icd libpng-dev zlib1g-dev libdeflate-dev libjpeg-dev \
	  dataset-fashion-mnist
