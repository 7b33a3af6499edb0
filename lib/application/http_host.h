#pragma once

#include <cstdint>

#include "application/http_characters.h"

namespace pollux::application {

/// uri-host [ ":" port ] (RFC 9110 s.7.2; RFC 3986 s.3.2.2, 3.2.3), a character at a time.
class HttpHost {
 public:
  /// False for a character that cannot stand anywhere in it, nor in user information before it.
  bool take(char c) noexcept {
    if (percent_left_ != 0) {
      --percent_left_;
      return characters::is(c, characters::hex);
    }
    const bool escape = c == '%';
    if (escape) percent_left_ = 2;
    switch (at_) {
      case At::host:
        if (c == ':') {
          at_ = At::port;
          break;
        }
        if (c == '[') {
          at_ = At::literal;
          sound_ = sound_ && !named_;
        }
        sound_ = sound_ && c != ']';
        named_ = true;
        break;
      case At::literal:
        if (c == ']') at_ = At::behind_literal;
        sound_ = sound_ && c != '[';
        break;
      case At::behind_literal:
        at_ = At::port;
        sound_ = sound_ && c == ':';
        break;
      case At::port:
        sound_ = sound_ && characters::is(c, characters::digit);
        break;
    }
    return escape || characters::is(c, characters::in_host);
  }
  bool in_escape() const noexcept { return percent_left_ != 0; }
  /// What has come so far is one. An empty host is, too.
  bool sound() const noexcept { return sound_ && !in_escape() && at_ != At::literal; }
  /// The host is not empty.
  bool named() const noexcept { return named_; }

 private:
  enum class At : std::uint8_t { host, literal, behind_literal, port };

  At at_ = At::host;
  std::uint8_t percent_left_ = 0;  // hexadecimal digits that a % still wants
  bool sound_ = true;
  bool named_ = false;
};

}  // namespace pollux::application
