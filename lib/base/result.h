#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/assert.h"

namespace pollux {

/// What a person reads when set-up fails: `error: WHAT: WHY; try: WHAT TO DO`.
struct Error {
  /// The programs' exit codes (2 wrong usage, 3 the machine lacks something).
  enum class Kind { usage = 2, machine = 3 };
  Kind kind = Kind::usage;
  std::string what;
  std::string why;
  std::string remedy;
};

/// A value, or why there is none. For set-up with E = Error; on the data path E is an enum.
template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : content_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const noexcept { return content_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  T& value() & noexcept {
    POLLUX_ASSERT(ok());
    return *std::get_if<0>(&content_);
  }
  const T& value() const& noexcept {
    POLLUX_ASSERT(ok());
    return *std::get_if<0>(&content_);
  }
  T&& value() && noexcept {
    POLLUX_ASSERT(ok());
    return std::move(*std::get_if<0>(&content_));
  }
  T& operator*() & noexcept { return value(); }
  const T& operator*() const& noexcept { return value(); }
  T&& operator*() && noexcept { return std::move(*this).value(); }
  T* operator->() noexcept { return &value(); }
  const T* operator->() const noexcept { return &value(); }

  const E& error() const noexcept {
    POLLUX_ASSERT(!ok());
    return *std::get_if<1>(&content_);
  }

 private:
  std::variant<T, E> content_;
};

/// Set-up that yields nothing but may fail.
using Status = Result<std::monostate>;

}  // namespace pollux
