#pragma once

#include <array>
#include <cstdint>

#include "transport/tcp/connection_table.h"
#include "wire/address.h"

namespace pollux::pipeline {

/// The next few connections that are likely to be opened, and the hashes of their four-tuples: who
/// opens one soon opens others, and to fetch where one will lie in the table takes longer than to
/// open one. A guess that was wrong costs what it has cost to make.
class ForeseenOpens {
 public:
  static constexpr std::uint32_t count = 4;

  /// Of the connection that is opened now.
  std::uint64_t hash(const wire::FourTuple& tuple, const tcp::TupleKey& key) const noexcept {
    const Open& guess = opens_[next_];
    return tuple == guess.tuple ? guess.hash : tcp::hash(tuple, key);
  }
  /// It is opened; this is the `count`th from there on.
  void push(const wire::FourTuple& tuple, std::uint64_t hash) noexcept {
    opens_[next_] = {tuple, hash};
    next_ = (next_ + 1) % count;
  }

 private:
  struct Open {
    wire::FourTuple tuple;
    std::uint64_t hash = 0;
  };
  std::array<Open, count> opens_{};
  std::uint32_t next_ = 0;
};

}  // namespace pollux::pipeline
