#!/usr/bin/env python3
"""Runs exported models in onnxruntime, and compares what comes out with what Cinch itself writes.

    make onnx-check      # or: .venv/bin/python Benchmarks/check_onnx.py .build/release/cinch [NAME ...]

Every recipe of `cinch recipes` is trained for a moment, and beside them what recipes do not have: every scaling, channels last,
tied weights, other geometries, tables with texts and missing cells. Each part is exported. onnx.checker must accept it with
shapes inferred strictly, and on raw samples onnxruntime must give what `cinch encode`, `decode`, `reconstruct` and `classify`
write, one sample alone, or all of them: within 1e-5 of a value's largest among the samples, or of 1.
"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

from exported import GEOMETRIES, SAMPLES, images

TOLERANCE = 1e-5
DEVICE = ["--device", "cpu"]


class Check:
    def __init__(self, cinch, folder):
        self.cinch, self.folder, self.failures, self.compared = cinch, folder, [], 0

    def run(self, *arguments):
        done = subprocess.run([self.cinch, *map(str, arguments)], capture_output=True, text=True)
        return done

    def must(self, *arguments):
        done = self.run(*arguments)
        if done.returncode != 0:
            raise RuntimeError(f"cinch {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done

    def session(self, path):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def compare(self, what, path, x, expected):
        session = self.session(path)
        name = session.get_inputs()[0].name
        for rows in (len(x), 1):
            got = session.run(None, {name: x[:rows].astype(np.float32)})[0]
            if got.shape != expected[:rows].shape:
                return self.failures.append(f"{what}: shape {got.shape}, not {expected[:rows].shape}")
            error = (np.abs(got - expected[:rows]) / np.maximum(1, np.abs(expected).max(0))).max()
            self.compared += 1
            if not error <= TOLERANCE:
                return self.failures.append(f"{what}: differs by {error:.1e} with {rows} rows")
        print(f"{what:40} {error:.1e}")

    def case(self, name, train, data, x=None, labels=None):
        """Trains with `train`, and compares every part; `x` is what the model takes where that is not the file's array."""
        place = self.folder / name
        place.mkdir()
        if isinstance(data, np.ndarray):
            x = data if x is None else x
            np.save(place / "x.npy", data)
            data = place / "x.npy"
        run = place / "run"
        more = []
        if labels is not None:
            np.save(place / "labels.npy", labels)
            more = ["--labels", place / "labels.npy"]
        self.must("train", *train, "--data", data, *more, "--out", run, "--quiet", *DEVICE)
        source = ["--data", data]
        self.must("encode", run, *source, "-o", place / "code.npy", *DEVICE)
        code = np.load(place / "code.npy")
        self.must("export", run, "--part", "encoder", "-o", place / "encoder.onnx")
        self.compare(f"{name} encoder", place / "encoder.onnx", x, code)
        self.must("export", run, "-o", place / "all.onnx")
        if labels is not None:
            return self.classes(name, place, run, source, x)
        self.must("reconstruct", run, *source, "-o", place / "reconstruction.npy", *DEVICE)
        self.compare(f"{name} all", place / "all.onnx", x, np.load(place / "reconstruction.npy"))
        decoded = self.run("decode", run, "--codes", place / "code.npy", "-o", place / "decoded.npy", *DEVICE)
        exported = self.run("export", run, "--part", "decoder", "-o", place / "decoder.onnx")
        if decoded.returncode != exported.returncode or exported.returncode not in (0, 64):
            return self.failures.append(f"{name} decoder: export ended with {exported.returncode}, decode with {decoded.returncode}")
        if exported.returncode == 0:
            self.compare(f"{name} decoder", place / "decoder.onnx", code, np.load(place / "decoded.npy"))

    def classes(self, name, place, run, source, x):
        self.must("classify", run, *source, "-o", place / "classes.csv", *DEVICE)
        with open(place / "classes.csv", newline="") as file:
            expected = [row[-1] for row in csv.reader(file)]
        session = self.session(place / "all.onnx")
        got = session.run(None, {"input": x.astype(np.float32)})[0]
        metadata = session.get_modelmeta().custom_metadata_map
        names = json.loads(metadata["classes"]) if "classes" in metadata else [str(i) for i in range(got.shape[1])]
        told = [names[i] for i in got.argmax(1)]
        self.compared += 1
        if told != expected[-len(told):] or not np.allclose(got.sum(1), 1, atol=1e-5):
            self.failures.append(f"{name} all: {sum(a != b for a, b in zip(told, expected[-len(told):]))} other classes")
        else:
            print(f"{name + ' all':40} same classes")

    def table(self):
        """A table with numbers of several units, texts and missing cells: the model takes a number for each feature."""
        random = np.random.default_rng(4)
        a, b = random.normal(size=(2, 200))
        rows = [
            [f"{1e6 + 40 * a[i]:.2f}", f"{b[i] - a[i]:.4f}", "yes" if a[i] > 0 else "no",
             ["red", "green", "blue"][int(abs(3 * b[i])) % 3], f"{1e-3 * b[i]:.6f}"] for i in range(200)
        ]
        for index in range(0, 200, 7):
            rows[index][index % 5] = ""
        path = self.folder / "table.csv"
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows([["big", "plain", "answer", "colour", "small"], *rows])
        answers = ["no", "yes"]
        config = self.folder / "imputation-table" / "run" / "config.json"

        def features():
            columns = json.loads(config.read_text())["data"]["options"]["schema"]["columns"]
            out = []
            for row in rows:
                values = []
                for cell, column in zip(row, columns):
                    if column["kind"] == "number":
                        values.append(float(cell) if cell else np.nan)
                    elif column["kind"] == "binary":
                        values.append(float(column["texts"].index(cell)) if cell else np.nan)
                    else:
                        values += [float(text == cell) if cell else np.nan for text in column["texts"]]
                out.append(values)
            return np.array(out, np.float64)

        class Later:
            """The schema is known once the run is there."""

            def __len__(self):
                return len(rows)

            def __getitem__(self, part):
                return features()[part]

        self.case("imputation-table", ["imputation", "--epochs", 2], path, Later())


def main():
    cinch, wanted = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2:]
    with tempfile.TemporaryDirectory() as name:
        check = Check(cinch, pathlib.Path(name))
        grey, labels = images(28, 28), np.arange(SAMPLES) % 10
        cases = {}
        for item in json.loads(check.must("recipes", "--json").stdout):
            own = item["name"]
            epochs = [] if own in ("pca", "ppca") else ["--epochs", 1]
            cases[own] = lambda own=own, epochs=epochs: check.case(
                own, [own, *epochs], grey, labels=labels if own == "classifier" else None)
        assert len(cases) > 15, "cinch recipes lists too few"
        flat = np.random.default_rng(1).normal([1e5, 0, -3, 200], [1e-1, 1e-3, 1, 50], (SAMPLES, 4)).astype(np.float32)
        flat[:, 3] = 7
        linear = ["--output-activation", "linear", "--loss", "sse", "--epochs", 1]
        for scale in ("none", "minmax", "standard"):
            cases[f"scale-{scale}"] = lambda scale=scale: check.case(
                f"scale-{scale}", ["linear", "--layers", "4,2", "--scale", scale, "--epochs", 1], flat)
        cases["scale-bytes"] = lambda: check.case(
            "scale-bytes", ["deep", "--scale", "bytes", "--epochs", 1], grey.astype(np.float32))
        cases["scale-zca"] = lambda: check.case(
            "scale-zca", ["linear", "--layers", "64,12", "--scale", "zca", "--epochs", 1], images(8, 8, seed=2))
        cases["scale-zca-small-epsilon"] = lambda: check.case(
            "scale-zca-small-epsilon",
            ["linear", "--layers", "64,12", "--scale", "zca", "--zca-epsilon", "1e-3", "--epochs", 1], images(8, 8, seed=2))
        colour = images(12, 8, 3, seed=3)
        last = ["--layout", "nhwc"]
        cases["nhwc-conv"] = lambda: check.case("nhwc-conv", ["conv", "--epochs", 1, *last], colour)
        cases["nhwc-standard"] = lambda: check.case(
            "nhwc-standard", ["conv", *linear, "--scale", "standard", *last], colour)
        cases["nhwc-dense"] = lambda: check.case(
            "nhwc-dense", ["linear", "--epochs", 1, "--scale", "minmax", *last], colour)
        first = np.ascontiguousarray(colour.transpose(0, 3, 1, 2))
        cases["nchw-zca"] = lambda: check.case("nchw-zca", ["conv", *linear, "--scale", "zca"], np.ascontiguousarray(first[:, :, ::2, ::2]))
        cases["flat-images"] = lambda: check.case(
            "flat-images", ["conv", "--epochs", 1, "--image-shape", "1,28,28"], grey.reshape(SAMPLES, -1),
            grey.reshape(SAMPLES, 1, 28, 28))
        cases["tied"] = lambda: check.case("tied", ["deep", "--tied", "--epochs", 1], grey)
        cases["imputation-table"] = check.table
        for key, network in GEOMETRIES.items():
            def geometry(key=key, network=network):
                path = check.folder / f"{key}.json"
                path.write_text(json.dumps(network))
                channels, height, width = network["architecture"]["image"]
                data = images(height, width, channels, seed=5).transpose(0, 3, 1, 2) / np.float32(255)
                check.case(key, ["--recipe", path], np.ascontiguousarray(data.astype(np.float32)))
            cases[key] = geometry
        for key, run in cases.items():
            if wanted and key not in wanted:
                continue
            try:
                run()
            except Exception as error:  # The other cases are still worth knowing.
                check.failures.append(f"{key}: {type(error).__name__}: {error}")
        for failure in check.failures:
            print("FAILED", failure)
        print(f"{check.compared} comparisons, {len(check.failures)} failures")
        sys.exit(bool(check.failures) or check.compared == 0)


if __name__ == "__main__":
    main()
