#pragma once

#include <cstdint>

#include "link/device.h"

namespace pollux::pipeline {

/// How short the packet buffers of a device are, by Config::few_buffers. Of a device that does not
/// tell they are never short.
class BufferMarks {
 public:
  explicit BufferMarks(std::uint32_t few) noexcept : few_(few) {}

  /// Once a poll.
  template <class D>
  void look(const D& device) noexcept {
    if constexpr (link::Pooled<D>) {
      if (few_ != 0) spare_ = device.spare_buffers();
    }
  }
  /// One was taken since, to be kept.
  void took_one() noexcept {
    if (spare_ != 0 && spare_ != unknown) --spare_;
  }

  /// New connections are none of those to be served.
  bool few() const noexcept { return spare_ < few_; }
  /// Who holds some already gets no more.
  bool scarce() const noexcept { return spare_ < few_ / 2; }
  /// What is left is for what the stack itself has to say.
  bool last() const noexcept { return spare_ < few_ / 4; }

 private:
  static constexpr std::uint32_t unknown = 0xFFFF'FFFF;  // of a device that does not tell

  std::uint32_t few_;
  std::uint32_t spare_ = unknown;
};

}  // namespace pollux::pipeline
