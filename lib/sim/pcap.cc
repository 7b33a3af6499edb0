#include "sim/pcap.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pollux::sim {
namespace {

constexpr std::size_t buffer_size = 256 * 1024;
constexpr std::size_t most_captured = 256 * 1024;

/// One block of the file, or its head: numbers in the order of this host's bytes, which the
/// section header's magic number tells the reader.
class Block {
 public:
  void u16(std::uint16_t value) { put(&value, sizeof value); }
  void u32(std::uint32_t value) { put(&value, sizeof value); }
  void text(std::string_view text) { put(text.data(), text.size()); }
  void pad() { size_ = (size_ + 3) / 4 * 4; }
  /// An option: code, length, value, filled up to a multiple of four.
  void option(std::uint16_t code, std::string_view value) {
    u16(code);
    u16(static_cast<std::uint16_t>(value.size()));
    text(value);
    pad();
  }
  void end_of_options() { u32(0); }
  /// The total length stands in front of the body and behind it.
  void close() {
    const auto total = static_cast<std::uint32_t>(size_ + 4);
    std::memcpy(bytes_.data() + 4, &total, sizeof total);
    u32(total);
  }
  std::span<const std::byte> bytes() const { return {bytes_.data(), size_}; }

 private:
  void put(const void* from, std::size_t n) {
    if (n == 0) return;
    std::memcpy(bytes_.data() + size_, from, n);
    size_ += n;
  }
  std::array<std::byte, 384> bytes_{};
  std::size_t size_ = 0;
};

constexpr std::uint32_t section_header = 0x0A0D0D0A;
constexpr std::uint32_t interface_description = 1;
constexpr std::uint32_t enhanced_packet = 6;
constexpr std::uint16_t link_type_ethernet = 1;

}  // namespace

PcapWriter::PcapWriter(std::string path, Duration epoch, std::unique_ptr<char[]> buffer,
                       std::FILE* file)
    : path_(std::move(path)), epoch_(epoch), buffer_(std::move(buffer)), file_(file) {
  std::setvbuf(file, buffer_.get(), _IOFBF, buffer_size);
}

Result<PcapWriter> PcapWriter::create(const std::string& path, Duration epoch) {
  std::FILE* const file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) {
    return Error{Error::Kind::machine, "cannot write the capture " + path, std::strerror(errno),
                 "a path in a folder that exists and may be written to"};
  }
  PcapWriter writer{path, epoch, std::make_unique<char[]>(buffer_size), file};
  Block block;
  block.u32(section_header);
  block.u32(0);
  block.u32(0x1A2B3C4D);
  block.u16(1);  // version 1.0
  block.u16(0);
  block.u32(0xFFFFFFFF);  // the section's length is not given
  block.u32(0xFFFFFFFF);
  block.option(4, "Pollux");
  block.end_of_options();
  block.close();
  if (!writer.put(block.bytes())) return writer.status().error();
  return writer;
}

Result<std::uint32_t> PcapWriter::add_interface(std::string_view name) {
  Block block;
  block.u32(interface_description);
  block.u32(0);
  block.u16(link_type_ethernet);
  block.u16(0);
  block.u32(0);  // frames are not cut
  block.option(2, name.substr(0, 255));
  block.option(9, "\x09");  // times count 10^-9 s
  block.end_of_options();
  block.close();
  if (!put(block.bytes())) return status().error();
  return interfaces_++;
}

Status PcapWriter::write(std::uint32_t interface, Instant when, std::span<const std::byte> frame,
                         Direction direction, std::size_t length) {
  POLLUX_ASSERT(interface < interfaces_);
  const std::span<const std::byte> data = frame.first(std::min(frame.size(), most_captured));
  const std::size_t padding = (4 - data.size() % 4) % 4;
  constexpr std::size_t head_size = 28;
  constexpr std::size_t tail_size = 16;
  const auto total = static_cast<std::uint32_t>(head_size + data.size() + padding + tail_size);
  const auto time = static_cast<std::uint64_t>((when.time_since_epoch() + epoch_).count());
  Block head;
  head.u32(enhanced_packet);
  head.u32(total);
  head.u32(interface);
  head.u32(static_cast<std::uint32_t>(time >> 32));
  head.u32(static_cast<std::uint32_t>(time));
  head.u32(static_cast<std::uint32_t>(data.size()));
  head.u32(static_cast<std::uint32_t>(std::max(frame.size(), length)));
  Block tail;
  tail.u16(2);  // epb_flags
  tail.u16(4);
  tail.u32(static_cast<std::uint32_t>(direction));
  tail.end_of_options();
  tail.u32(total);
  constexpr std::array<std::byte, 4> zeros{};
  if (put(head.bytes()) && put(data) && put(std::span{zeros}.first(padding)) && put(tail.bytes())) {
    ++frames_;
  }
  return status();
}

Status PcapWriter::flush() {
  if (error_ == 0 && std::fflush(file_.get()) != 0) error_ = errno;
  return status();
}

bool PcapWriter::put(std::span<const std::byte> bytes) noexcept {
  if (error_ != 0) return false;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    error_ = errno != 0 ? errno : EIO;
  }
  return error_ == 0;
}

Status PcapWriter::status() const {
  if (error_ == 0) return std::monostate{};
  return Error{Error::Kind::machine, "cannot write the capture " + path_, std::strerror(error_),
               "a file system with more room"};
}

}  // namespace pollux::sim
