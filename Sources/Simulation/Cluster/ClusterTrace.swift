import RaftLog
struct ClusterTrace {
  mutating func begin(_ event: NodeEvent, of member: SimulatedMember, at time: UInt64) {}
  mutating func end(of member: SimulatedMember, _ effects: [NodeEffect]) {}
}
