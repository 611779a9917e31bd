// Text: measured numbers as people read them.

import ProgramSupport

enum Text {
  /// The lowest and the highest of `values`.
  static func range(_ values: [Double], _ places: Int) -> String {
    guard let low = values.min(), let high = values.max() else { return "" }
    return "\(Wording.decimal(low, places))-\(Wording.decimal(high, places))"
  }

  static func share(_ done: Int, of total: Int) -> String { "\(done * 100 / max(total, 1))%" }
}
