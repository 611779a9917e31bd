// Scenario: a script for a group of bare cores, and what happened, as text.
//
// One statement a line; # begins a comment. Links are written A>B; time as 30ms or 2s.
//
//   group voters=3 learners=0 spares=0 [prevote=off] [checkquorum=off] [inflight=N] [message=BYTES]
//         [tail=BYTES] [kept=N] [chunk=BYTES]     (kept: entries that stay behind a snapshot)
//   logs 1: 1 1 2              a node begins with entries of these terms
//   expire 1                   the time comes for which node 1 waits
//   deliver [1>2 2>1]          everything, or what is on these links, until nothing is left of it
//   deliver one 1>2            the oldest message of a link
//   drop [1>2]                 everything, or what is on these links
//   pass 300ms [without 3]     time passes, messages arrive; those of a node do not
//   propose 1 [count] as a     read 1 as b      transfer 1 to 2 as c
//   change 1 +4 -2 .3 [joint explicit|automatic] as d      leave 1 as e
//   crash 1    start 1    snapshot 1    slow    prompt    write 1 [count]
//   expect 1 [leader] [term=1] [vote=1] [commit=5] [last=5@1] [applied=5] [compacted=3] [log=1,1,2]
//            [members=1,2,3+] [leader=2]
//   expect 1>2 3               so many messages are on a link
//   expect a done 5@1 | refused | unknown | reads 5 | open
//
// What must always hold: a statement that cannot be read, or whose expectation fails, ends the scenario
// with its line.

import LogFormat
import Raft

public struct ScenarioError: Error, CustomStringConvertible {
  public let line: Int
  public let statement: String
  public let reason: String

  public var description: String { "line \(line), “\(statement)”: \(reason)" }
}

public final class Scenario {
  private var group = CoreGroup(voters: 1)
  private var hasGroup = false
  private var requests: [String: (node: NodeID, id: RequestID)] = [:]
  private var line = 0
  private var statement = ""
  /// Statements, and what each led to.
  public private(set) var transcript = ""

  public init() {}

  public func run(_ text: String) throws(ScenarioError) {
    for (number, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      let code = raw.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)[0]
      var words = code.split(separator: " ").map(String.init)
      guard !words.isEmpty else { continue }
      line = number + 1
      statement = words.joined(separator: " ")
      transcript += "> \(statement)\n"
      let verb = words.removeFirst()
      try perform(verb, words)
      if let finding = group.finding { throw error(finding) }
    }
  }

  private func error(_ reason: String) -> ScenarioError {
    ScenarioError(line: line, statement: statement, reason: reason)
  }

  // MARK: Statements

  private func perform(_ verb: String, _ words: [String]) throws(ScenarioError) {
    if verb == "group" { return try begin(words) }
    guard hasGroup else { throw error("a scenario begins with its group") }
    switch verb {
    case "logs": try rewrite(words)
    case "expire": group.expire(try node(words.first))
    case "deliver": try deliver(words)
    case "drop":
      let links = try links(words)
      group.drop { links.isEmpty || links.contains(Link($0)) }
    case "pass": try pass(words)
    case "crash": group.crash(try node(words.first))
    case "start": group.start(try node(words.first))
    case "snapshot": group.takeSnapshot(try node(words.first))
    case "slow": group.isPrompt = false
    case "prompt": group.isPrompt = true
    case "write": try write(words)
    case "propose", "read", "transfer", "change", "leave": try request(verb, words)
    case "expect": try expect(words)
    default: throw error("no statement begins with “\(verb)”")
    }
  }

  private func begin(_ words: [String]) throws(ScenarioError) {
    var options = RaftOptions()
    var (voters, learners, spares) = (1, 0, 0)
    for word in words {
      let (name, value) = try setting(word)
      switch name {
      case "voters": voters = try number(value)
      case "learners": learners = try number(value)
      case "spares": spares = try number(value)
      case "prevote": options.preVote = value != "off"
      case "checkquorum": options.checkQuorum = value != "off"
      case "inflight": options.inflightMessagesMax = try number(value)
      case "message": options.messageBytesMax = try number(value)
      case "tail": options.tailBytesMax = try number(value)
      case "kept": options.entriesKept = UInt64(try number(value))
      case "chunk": options.snapshotChunkBytes = try number(value)
      default: throw error("a group has no “\(name)”")
      }
    }
    guard (1...9).contains(voters), (0...9).contains(learners), (0...9).contains(spares) else {
      throw error("1 to 9 voters, up to 9 learners and spares")
    }
    if let problem = options.problem { throw error(problem) }
    group = CoreGroup(voters: voters, spares: spares, learners: learners, options: options)
    hasGroup = true
    for node in group.nodes { node.observer = { [unowned self] in note(node.id, $0, $1) } }
  }

  private func rewrite(_ words: [String]) throws(ScenarioError) {
    guard let first = words.first, first.hasSuffix(":") else { throw error("logs N: TERM...") }
    let id = try node(String(first.dropLast()))
    var terms: [Term] = []
    for word in words.dropFirst() { terms.append(Term(try number(word))) }
    group.crash(id)
    group.node(id).rewrite(terms: terms, hardState: HardState(term: terms.last ?? 0))
    group.start(id)
  }

  private func deliver(_ words: [String]) throws(ScenarioError) {
    if words.first == "one" {
      let links = try links(Array(words.dropFirst()))
      guard group.deliverOne(where: { links.isEmpty || links.contains(Link($0)) }) else {
        throw error("there is no such message")
      }
    } else {
      let links = try links(words)
      group.deliver { links.isEmpty || links.contains(Link($0)) }
    }
  }

  private func pass(_ words: [String]) throws(ScenarioError) {
    let time = try duration(words.first)
    var cut: NodeID = 0
    if words.count == 3, words[1] == "without" {
      cut = try node(words[2])
    } else if words.count != 1 {
      throw error("pass TIME [without N]")
    }
    group.pass(time) { $0.from != cut && $0.to != cut }
    if cut != 0 { group.drop { $0.from == cut || $0.to == cut } }
  }

  private func write(_ words: [String]) throws(ScenarioError) {
    let id = try node(words.first)
    group.completeWrites(id, words.count > 1 ? try number(words[1]) : .max)
  }

  private func request(_ verb: String, _ words: [String]) throws(ScenarioError) {
    guard words.count >= 3, words[words.count - 2] == "as" else { throw error("... as NAME") }
    let id = try node(words[0])
    let rest = Array(words[1..<words.count - 2])
    let request: RequestID
    switch verb {
    case "propose": request = group.propose(id, count: rest.isEmpty ? 1 : try number(rest[0]))
    case "read": request = group.read(id)
    case "transfer":
      guard rest.count == 2, rest[0] == "to" else { throw error("transfer N to M as NAME") }
      request = group.transfer(id, to: try node(rest[1]))
    case "leave": request = group.change(id, .leaveJoint)
    default: request = group.change(id, try change(rest))
    }
    requests[words[words.count - 1]] = (id, request)
  }

  private func change(_ words: [String]) throws(ScenarioError) -> MembershipChange {
    var changes: [MemberChange] = []
    var words = words
    var leaving: Configuration.Leaving?
    if let i = words.firstIndex(of: "joint") {
      guard i + 2 == words.count else { throw error("joint explicit, or joint automatic") }
      leaving = words[i + 1] == "explicit" ? .explicit : .automatic
      words.removeLast(2)
    }
    for word in words {
      let id = try node(String(word.dropFirst()))
      switch word.first {
      case "+": changes.append(.voter(CoreGroup.member(id)))
      case ".": changes.append(.learner(CoreGroup.member(id)))
      case "-": changes.append(.remove(id))
      default: throw error("+N, .N or -N")
      }
    }
    return leaving.map { .joint(changes, $0) } ?? .change(changes)
  }

  // MARK: Expectations

  private func expect(_ words: [String]) throws(ScenarioError) {
    guard let first = words.first else { throw error("expect what?") }
    let rest = Array(words.dropFirst())
    if let request = requests[first] {
      try expect(request, rest.joined(separator: " "))
    } else if first.contains(">") {
      let links = try links([first])
      let count = group.inFlight.count { links.contains(Link($0.envelope)) }
      try check("\(count)", rest.first ?? "", "messages")
    } else {
      let id = try node(first)
      for word in rest { try expect(group[id], group.node(id).terms, word) }
    }
  }

  private func expect(
    _ request: (node: NodeID, id: RequestID), _ wanted: String
  ) throws(ScenarioError) {
    let actual: String
    if let outcome = group.outcome(request.node, request.id) {
      actual = outcome.words
    } else if case .ready(let index)? = group.readOutcome(request.node, request.id) {
      actual = "reads \(index)"
    } else if case .failed(let refusal)? = group.readOutcome(request.node, request.id) {
      actual = "refused: \(refusal.words)"
    } else {
      actual = "open"
    }
    let isMet = actual == wanted || (wanted == "refused" && actual.hasPrefix("refused"))
    guard isMet else { throw error("it is: \(actual)") }
  }

  private func expect(
    _ status: Status, _ terms: [Term], _ word: String
  ) throws(ScenarioError) {
    guard word.contains("=") else { return try check(status.role.rawValue, word, "role") }
    let (name, value) = try setting(word)
    let actual: String
    switch name {
    case "term": actual = "\(status.hardState.term)"
    case "vote": actual = status.hardState.vote.map { "\($0)" } ?? "none"
    case "commit": actual = "\(status.commit)"
    case "durable": actual = "\(status.durable)"
    case "applied": actual = "\(status.applied)"
    case "compacted": actual = "\(status.compacted)"
    case "last": actual = "\(status.last)"
    case "leader": actual = status.leader.map { "\($0)" } ?? "none"
    case "log": actual = terms.map { "\($0)" }.joined(separator: ",")
    case "members":
      actual = status.configuration.configuration.words.split(separator: " ").joined(separator: ",")
    default: throw error("a node has no “\(name)”")
    }
    try check(actual, value, name)
  }

  private func check(_ actual: String, _ wanted: String, _ name: String) throws(ScenarioError) {
    guard actual == wanted else { throw error("\(name): expected \(wanted), it is \(actual)") }
  }

  // MARK: Words

  private struct Link: Hashable {
    var from: NodeID
    var to: NodeID

    init(from: NodeID, to: NodeID) {
      self.from = from
      self.to = to
    }

    init(_ envelope: Envelope) { self.init(from: envelope.from, to: envelope.to) }
  }

  private func links(_ words: [String]) throws(ScenarioError) -> [Link] {
    var links: [Link] = []
    for word in words {
      let ends = word.split(separator: ">").map(String.init)
      guard ends.count == 2 else { throw error("“\(word)” is no link: A>B") }
      links.append(Link(from: try node(ends[0]), to: try node(ends[1])))
    }
    return links
  }

  private func node(_ word: String?) throws(ScenarioError) -> NodeID {
    guard let word, let id = NodeID(word), id >= 1, id <= NodeID(group.nodes.count) else {
      throw error("“\(word ?? "")” is no node of this group")
    }
    return id
  }

  private func number(_ word: String) throws(ScenarioError) -> Int {
    guard let number = Int(word), number >= 0 else { throw error("“\(word)” is no number") }
    return number
  }

  private func setting(_ word: String) throws(ScenarioError) -> (name: String, value: String) {
    let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { throw error("“\(word)” is not NAME=VALUE") }
    return (parts[0], parts[1])
  }

  private func duration(_ word: String?) throws(ScenarioError) -> Duration {
    let word = word ?? ""
    if word.hasSuffix("ms"), let count = Int(word.dropLast(2)) { return .milliseconds(count) }
    if word.hasSuffix("s"), let count = Int(word.dropLast()) { return .seconds(count) }
    throw error("“\(word)” is no time: 30ms, 2s")
  }

  // MARK: Transcript

  private func note(_ id: NodeID, _ event: Event, _ effects: [Effect]) {
    // What follows from nothing, and leads to nothing, is left out.
    if effects.isEmpty {
      switch event {
      case .durable, .applied, .deadline: return
      default: break
      }
    }
    transcript += "\(id): \(event.words)\n"
    for effect in effects { transcript += "    \(effect.words)\n" }
  }
}
