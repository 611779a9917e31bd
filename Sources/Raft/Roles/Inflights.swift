// Inflights: what is on its way to a follower, and how much more may be.
//
// What must always hold: `bytes` is the sum of the messages that are out (etcd-io/raft#54): it is not
// counted beside them, it is the distance between two of them. Their last indices ascend.

package import LogFormat

package struct Inflights {
  private struct Message {
    var last: LogIndex
    /// Bytes of all messages up to this one since the window was empty.
    var end: Int
  }

  private var messages: [Message] = []
  /// How many at the front have arrived, and their bytes.
  private var freed = 0
  private var freedEnd = 0

  package init() {}

  package var count: Int { messages.count - freed }
  package var isEmpty: Bool { count == 0 }
  package var bytes: Int { (messages.last?.end ?? freedEnd) - freedEnd }

  /// Bytes that may still be sent; nil if no message may.
  package func room(_ options: RaftOptions) -> Int? {
    guard count < options.inflightMessagesMax else { return nil }
    let room = options.inflightBytesMax - bytes
    return room > 0 ? room : nil
  }

  package mutating func add(last: LogIndex, bytes: Int) {
    precondition(messages.last.map { $0.last < last } ?? true, "messages out of order")
    messages.append(Message(last: last, end: (messages.last?.end ?? freedEnd) + bytes))
  }

  /// Everything up to `index` has arrived.
  package mutating func free(through index: LogIndex) {
    while freed < messages.count, messages[freed].last <= index {
      freedEnd = messages[freed].end
      freed += 1
    }
    if freed == messages.count {
      removeAll()
    } else if freed > 64, freed * 2 > messages.count {
      messages.removeFirst(freed)
      freed = 0
    }
  }

  package mutating func removeAll() {
    messages.removeAll(keepingCapacity: true)
    freed = 0
    freedEnd = 0
  }
}
