// CodecChoice: how batches are compressed, on the command line.

import ArgumentParser
package import LogFormat

package enum CodecChoice: String, ExpressibleByArgument, CaseIterable {
  case auto, none, lz4

  package var compression: Compression {
    switch self {
    case .auto: .automatic
    case .none: .none
    case .lz4: .lz4
    }
  }
}
