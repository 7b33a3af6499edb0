#pragma once

#include <optional>
#include <string>
#include <type_traits>
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

/// A value, or why there is none. For set-up with E = Error; on the data path E is an enum, and
/// what is small lies beside it: of a variant, which is written in bytes and copied in words, each
/// copy would wait for the bytes.
template <class T, class E = Error>
class [[nodiscard]] Result {
  static constexpr bool both = std::is_trivially_copyable_v<T> && std::is_trivially_copyable_v<E> &&
                               std::is_default_constructible_v<T>;

 public:
  Result(T value) : content_(make(std::in_place_index<0>, std::move(value))) {}
  Result(E error) : content_(make(std::in_place_index<1>, std::move(error))) {}

  bool ok() const noexcept {
    if constexpr (both) {
      return content_.ok;
    } else {
      return content_.index() == 0;
    }
  }
  explicit operator bool() const noexcept { return ok(); }

  T& value() & noexcept {
    POLLUX_ASSERT(ok());
    if constexpr (both) {
      return content_.value;
    } else {
      return *std::get_if<0>(&content_);
    }
  }
  const T& value() const& noexcept { return const_cast<Result&>(*this).value(); }
  T&& value() && noexcept { return std::move(value()); }
  T& operator*() & noexcept { return value(); }
  const T& operator*() const& noexcept { return value(); }
  T&& operator*() && noexcept { return std::move(*this).value(); }
  T* operator->() noexcept { return &value(); }
  const T* operator->() const noexcept { return &value(); }

  const E& error() const noexcept {
    POLLUX_ASSERT(!ok());
    if constexpr (both) {
      return content_.error;
    } else {
      return *std::get_if<1>(&content_);
    }
  }

 private:
  struct Both {
    T value{};
    E error{};
    bool ok = false;
  };
  using Content = std::conditional_t<both, Both, std::variant<T, E>>;

  template <std::size_t index, class Alternative>
  static Content make(std::in_place_index_t<index> which, Alternative&& alternative) {
    if constexpr (!both) {
      return Content{which, std::forward<Alternative>(alternative)};
    } else if constexpr (index == 0) {
      return {alternative, {}, true};
    } else {
      return {{}, alternative, false};
    }
  }

  Content content_;
};

/// Set-up that yields nothing but may fail.
using Status = Result<std::monostate>;

}  // namespace pollux
