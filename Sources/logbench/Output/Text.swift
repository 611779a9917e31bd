// Text: numbers as people read them.

enum Text {
  /// `value` with `places` digits behind the point.
  static func decimal(_ value: Double, _ places: Int) -> String {
    guard value.isFinite, value.magnitude < 1e15 else { return "-" }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = Int((value.magnitude * scale).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard places > 0 else { return "\(sign)\(scaled)" }
    let fraction = String(scaled % Int(scale))
    let zeros = String(repeating: "0", count: places - fraction.count)
    return "\(sign)\(scaled / Int(scale)).\(zeros)\(fraction)"
  }

  /// The lowest and the highest of `values`.
  static func range(_ values: [Double], _ places: Int) -> String {
    guard let low = values.min(), let high = values.max() else { return "" }
    return "\(decimal(low, places))-\(decimal(high, places))"
  }

  /// A size in the largest binary unit that leaves at least one.
  static func bytes(_ count: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(count)
    var unit = 0
    while value >= 1024, unit + 1 < units.count {
      value /= 1024
      unit += 1
    }
    let places = value == value.rounded() ? 0 : 1
    return "\(decimal(value, places)) \(units[unit])"
  }

  static func share(_ done: Int, of total: Int) -> String { "\(done * 100 / max(total, 1))%" }
}
