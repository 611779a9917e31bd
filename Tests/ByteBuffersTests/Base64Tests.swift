// Base64Tests: the vectors of RFC 4648 section 10, and every byte there is.

import ByteBuffers
import Testing

struct Base64Tests {
  @Test func knownAnswers() {
    let vectors = [
      "": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "fooba": "Zm9vYmE=",
      "foobar": "Zm9vYmFy",
    ]
    for (text, encoded) in vectors { #expect(Base64.string(Bytes(text)) == encoded) }
    #expect(Base64.string([0xFB, 0xEF, 0xFF, 0x00]) == "++//AA==")
  }

  @Test func digitsAreAppended() {
    var text = Array("before ".utf8)
    Base64.append(Bytes("fo").span, to: &text)
    Base64.append(Bytes().span, to: &text)
    Base64.append(Bytes("foo").span, to: &text)
    #expect(String(decoding: text, as: UTF8.self) == "before Zm8=Zm9v")
  }
}
