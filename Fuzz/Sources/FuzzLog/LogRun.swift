// LogRun: carries out a program on a LogEngine and on arrays, and compares them.

import ByteBuffers
import FuzzSupport
import LogFormat
import LogStorage
import Recovery
import Simulation

final class LogRun {
  private let disk = SimulatedDisk()
  private let options: EngineOptions
  private var running: RunningLog
  private var random: SplitMix64
  /// The last state that is written, and those that were asked for since.
  private var states = [LogState()]
  private var payloadNumber: UInt64 = 0

  init(_ program: LogProgram) {
    options = program.options
    var random = SplitMix64(seed: program.seed)
    running = Self.open(disk, options, random.next())
    self.random = random
  }

  func run(_ program: LogProgram) {
    for operation in program.operations { perform(operation) }
    close()
  }

  private static func open(
    _ disk: SimulatedDisk, _ options: EngineOptions, _ seed: UInt64
  ) -> RunningLog {
    do {
      return try RunningLog(opening: disk, options: options, seed: seed)
    } catch {
      found("the log does not open: \(error)")
    }
  }

  private func perform(_ operation: LogProgram.Operation) {
    switch operation.kind {
    case .append: append(bytes: operation.a * operation.a / 8, operation.b, raisesTerm: false)
    case .appendTerm: append(bytes: operation.a, operation.b, raisesTerm: true)
    case .appendBurst:
      for i in 0...operation.a % 8 { append(bytes: 10 * i, operation.b, raisesTerm: false) }
    case .truncate: truncate(operation.a)
    case .compact: compact(operation.a)
    case .hardState: saveHardState(operation.a, operation.b)
    case .idle: running.now += .milliseconds(50)
    case .sync: request(last) { (engine) throws(LogError) in try engine.sync() }
    case .kill: return kill(after: operation.a % 8)
    case .close: return close()
    case .illegal: askForTheIllegal(operation.a)
    case .read:
      pump(.fully)
      expectSame(DirectoryReading(disk, isLive: true), as: [states[0]], "while it is open")
    }
    pump(operation.pump)
  }

  // MARK: Requests

  private var last: LogState { states[states.count - 1] }

  /// Asks the engine for what leads to `next`.
  private func request(
    _ next: LogState, _ ask: (inout LogEngine) throws(LogError) -> Ticket
  ) {
    do {
      var next = next
      next.ticket = try ask(&running.engine)
      states.append(next)
    } catch {
      found("a legal request was refused: \(error)")
    }
  }

  private func payload(_ count: Int, isUniform: Bool) -> Bytes {
    payloadNumber += 1
    var writer = ByteWriter(capacity: count)
    // No two of them are the same, if they are long enough to differ.
    writer.u64(payloadNumber)
    while writer.count < count {
      writer.u8(isUniform ? 0x61 : UInt8(truncatingIfNeeded: random.next()))
    }
    writer.truncate(to: min(writer.count, count))
    return writer.finish()
  }

  private func append(bytes: Int, _ detail: Int, raisesTerm: Bool) {
    let payload = payload(min(bytes, options.entryBytesMax), isUniform: detail & 1 == 0)
    // A term may rise further than the table of one batch can say.
    let rise: Term = !raisesTerm ? 0 : detail == 255 ? 1 << 24 : Term(detail % 4)
    let term = last.log.lastTerm + rise
    let kind = EntryKind(rawValue: UInt8(truncatingIfNeeded: detail >> 1))
    var next = last
    let index = next.log.lastIndex + 1
    next.log.entries.append(Entry(index: index, term: term, kind: kind, payload: payload))
    request(next) { (engine) throws(LogError) in
      let taken = try engine.append(payload.span, kind: kind, term: term)
      expect(taken.index == index, "entry \(index) was taken as \(taken.index)")
      return taken.ticket
    }
  }

  private func truncate(_ detail: Int) {
    var next = last
    let index = next.log.lastIndex - LogIndex(detail % (next.log.entries.count + 1))
    next.log.truncate(after: index)
    request(next) { (engine) throws(LogError) in try engine.truncate(after: index) }
  }

  private func compact(_ detail: Int) {
    var next = last
    let highest = min(running.engine.durableIndex, next.log.lastIndex)
    guard highest >= next.log.firstIndex else { return }
    let index = highest - LogIndex(detail) % (highest - next.log.firstIndex + 1)
    next.log.compact(through: index)
    request(next) { (engine) throws(LogError) in try engine.compact(through: index) }
  }

  private func saveHardState(_ a: Int, _ b: Int) {
    var next = last
    next.hardState.term += Term(a % 3)
    next.hardState.vote = b & 1 == 0 ? nil : NodeID(b)
    let hardState = next.hardState
    request(next) { (engine) throws(LogError) in try engine.save(hardState) }
  }

  /// What no log may do is refused, and changes nothing.
  private func askForTheIllegal(_ detail: Int) {
    let log = last.log
    switch detail % 6 {
    case 0:
      let payload = payload(options.entryBytesMax + 1, isUniform: true)
      refuse(.entryTooLarge) { (engine) throws(LogError) in
        _ = try engine.append(payload.span, term: log.lastTerm)
      }
    case 1 where log.lastTerm > 0:
      refuse(.termWentBack) { (engine) throws(LogError) in
        _ = try engine.append(Bytes().span, term: log.lastTerm - 1)
      }
    case 2:
      refuse(.outOfRange) { (engine) throws(LogError) in
        _ = try engine.truncate(after: log.lastIndex + 1)
      }
    case 3 where log.firstIndex > 1:
      refuse(.compacted) { (engine) throws(LogError) in
        _ = try engine.truncate(after: log.firstIndex - 2)
      }
    case 4:
      refuse(.outOfRange) { (engine) throws(LogError) in
        _ = try engine.compact(through: log.lastIndex + 1)
      }
    case 5 where last.hardState.term > 0:
      let term = last.hardState.term - 1
      refuse(.termWentBack) { (engine) throws(LogError) in
        _ = try engine.save(HardState(term: term))
      }
    default: break
    }
  }

  private func refuse(
    _ code: LogError.Code, _ ask: (inout LogEngine) throws(LogError) -> Void
  ) {
    do {
      try ask(&running.engine)
    } catch {
      expect(error.code == code, "refused as \(error.code), not as \(code): \(error)")
      return
    }
    found("what has to be refused as \(code) was not")
  }

  // MARK: The disk's turn

  private func pump(_ pump: LogProgram.Pump) {
    let isIdle: Bool
    switch pump {
    case .fully: isIdle = running.pump()
    case .none: isIdle = false
    case .steps(let steps): isIdle = running.pump(steps: steps)
    }
    let written = running.engine.writtenTicket
    while states.count > 1, states[1].ticket <= written { states.removeFirst() }
    let log = last.log
    expect(running.engine.lastIndex == log.lastIndex, "the last index is not the array's")
    expect(running.engine.lastTerm == log.lastTerm, "the last term is not the array's")
    if isIdle { expectSettled() }
  }

  /// Nothing is left to do, so nothing may be left undone.
  private func expectSettled() {
    expect(states.count == 1, "requests were not carried out, and nothing is left to do")
    let log = states[0].log
    let durable = running.engine.durableIndex
    expect(running.engine.firstIndex == log.firstIndex, "the first index is not the array's")
    expect(running.engine.writtenIndex == log.lastIndex, "entries are not written")
    expect(running.engine.hardState == states[0].hardState, "the hard state is not the last one")
    expect(durable <= log.lastIndex, "more is durable than there is")
    if options.syncMode == .always { expect(durable == log.lastIndex, "entries are not durable") }
    for index in log.firstIndex - 1...log.lastIndex {
      expect(
        running.engine.terms.term(at: index) == log.term(at: index),
        "the term of entry \(index) is not the array's")
    }
  }

  // MARK: Stops

  private func close() {
    running.close()
    let end = last
    reopen(expecting: [end], "after closing")
    if let finding = running.plan.findings.first { found("after a clean stop: \(finding)") }
  }

  /// The process is gone after some more steps; the disk has what it has.
  private func kill(after steps: Int) {
    pump(.steps(steps))
    reopen(expecting: states, "after a kill")
    for finding in running.plan.findings where finding.verdict.severity > .mended {
      found("a kill was taken for more: \(finding)")
    }
  }

  private func reopen(expecting possible: [LogState], _ moment: String) {
    running = Self.open(disk, options, random.next())
    let reading = DirectoryReading(disk, depth: .opening)
    var state = expectSame(reading, as: possible, moment)
    state.ticket = 0
    states = [state]
  }

  /// Ends the process unless the directory holds one of these states; returns which.
  @discardableResult
  private func expectSame(
    _ reading: DirectoryReading, as possible: [LogState], _ moment: String
  ) -> LogState {
    let log = ArrayLog(reading)
    let hardState = running.engine.hardState
    expect(reading.damages == 0, "\(moment): damage on a healthy disk")
    guard let state = possible.last(where: { $0.log == log && $0.hardState == hardState }) else {
      found(
        "\(moment): entries \(log.firstIndex)-\(log.lastIndex) with \(hardState), but "
          + "\(possible.map { "\($0.log.firstIndex)-\($0.log.lastIndex) with \($0.hardState)" })")
    }
    return state
  }
}
