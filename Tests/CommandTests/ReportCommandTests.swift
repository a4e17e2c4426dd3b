import Cinch
import Foundation
import Testing

/// `cinch report`: what its page holds, what it says of what is missing, and what it refuses.
@Suite struct ReportCommandTests {
  private func train(_ sandbox: Sandbox, _ line: String, _ data: String = "data.csv") async throws {
    let outcome = try await sandbox.run(line: "train \(line) --data \(data) --device reference --quiet")
    #expect(outcome.status == 0, "\(outcome.errors)")
  }

  private func sandbox(_ line: String = "deep --layers 16,8,4 --epochs 2 --validation-split 0.2 --out run") async throws
    -> Sandbox
  {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    try await train(sandbox, line)
    return sandbox
  }

  private func page(_ sandbox: Sandbox, _ name: String = "run/report.html") throws -> String {
    String(decoding: try sandbox.bytes(name), as: UTF8.self)
  }

  /// Loads nothing, runs nothing, and closes what it opens.
  private func check(_ page: String) {
    #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
    #expect(!page.contains("<script") && !page.contains("javascript:") && !page.contains("@import"))
    for match in page.matches(of: /(?:src|href)=("[^"]*"|[^\s>]+)/) {
      let target = match.1.replacing("\"", with: "")
      #expect(target.hasPrefix("data:image/png;base64,") || target.hasPrefix("#"), "\(target.prefix(60))")
    }
    let void: Set = ["meta", "img", "wbr", "!DOCTYPE"]
    var open: [Substring] = []
    for tag in page.matches(of: /<(\/?)([A-Za-z!][A-Za-z0-9]*)(?:"[^"]*"|[^>"])*?(\/?)>/) {
      if void.contains(String(tag.2)) || !tag.3.isEmpty { continue }
      if tag.1.isEmpty {
        open.append(tag.2)
      } else {
        #expect(open.popLast() == tag.2)
      }
    }
    #expect(open.isEmpty)
  }

  @Test func aPageHasEverySection() async throws {
    let sandbox = try await sandbox()
    let outcome = try await sandbox.run(line: "report run --samples 40")
    #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
    #expect(outcome.output == "saved     run/report.html   (1 run)\n")
    let page = try page(sandbox)
    check(page)
    for part in [
      "<h1>Run run</h1>", "<h2>Curves</h2>", "held out", "<h3>Columns</h3>", "<h4>Worst rows</h4>", "<h3>Code</h3>",
      "Mean activation of each unit", "<h3>Map of the codes</h3>", "Principal components", "t-SNE",
      "40 of 60 samples", "<td>row ", "<title>row 1</title>", "<h3>Recipe, data and device</h3>", "data hash",
      "<h3>How to reproduce</h3>",
      "cinch train deep --layers 16,8,4 --epochs 2", "prefers-color-scheme: dark",
    ] {
      #expect(page.contains(part), "\(part)")
    }
    // The same run gives the same page.
    #expect(try await sandbox.run(line: "report run --samples 40 -o other.html").status == 0)
    #expect(try sandbox.bytes("other.html") == sandbox.bytes("run/report.html"))
    let refused = try await sandbox.run(line: "report run")
    #expect(refused.refused(64) && refused.errors.contains("--overwrite"), "\(refused.errors)")
    let text = try await sandbox.run(line: "report run -o report.txt")
    #expect(text.refused(64) && text.errors.contains("is no .html"), "\(text.errors)")
    #expect(try await sandbox.run(line: "report run --overwrite --no-tsne --samples 20").status == 0)
    #expect(try !self.page(sandbox).contains("t-SNE"))
  }

  @Test func imagesAreShown() async throws {
    let sandbox = try await sandbox("linear --image-shape 4,4 --layers 16,3 --epochs 1 --out other")
    #expect(try await sandbox.run(line: "report other --samples 30").status == 0)
    let page = try page(sandbox, "other/report.html")
    check(page)
    for part in ["<h3>Filters</h3>", "<h4>Best</h4>", "<h4>Worst</h4>", "Point at a sample", "<image id=s0"] {
      #expect(page.contains(part), "\(part)")
    }
  }

  @Test func severalRunsStandBesideEachOther() async throws {
    let sandbox = try await sandbox()
    try await train(sandbox, "sparse --layers 16,4 --epochs 1 --lr 0.01 --out b/second")
    let outcome = try await sandbox.run(line: "report run b/second --samples 20")
    #expect(outcome.status == 0 && outcome.output == "saved     report.html   (2 runs)\n", "\(outcome.errors)")
    let page = try page(sandbox, "report.html")
    check(page)
    for part in [
      "<h1>2 runs</h1>", "<h2>What differs</h2>", "recipe.<wbr>training.<wbr>optimizer.<wbr>learning_rate",
      "<h2 id=run-2>second</h2>",
      "class=\"line c0\"",
    ] {
      #expect(page.contains(part), "\(part)")
    }
  }

  /// Errors of different layers have no best, and the last one's says whose it is.
  @Test func layersOfAStackAreNotCompared() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    let line = "pretrain --layers 16,8,4 --epochs 2,1 --validation-split 0.2 --data data.csv --device reference --quiet"
    let trained = try await sandbox.run(line: "\(line) --out stack")
    #expect(trained.status == 0, "\(trained.errors)")
    #expect(try await sandbox.run(line: "report stack --samples 20 --no-tsne").status == 0)
    let page = try page(sandbox, "stack/report.html")
    check(page)
    #expect(page.contains("per\u{A0}element,\u{A0}layer\u{A0}2</td><td>–</td>"))
  }

  /// Names of files, columns and labels, and a command line, that would be tags.
  @Test func namesAreNoTags() async throws {
    let sandbox = try Sandbox()
    let rows = (0..<40).map { "\($0 % 7),\($0 % 5),<b>\($0 % 3)&" }
    try sandbox.write((["size<i>,rest&\"\"x,kind"] + rows).joined(separator: "\n") + "\n", to: "a<b>.csv")
    let line = "linear --layers 2,1 --epochs 1 --label-column kind --out <u>run"
    try await train(sandbox, line, "a<b>.csv")
    #expect(try await sandbox.run(line: "report <u>run -o page.html").status == 0)
    let page = try page(sandbox, "page.html")
    check(page)
    #expect(page.contains("&lt;u&gt;run") && page.contains("label &lt;b&gt;0&amp;") && page.contains("size&lt;i&gt;"))
    #expect(!page.contains("<u>") && !page.contains("<b>"))
  }

  @Test func classesHaveAMatrix() async throws {
    let sandbox = try Sandbox()
    let rows = (0..<60).map { "\(Double($0 % 3) / 3),\(Double($0 % 7) / 7),\(["a<b", "b", "c"][$0 % 3])" }
    try sandbox.write((["x,y,kind"] + rows).joined(separator: "\n") + "\n", to: "data.csv")
    try await train(sandbox, "classifier --layers 2,4 --epochs 1 --label-column kind --out run")
    let outcome = try await sandbox.run(line: "report run --samples 20")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let page = try page(sandbox)
    check(page)
    #expect(page.contains("<h3>Classes</h3>") && page.contains("<td>a&lt;b</td>") && !page.contains("<h3>Columns</h3>"))
  }

  @Test func aMapHasThousandsOfPoints() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 4300, columns: 2)
    try await train(sandbox, "linear --layers 2,1 --epochs 1 --out run")
    let outcome = try await sandbox.run(line: "report run --samples 4200 --no-tsne")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let page = try page(sandbox)
    #expect(
      page.contains("<h3>Map of the codes</h3>\n<p>4,200 of 4,300 samples.</p>") && !page.contains("too much memory"))
    #expect(page.matches(of: /<g class=p>/).count == 4200)
  }

  @Test func oneSampleHasNoMap() async throws {
    let sandbox = try await sandbox()
    try sandbox.writeData("one.csv", rows: 1)
    let outcome = try await sandbox.run(line: "report run --data one.csv")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let page = try page(sandbox)
    check(page)
    #expect(page.contains("no map of the codes: A single code has no principal components"))
  }

  /// Where classes are too many for a matrix, the page says so.
  @Test func manyClassesHaveNoMatrix() async throws {
    let sandbox = try Sandbox()
    let rows = (0..<62).map { "\(Double($0 % 31) / 31),\(Double($0 % 7) / 7),k\($0 % 31)" }
    try sandbox.write((["x,y,kind"] + rows).joined(separator: "\n") + "\n", to: "data.csv")
    try await train(sandbox, "classifier --layers 2,4 --epochs 1 --label-column kind --out run")
    let outcome = try await sandbox.run(line: "report run --samples 20 --no-tsne")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let page = try page(sandbox)
    check(page)
    #expect(page.contains("<p class=note>There is no confusion matrix: 31 classes are more than the 30"))
    #expect(!page.contains("<th>label</th>"))
  }

  /// Without its data, its weights or its history a run still has the rest.
  @Test func whatIsMissingIsSaid() async throws {
    let sandbox = try await sandbox()
    func report(_ note: String) async throws {
      let outcome = try await sandbox.run(line: "report run --samples 10 --overwrite")
      #expect(outcome.status == 0 && outcome.errors.contains(note), "\(note): \(outcome.errors)")
      #expect(outcome.errors.count(where: \.isNewline) == 1, "\(outcome.errors)")
      let page = try page(sandbox)
      check(page)
      #expect(page.contains("<p class=note>") && page.contains("<h3>Provenance</h3>"), "\(note)")
    }
    let (data, history) = (try sandbox.bytes("data.csv"), try sandbox.bytes("run/history.csv"))
    try FileManager.default.removeItem(atPath: sandbox.path("data.csv"))
    try await report("There is nothing more of samples and codes")
    let given = try Sandbox()
    try data.write(to: given.folder.appendingPathComponent("data.csv"))
    let elsewhere = try await sandbox.run(
      line: "report run --samples 10 --overwrite --data \(given.path("data.csv"))")
    #expect(elsewhere.status == 0 && elsewhere.errors.isEmpty, "\(elsewhere.errors)")
    try sandbox.writeData(rows: 60, scale: 0.5)
    try await report("holds other data now")
    try data.write(to: sandbox.folder.appendingPathComponent("data.csv"))
    let text = String(decoding: history, as: UTF8.self)
    let lines = text.split(separator: "\n").map(String.init)
    var cells = lines[1].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    cells[1] = "nan"
    try sandbox.write(
      [lines[0], cells.joined(separator: ","), lines[2]].joined(separator: "\n") + "\n", to: "run/history.csv")
    try await report("not finite")
    try sandbox.write(lines[0] + "\n", to: "run/history.csv")
    try await report("ends at epoch 0, but training came to 2")
    try sandbox.write("", to: "run/history.csv")
    try await report("There are no curves")
    try sandbox.write("epoch,loss\n1,many\n", to: "run/history.csv")
    try await report("no number")
    try history.write(to: sandbox.folder.appendingPathComponent("run/history.csv"))
    // What a run that still trains has not saved, its checkpoint has.
    try FileManager.default.removeItem(atPath: sandbox.path("run/model.safetensors"))
    let before = try page(sandbox).count
    try await report("'run/model.safetensors' is missing")
    #expect(try page(sandbox).contains("<h3>Map of the codes</h3>") && page(sandbox).count > before)
    try FileManager.default.removeItem(atPath: sandbox.path("run/checkpoint.safetensors"))
    let outcome = try await sandbox.run(line: "report run --samples 10 --overwrite")
    #expect(outcome.errors.contains("There is nothing of the model"), "\(outcome.errors)")
  }

  /// A run that was resumed and killed has an older model beside its checkpoint, whose weights the curves lead to.
  @Test func weightsAreAsNewAsCurves() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    let line = "train deep --layers 16,8,4 --lr 0.05 --batch-size 8 --data data.csv --device cpu --quiet"
    for epochs in [1, 3] {
      let trained = try await sandbox.run(line: "\(line) --epochs \(epochs) --out run\(epochs)")
      #expect(trained.status == 0, "\(trained.errors)")
    }
    func error(of run: String) async throws -> Substring {
      let outcome = try await sandbox.run(line: "report \(run) --samples 10 --no-tsne --overwrite")
      #expect(outcome.status == 0, "\(outcome.errors)")
      let page = try page(sandbox, "\(run)/report.html")
      return try #require(page.firstMatch(of: /Mean squared error ([^ ]+) per element/)?.1)
    }
    let (first, last) = (try await error(of: "run1"), try await error(of: "run3"))
    #expect(first != last)
    let config = String(decoding: try sandbox.bytes("run3/config.json"), as: UTF8.self)
    let open = config.replacing(/"is_final" *: *true/, with: "\"is_final\": false")
    #expect(open != config)
    try sandbox.write(open, to: "run3/config.json")
    try sandbox.bytes("run1/model.safetensors").write(to: URL(fileURLWithPath: sandbox.path("run3/model.safetensors")))
    #expect(try await error(of: "run3") == last)
    try FileManager.default.removeItem(atPath: sandbox.path("data.csv"))
    let without = try await sandbox.run(line: "report run3 --overwrite")
    #expect(
      without.status == 0 && without.errors.contains("'run3/model.safetensors', which may be older than the curves"),
      "\(without.errors)")
  }

  @Test func impossibleReportsAreRefused() async throws {
    let sandbox = try await sandbox()
    let before = try sandbox.bytes("run/history.csv")
    for (line, status, part) in [
      ("none", 74, "no run folder"), ("data.csv", 74, "not a run"), ("", 64, "Missing"),
      ("run none", 74, "no run folder"), ("run --samples 1", 64, "map of 1"), ("run --samples 5001", 64, "4 to 5000"),
      ("run -o none/page.html", 74, "does not exist"),
      // Before anything is read.
      ("run -o none/page.html --data none.csv", 74, "'none' does not exist"),
      ("run -o run/history.csv --overwrite", 64, "a run's own file"),
      ("run -o /dev/full", 64, "--overwrite"), ("run -o /dev/full --overwrite --samples 10", 74, "device"),
      ("run --data none.csv", 74, "none.csv"), ("run --header yes", 64, "--header"),
      ("run --device opencl:9:9", 69, "opencl"), ("run -o data.csv", 64, "--overwrite"),
    ] as [(String, Int32, String)] {
      let outcome = try await sandbox.run(line: "report \(line)")
      #expect(outcome.refused(status) && outcome.errors.contains(part), "\(line): \(outcome.errors)")
    }
    #expect(try sandbox.bytes("run/history.csv") == before && !sandbox.exists("run/report.html"))
  }
}
