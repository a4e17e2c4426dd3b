import CinchData

/// The page around the parts of a report.
struct ReportPage {
  let runs: [ReportedRun]
  let sections: Markup
  let wording: (CinchError.Message) -> String

  var text: String {
    get throws {
      let title = runs.count == 1 ? "Run \(runs[0].name)" : "\(runs.count) runs"
      let head: Markup =
        "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<meta name=viewport content=\"width=device-width, initial-scale=1\">\n<meta name=generator content=\"Cinch \(CinchVersion.current)\">\n<title>\(title)</title>\n<style>\n\(Markup(text: Self.style))</style>\n</head>\n<body>\n<main>\n"
      var body: Markup = ScatterPlot.definitions + "<h1>\(title)</h1>\n" + Markup.summary(of: runs)
      if runs.count == 1 { body += runs[0].notes(wording) }
      body += runs.count == 1 ? Markup.curves(of: runs[0]) : try Markup.curves(of: runs) + Markup.differences(of: runs)
      return (head + body + sections + "</main>\n</body>\n</html>\n").text
    }
  }

  /// Colours are those of Okabe and Ito ("Color universal design", 2008) that are seen on light and dark paper.
  static let style = """
    :root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --faint: #5a636e; --grid: #e3e6ea; --axis: #8a939e;
      --box: #f5f6f8; --note: #fff3cf; --note-ink: #553c00; --bar: #0072b2; --heat: 0, 114, 178; --last: #555;
      --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #c98a00; --c5: #3fa0d8; }
    @media (prefers-color-scheme: dark) {
      :root { --paper: #15181c; --ink: #e6e8eb; --faint: #a2abb5; --grid: #2b3037; --axis: #6d7680; --box: #1e2228;
        --note: #3b2f0c; --note-ink: #ffe3a0; --bar: #4da3d9; --heat: 77, 163, 217; --last: #b5bcc4;
        --c0: #4da3d9; --c1: #f0813a; --c2: #1fb88c; --c3: #dd94bd; --c4: #e6ac2e; --c5: #8fd0f5; }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
    main { max-width: 1240px; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
    h1 { font-size: 1.6rem; margin: 0.5rem 0 1rem; overflow-wrap: anywhere; }
    h2 { font-size: 1.3rem; margin: 2rem 0 0.5rem; padding-top: 0.5rem; border-top: 1px solid var(--grid); overflow-wrap: anywhere; }
    h3 { font-size: 1.05rem; margin: 1.5rem 0 0.4rem; }
    h4 { font-size: 0.95rem; margin: 1rem 0 0.3rem; color: var(--faint); }
    p { margin: 0.3rem 0; max-width: 75ch; }
    a { color: var(--c0); }
    .note { background: var(--note); color: var(--note-ink); padding: 0.4rem 0.7rem; border-radius: 4px; overflow-wrap: anywhere; }
    .wide { overflow-x: auto; margin: 0.5rem 0; }
    table { border-collapse: collapse; font-size: 0.9rem; }
    th, td { text-align: left; padding: 0.25rem 0.7rem 0.25rem 0; vertical-align: top; border-bottom: 1px solid var(--grid); }
    td { max-width: 28rem; overflow-wrap: break-word; }
    .wide td:first-child, .wide th:first-child { position: sticky; left: 0; background: var(--paper); }
    .setting { display: inline-block; min-width: 11rem; }
    th { color: var(--faint); font-weight: 600; white-space: nowrap; }
    .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; margin: 0.5rem 0; }
    dt { color: var(--faint); }
    dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
    pre { background: var(--box); padding: 0.7rem; border-radius: 4px; overflow-x: auto; font-size: 0.82rem; white-space: pre-wrap; overflow-wrap: anywhere; }
    details { margin: 0.5rem 0; }
    summary { cursor: pointer; color: var(--faint); }
    figure { margin: 0; }
    figcaption { font-size: 0.9rem; }
    .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 350px), 1fr)); gap: 1rem; }
    .maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); gap: 1rem; }
    .chart { width: 100%; height: auto; display: block; max-width: 620px; }
    .tiles { display: flex; flex-wrap: wrap; gap: 0.5rem; }
    .tiles figcaption { font-size: 0.75rem; color: var(--faint); text-align: center; font-variant-numeric: tabular-nums; }
    img { image-rendering: pixelated; display: block; max-width: 100%; height: auto; margin: 0 auto; }
    .filters { margin: 0; max-width: min(100%, 720px); }
    .legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; margin: 0.5rem 0; padding: 0; font-size: 0.9rem; }
    .legend li { overflow-wrap: anywhere; }
    .key { height: 0.8rem; margin-right: 0.35rem; vertical-align: middle; }
    .share { width: 8rem; height: 0.6rem; vertical-align: middle; }
    .hidden { position: absolute; }
    text { fill: var(--faint); font: 11.5px system-ui, sans-serif; }
    .m { text-anchor: middle; }
    .e { text-anchor: end; }
    .grid { stroke: var(--grid); fill: none; }
    .axis { stroke: var(--axis); fill: none; }
    .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
    .mark { stroke: none; }
    .bar { fill: var(--bar); fill-opacity: 0.75; }
    .whisker { stroke: var(--ink); stroke-width: 1.2; fill: none; }
    .line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); } .line.c3 { stroke: var(--c3); }
    .line.c4 { stroke: var(--c4); } .line.c5 { stroke: var(--c5); } .line.c6 { stroke: var(--last); }
    .mark.c0, use.c0 { fill: var(--c0); } .mark.c1, use.c1 { fill: var(--c1); } .mark.c2, use.c2 { fill: var(--c2); }
    .mark.c3, use.c3 { fill: var(--c3); } .mark.c4, use.c4 { fill: var(--c4); } .mark.c5, use.c5 { fill: var(--c5); }
    .mark.c6, use.c6 { fill: var(--last); }
    .p { fill-opacity: 0.85; }
    .p:hover use { stroke: var(--ink); stroke-width: 1.5; }
    .p .v { display: none; }
    .p:hover .v { display: inline; }
    .v { pointer-events: none; image-rendering: pixelated; }
    .h1 { background: rgba(var(--heat), 0.12); } .h2 { background: rgba(var(--heat), 0.24); } .h3 { background: rgba(var(--heat), 0.38); }
    .h4 { background: rgba(var(--heat), 0.52); } .h5 { background: rgba(var(--heat), 0.66); }
    .h1, .h2, .h3, .h4, .h5 { display: block; padding: 0 0.3rem; }

    """
}
