#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace pollux::sim {

/// Which way a frame went, seen from the interface that it was captured at.
enum class Direction : std::uint8_t { unknown = 0, inbound = 1, outbound = 2 };

/// Writes Ethernet frames to a pcapng file (draft-ietf-opsawg-pcapng) with nanosecond times: one
/// section, an interface block for each add_interface(), an enhanced packet block a frame.
/// write() allocates nothing. Once something has failed, all that follows fails in the same way
/// and the file keeps what was written before.
class PcapWriter {
 public:
  PcapWriter(PcapWriter&&) noexcept = default;
  PcapWriter& operator=(PcapWriter&&) = delete;
  ~PcapWriter() = default;

  /// Makes the file, or empties it. `epoch` is what Instant 0 is in Unix time; 0 for virtual time.
  static Result<PcapWriter> create(const std::string& path, Duration epoch = Duration{0});

  /// Announces an interface and yields its number. Names are at most 255 bytes, the rest is cut.
  Result<std::uint32_t> add_interface(std::string_view name);
  /// Appends one frame, of at most 256 KiB (more is cut off and shows as such). `interface` is a
  /// number from add_interface(). With `length` the frame is longer than what is given of it.
  Status write(std::uint32_t interface, Instant when, std::span<const std::byte> frame,
               Direction direction = Direction::unknown, std::size_t length = 0);
  /// Hands what is buffered to the kernel. The destructor does it too, but cannot say how it went.
  Status flush();

  std::uint64_t frames() const noexcept { return frames_; }
  const std::string& path() const noexcept { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  PcapWriter(std::string path, Duration epoch, std::unique_ptr<char[]> buffer, std::FILE* file);
  bool put(std::span<const std::byte> bytes) noexcept;
  Status status() const;

  std::string path_;
  Duration epoch_;
  std::unique_ptr<char[]> buffer_;  // the FILE's, so it must die after it
  std::unique_ptr<std::FILE, Close> file_;
  std::uint32_t interfaces_ = 0;
  std::uint64_t frames_ = 0;
  int error_ = 0;
};

}  // namespace pollux::sim
