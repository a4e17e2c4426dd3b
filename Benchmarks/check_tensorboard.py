#!/usr/bin/env python3
"""Reads the events that runs write with TensorBoard's own reader, and compares them with the runs' files.

    make tensorboard-check      # or: .venv/bin/python Benchmarks/check_tensorboard.py .build/release/cinch [NAME ...]

Every recipe of `cinch recipes` is trained for two epochs with --tensorboard and goes on for another, in another process, once
with an event cut in two, as a killed process leaves it, and a stale one of an epoch that had no checkpoint. Each epoch's
figures must be those of history.csv once each, pictures must be PNGs of the size they claim, a parameter's histogram must
count its values and give their sum.
"""
import csv
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from exported import SAMPLES, images


def parameters(path):
    """The arrays of a safetensors file."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data[8 + size:][slice(*entry["data_offsets"])], np.float32) for name, entry in header.items()
        if entry["dtype"] == "F32"
    }


def read(run):
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0, "histograms": 0})
    events.Reload()
    return events


class Check:
    def __init__(self, cinch, folder):
        self.cinch, self.folder, self.compared = cinch, folder, 0

    def must(self, *arguments):
        done = subprocess.run([self.cinch, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"cinch {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def figures(self, events, run, epochs):
        with open(run / "history.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == epochs, f"{len(rows)} epochs in history.csv"
        tags = events.Tags()["scalars"]
        assert "training/loss" in tags
        for tag in tags:
            group, name = tag.split("/")
            column = "validation_" + name.replace("reconstruction_", "") if group == "validation" else name
            got = [(event.step, event.value) for event in events.Scalars(tag)]
            assert [step for step, _ in got] == list(range(1, epochs + 1)), f"{tag} is there for {got}"
            for row, (_, value) in zip(rows, got):
                expected = float(row[column])
                assert abs(value - expected) <= 1e-6 * abs(expected), f"{tag}: {value}, not {expected}"
                self.compared += 1
        missing = [
            column for column in rows[0] if not any(tag.split("/")[1] == column or tag.startswith("validation/") and
            column == "validation_" + tag.split("/")[1].replace("reconstruction_", "") for tag in tags)
        ]
        assert set(missing) <= {"epoch", "layer", "seconds", "run"}, f"no figures of {missing}"

    def views(self, events, run, epochs, is_classifier):
        tags = events.Tags()
        pictures = {"filters"} if is_classifier else {"filters", "reconstructions"}
        assert pictures <= set(tags["images"]), tags["images"]
        for tag in tags["images"]:
            assert [event.step for event in events.Images(tag)] == list(range(1, epochs + 1))
            for event in events.Images(tag):
                path = self.folder / "picture.png"
                path.write_bytes(event.encoded_image_string)
                with Image.open(path) as image:
                    image.load()
                    assert image.size == (event.width, event.height)
                self.compared += 1
        model = parameters(run / "model.safetensors")
        assert {f"parameters/{name}" for name in model} <= set(tags["histograms"]), tags["histograms"]
        for name, values in model.items():
            last = events.Histograms(f"parameters/{name}")[-1]
            told = last.histogram_value
            exact = values.astype(np.float64)
            assert last.step == epochs and told.num == values.size == sum(told.bucket)
            assert np.isclose(told.sum, exact.sum(), rtol=1e-9, atol=1e-9 * np.abs(exact).sum()), name
            assert (np.float32(told.min), np.float32(told.max)) == (values.min(), values.max())
            edges = [told.min, *told.bucket_limit]
            if len(told.bucket) > 1:
                counts, _ = np.histogram(exact, edges)
                # A value on an edge may fall on either side.
                assert np.abs(np.cumsum(counts) - np.cumsum(told.bucket)).max() <= 2, name
            self.compared += 1
        assert {"codes/values", "codes/unit_means"} <= set(tags["histograms"])

    def case(self, name, closed_form):
        place = self.folder / name
        place.mkdir()
        np.save(place / "x.npy", images(28, 28))
        np.save(place / "labels.npy", np.arange(SAMPLES) % 10)
        run = place / "run"
        epochs = [] if closed_form else ["--epochs", 2]
        labels = ["--labels", place / "labels.npy"] if name == "classifier" else []
        common = ["--device", "cpu", "--quiet", "--tensorboard"]
        self.must(
            "train", name, *epochs, "--data", place / "x.npy", *labels, "--validation-split", 0.2, "--out", run, *common)
        count = 1 if closed_form else 2
        self.figures(read(run), run, count)
        self.views(read(run), run, count, name == "classifier")
        if closed_form:
            return
        first, = run.glob("events.out.tfevents.*")
        self.must("train", "--resume", run, "--epochs", 3, *common)
        self.figures(read(run), run, 3)
        self.views(read(run), run, 3, name == "classifier")
        second, = set(run.glob("events.out.tfevents.*")) - {first}
        # Epoch 3 was trained before, but had no checkpoint yet: its events are there twice, and the last of them in part.
        stale = second.read_bytes()
        shutil.copy(first, place / "whole")
        with open(first, "ab") as file:
            file.write(stale[self.records(stale)[2]:])
            file.write(stale[:20])
        self.figures(read(run), run, 3)

    @staticmethod
    def records(data):
        starts, place = [], 0
        while place < len(data):
            starts.append(place)
            place += 16 + struct.unpack("<Q", data[place:place + 8])[0]
        return starts


def main():
    cinch, wanted = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2:]
    failures = []
    with tempfile.TemporaryDirectory() as name:
        check = Check(cinch, pathlib.Path(name))
        recipes = [item["name"] for item in json.loads(check.must("recipes", "--json"))]
        assert len(recipes) > 15, "cinch recipes lists too few"
        for recipe in recipes:
            if wanted and recipe not in wanted:
                continue
            before = check.compared
            try:
                check.case(recipe, recipe in ("pca", "ppca"))
                print(f"{recipe:40} {check.compared - before} comparisons")
            except Exception as error:  # The other recipes are still worth knowing.
                failures.append(f"{recipe}: {type(error).__name__}: {error}")
    for failure in failures:
        print("FAILED", failure)
    print(f"{check.compared} comparisons, {len(failures)} failures")
    sys.exit(bool(failures) or check.compared == 0)


if __name__ == "__main__":
    main()
