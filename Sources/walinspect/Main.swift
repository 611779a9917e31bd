// walinspect: the program. All of it is in LogInspection, where tests and fuzzers reach it.

import LogInspection

@main
enum Main {
  static func main() { InspectionProgram.main() }
}
