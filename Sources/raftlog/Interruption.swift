// Interruption: a signal that asks the program to end becomes the end of its input.
//
// What must always hold: asked once, what was read is finished; asked twice, it ends on the spot.

import ProgramSupport
import StorageIO
import Synchronization

final class Interruption: Sendable {
  private let number = Atomic<Int32>(0)

  /// Takes the signals for the rest of the program. To be called before other threads are started.
  init(of input: StandardInput) {
    let signals = SignalSet.ending
    signals.block()
    let isStarted = BlockingThread.start { [self] in
      number.store(signals.wait(), ordering: .releasing)
      input.stop()
      Program.end(by: signals.wait())
    }
    // Without a thread there is no clean end, but there is one: signals are taken as usual.
    if !isStarted { signals.unblock() }
  }

  /// The signal that came, if one did.
  var signal: Int32? {
    let number = number.load(ordering: .acquiring)
    return number == 0 ? nil : number
  }
}
