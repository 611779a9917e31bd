// walinspect terms: which entries each term has.

import ArgumentParser
import LogFormat
import ProgramSupport
import Recovery

struct Terms: InspectCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists the terms of a log: first index, last index, term.")

  @OptionGroup var subject: SubjectOptions

  func inspect(_ output: inout Output) throws -> ExitStatus {
    let inspection = try Inspection(subject.path).readable()
    let segments = try inspection.summaries()
    let spans = TermSpan.spans(of: segments, from: inspection.manifest)
    for span in spans {
      if subject.json {
        var json = JSONWriter(format: "walinspect.terms/1")
        json.field("firstIndex", span.firstIndex)
        json.field("lastIndex", span.lastIndex)
        json.field("term", span.term)
        try output.line(json)
      } else {
        try output.line("\(span.firstIndex) \(span.lastIndex) \(span.term)")
      }
    }
    let last = segments.last?.lastIndex ?? 0
    for gap in TermSpan.gaps(in: spans, from: inspection.manifest?.firstIndex ?? 1, to: last) {
      Output.complain("damage hides the term of \(Words.entries(gap))")
    }
    return .clean
  }
}

/// The entries of one term.
struct TermSpan: Hashable {
  var firstIndex: LogIndex
  var lastIndex: LogIndex
  var term: Term

  /// The terms of a whole log. What damage hides is left out.
  static func spans(of segments: [SegmentSummary], from manifest: ManifestState?) -> [TermSpan] {
    let first = manifest?.firstIndex ?? 1
    var spans: [TermSpan] = []
    for segment in segments {
      for (i, run) in segment.termRuns.enumerated() {
        // Runs of damaged files may be out of order: nothing here is reckoned with before that is
        // ruled out.
        let next = i + 1 < segment.termRuns.count ? segment.termRuns[i + 1].firstIndex : nil
        let last = next.map { $0 > 0 ? min($0 - 1, segment.lastIndex) : 0 } ?? segment.lastIndex
        let span = TermSpan(firstIndex: max(run.firstIndex, first), lastIndex: last, term: run.term)
        if span.firstIndex <= span.lastIndex { add(span, to: &spans) }
      }
    }
    return spans
  }

  /// What lies between spans, and in front of and behind them.
  static func gaps(
    in spans: [TermSpan], from first: LogIndex, to last: LogIndex
  ) -> [ClosedRange<LogIndex>] {
    var gaps: [ClosedRange<LogIndex>] = []
    var next = first
    for span in spans {
      if span.firstIndex > next { gaps.append(next...span.firstIndex - 1) }
      next = max(next, span.lastIndex + 1)
    }
    if next <= last { gaps.append(next...last) }
    return gaps
  }

  private static func add(_ span: TermSpan, to spans: inout [TermSpan]) {
    if let last = spans.last, last.term == span.term, last.lastIndex < span.firstIndex,
      span.firstIndex - last.lastIndex == 1
    {
      spans[spans.count - 1].lastIndex = span.lastIndex
    } else {
      spans.append(span)
    }
  }
}
