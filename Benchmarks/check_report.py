#!/usr/bin/env python3
"""Not a benchmark: makes reports of every recipe, and looks at them as a browser does.

    make report-check      # or: python3 Benchmarks/check_report.py .build/release/cinch .build/report-check [NAME ...]

Every recipe of `cinch recipes` is trained for an epoch on a few images, and beside them a table with texts and missing cells, a
stack, a classifier made of it, and several runs in one page. Each page must close what it opens, load nothing, have no script, and not
scroll sideways in Chromium, light and dark, at 1280 and at 400 pixels. The pictures stay in the folder that is named. Chromium is looked
for on PATH; without it only pages are checked.
"""
import html.parser
import json
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

SAMPLES = 96
SIZES = (1280, 400)
MOST_BYTES = 3_500_000
DEVICE = ["--device", "cpu"]
VOID = {"meta", "img", "br", "hr", "link", "input", "wbr"}


class Page(html.parser.HTMLParser):
    """Collects what is wrong with a page."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.ids, self.targets, self.style = [], [], set(), set(), ""

    def handle_starttag(self, tag, attributes):
        self.look(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.look(tag, attributes)

    def look(self, tag, attributes):
        if tag in ("script", "iframe", "link", "object", "embed", "base"):
            self.faults.append(f"has <{tag}>")
        for name, value in attributes:
            if name == "id":
                if value in self.ids:
                    self.faults.append(f"has two of id {value}")
                self.ids.add(value)
            if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
                if value.startswith("#"):
                    self.targets.add(value[1:])
                elif not value.startswith("data:image/png;base64,"):
                    self.faults.append(f"loads {value[:60]}")
            if name.startswith("on") or "javascript:" in (value or ""):
                self.faults.append(f"has a script in {name}")
            if value and re.search(r"\b(nan|inf)\b", value) and name in ("d", "x", "y", "width", "height", "transform"):
                self.faults.append(f"draws at {value[:40]}")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"closes </{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data

    def finish(self):
        self.close()
        if self.open:
            self.faults.append(f"leaves {self.open} open")
        if "url(" in self.style or "@import" in self.style:
            self.faults.append("has a style that loads something")
        for target in sorted(self.targets - self.ids):
            self.faults.append(f"refers to #{target}, which is not there")
        return self.faults


class Check:
    def __init__(self, cinch, folder, output):
        self.cinch, self.folder, self.output, self.failures, self.pages = cinch, folder, output, [], 0
        self.chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

    def must(self, *arguments):
        done = subprocess.run([self.cinch, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"cinch {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done

    def browse(self, *arguments):
        profile = self.folder / "chromium"
        command = [
            self.chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}",
            "--virtual-time-budget=3000", "--allow-file-access-from-files", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"Chromium ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        return done

    def size(self, path, width):
        """The page's width and height in a window of this width: a page around it measures, and tells by its title."""
        around = self.folder / "around.html"
        around.write_text(
            "<!DOCTYPE html><title>none</title><body style='margin:0'>"
            f"<iframe id=f style='border:0;width:{width}px;height:900px' src='{path.as_uri()}'></iframe>"
            "<script>f.onload=()=>{const e=f.contentDocument.documentElement;"
            "document.title=e.scrollWidth+' '+e.scrollHeight}</script>")
        found = re.search(r"<title>(\d+) (\d+)</title>", self.browse("--dump-dom", around.as_uri()).stdout)
        if not found:
            raise RuntimeError(f"Chromium does not tell how large {path} is")
        return int(found[1]), int(found[2])

    def look(self, name, path):
        for width in SIZES:
            wide, high = self.size(path, width)
            if wide > width:
                self.failures.append(f"{name}: scrolls sideways at {width}, {wide} wide")
            for theme in ("light", "dark"):
                picture = self.output / f"{name}-{theme}-{width}.png"
                picture.unlink(missing_ok=True)   # an earlier one would be taken for this one
                # A window of Chromium is no narrower than 500.
                around = self.folder / "frame.html"
                around.write_text(
                    f"<!DOCTYPE html><html style='color-scheme:{theme}'><body style='margin:0'>"
                    f"<iframe style='border:0;width:{width}px;height:{high}px;color-scheme:{theme}' src='{path.as_uri()}'>"
                    "</iframe>")
                dark = ["--blink-settings=preferredColorScheme=0"] if theme == "dark" else ["--blink-settings=preferredColorScheme=1"]
                self.browse(*dark, f"--window-size={max(width, 500)},{min(high, 12000)}", f"--screenshot={picture}", around.as_uri())
                if not picture.exists():
                    self.failures.append(f"{name}: no picture {theme} at {width}")

    def report(self, name, *runs):
        path = self.output / f"{name}.html"
        done = self.must("report", *runs, "-o", path, "--overwrite", *DEVICE)
        text = path.read_text()
        page = Page()
        page.feed(text)
        self.failures += [f"{name}: {fault}" for fault in page.finish()]
        # After ten seconds the program says how far it is.
        if [line for line in done.stderr.splitlines() if not line.startswith("reading ")]:
            self.failures.append(f"{name}: says {done.stderr.strip()}")
        if len(text) > MOST_BYTES:
            self.failures.append(f"{name}: has {len(text)} bytes")
        if self.chromium:
            self.look(name, path)
        self.pages += 1
        print(f"{name:20} {len(text) / 1e3:8.0f} kB", flush=True)

    def train(self, name, *line):
        run = self.folder / name
        self.must(*line, "--out", run, "--quiet", *DEVICE)
        return run

    def images(self):
        """Bytes of soft bars and boxes in three classes, as IDX files."""
        draw = random.Random(1)
        pixels, labels = bytearray(), bytearray()
        for index in range(SAMPLES):
            kind, at, level = index % 3, draw.randrange(4, 20), draw.randrange(120, 255)
            for y in range(28):
                for x in range(28):
                    inside = (abs(x - at) < 4, abs(y - at) < 4, abs(x - at) < 7 and abs(y - 14) < 7)[kind]
                    pixels.append(min(255, (level if inside else 0) + draw.randrange(8)))
            labels.append(kind)
        images, names = self.folder / "images-idx3-ubyte", self.folder / "labels.txt"
        images.write_bytes(struct.pack(">IIII", 0x803, SAMPLES, 28, 28) + bytes(pixels))
        names.write_text("".join(f"{('bar', 'beam', 'box')[label]}\n" for label in labels))
        return ["--data", images, "--labels", names]

    def table(self):
        draw = random.Random(2)
        path = self.folder / "table <b>.csv"
        lines = ["big,plain,answer,\"odd <i>&\"\"name\"\"\",small"]
        for index in range(150):
            a, b = draw.gauss(0, 1), draw.gauss(0, 1)
            cells = [f"{1e6 + 40 * a:.2f}", f"{b - a:.4f}", "yes" if a > 0 else "no", ("red", "green", "a<b")[index % 3], f"{b / 1e3:.6f}"]
            if index % 7 == 0:
                cells[index % 5] = ""
            lines.append(",".join(cells))
        path.write_text("\n".join(lines) + "\n")
        return path


def main():
    cinch, output, wanted = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:]
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        check = Check(cinch, pathlib.Path(name), output)
        if not check.chromium:
            print("Chromium is not here: pages are checked, and not looked at")
        images, cases, runs = check.images(), {}, []
        for item in json.loads(check.must("recipes", "--json").stdout):
            own = item["name"]
            epochs = [] if own in ("pca", "ppca") else ["--epochs", 1]

            def case(own=own, epochs=epochs):
                # Fewer components than samples.
                layers = ["--layers", "784,40"] if own in ("pca", "ppca") else []
                run = check.train(own, "train", own, *epochs, *layers, *images)
                runs.append(run)
                check.report(own, run)
            cases[own] = case
        assert len(cases) > 15, "cinch recipes lists too few"

        def table():
            run = check.train("mixed", "train", "imputation", "--epochs", 3, "--validation-split", 0.2, "--data", check.table())
            check.report("table", run)

        def stack():
            run = check.train(
                "stack", "pretrain", "--layers", "784,30,10", "--module", "denoising", "--epochs", 2, *images)
            check.report("stack", run)
            check.report("finetuned", check.train("finetuned", "finetune", run, "--epochs", 2, *images))

        cases |= {"table": table, "stack": stack, "several": lambda: check.report("several", *runs[:24])}
        for key, run in cases.items():
            if wanted and key not in wanted:
                continue
            try:
                run()
            except Exception as error:  # The other cases are still worth knowing.
                check.failures.append(f"{key}: {type(error).__name__}: {error}")
        for failure in check.failures:
            print("FAILED", failure)
        print(f"{check.pages} pages, {len(check.failures)} failures")
        sys.exit(bool(check.failures) or check.pages == 0)


if __name__ == "__main__":
    main()
