#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "wire/address.h"
#include "wire/address_set.h"

namespace pollux::pipeline {

/// The own addresses that active opens leave from. Filled at set-up; a choice takes as long for
/// thousands of addresses as for one.
class SourceAddresses {
 public:
  /// Some of them, each in its turn, in rising order.
  class Turn {
   public:
    /// What next() will give `ahead` calls from now; 0: the next. Where it will have gone on to
    /// another range by then, only a guess.
    wire::Ipv4Address peek(std::uint32_t ahead) const noexcept {
      const Range& range = ranges_[range_];
      std::uint32_t at = offset_ + ahead;
      while (at >= range.count) at -= range.count;
      return wire::Ipv4Address{range.first + at};
    }
    wire::Ipv4Address next() noexcept {
      const Range& range = ranges_[range_];
      const wire::Ipv4Address address{range.first + offset_};
      if (++offset_ == range.count) {
        offset_ = 0;
        range_ = range_ + 1 == ranges_.size() ? 0 : range_ + 1;
      }
      return address;
    }
    std::size_t size() const noexcept { return size_; }
    /// The i-th of them, i < size(), whoever's turn it is.
    wire::Ipv4Address at(std::size_t i) const noexcept {
      const auto behind = std::upper_bound(ranges_.begin(), ranges_.end(), i,
                                           [](std::size_t n, const Range& r) { return n < r.at; });
      const Range& range = *std::prev(behind);
      return wire::Ipv4Address{range.first + static_cast<std::uint32_t>(i - range.at)};
    }

   private:
    friend SourceAddresses;
    struct Range {
      std::uint32_t first = 0;
      std::uint32_t count = 0;
      std::size_t at = 0;  // of its first address among all
    };
    void add(wire::Ipv4Address address) {
      if (!ranges_.empty() && ranges_.back().first + ranges_.back().count == address.value()) {
        ++ranges_.back().count;
      } else {
        ranges_.push_back({address.value(), 1, size_});
      }
      ++size_;
    }
    std::vector<Range> ranges_;
    std::size_t size_ = 0;
    std::size_t range_ = 0;  // and offset_: the next address
    std::uint32_t offset_ = 0;
  };

  /// `own` is not empty.
  explicit SourceAddresses(const wire::AddressSet& own) {
    for (const wire::Ipv4Prefix& prefix : own.prefixes()) networks_.push_back({prefix, {}});
    own.for_each([this](wire::Ipv4Address address) {
      all_.add(address);
      for (auto& [prefix, turn] : networks_) {
        if (prefix.contains(address)) turn.add(address);
      }
    });
  }

  /// Those to speak to this next hop from: the ones in its network (RFC 1122 s.3.3.4.3), or all
  /// when it is in none that we are in.
  Turn& towards(wire::Ipv4Address next_hop) noexcept {
    for (auto& [prefix, turn] : networks_) {
      if (prefix.contains(next_hop)) return turn;
    }
    return all_;
  }

 private:
  std::vector<std::pair<wire::Ipv4Prefix, Turn>> networks_;  // longest prefix first
  Turn all_;
};

}  // namespace pollux::pipeline
