#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/inline.h"
#include "base/result.h"
#include "dpdk/clock.h"
#include "link/device.h"
#include "sim/pcap.h"

namespace pollux::run {

/// The file of --capture, which all cores write to. A run that is captured is slower: whoever
/// records measures something else.
class Recorder {
 public:
  static Result<std::unique_ptr<Recorder>> create(const std::string& path,
                                                  const dpdk::TscClock& clock) {
    const auto unix_now = std::chrono::system_clock::now().time_since_epoch();
    const Duration epoch =
        std::chrono::duration_cast<Duration>(unix_now) - clock.now().time_since_epoch();
    auto writer = sim::PcapWriter::create(path, epoch);
    if (!writer) return writer.error();
    return std::unique_ptr<Recorder>{new Recorder(std::move(*writer), clock)};
  }

  Result<std::uint32_t> add_interface(std::string_view name) { return writer_.add_interface(name); }

  /// Records the frames [first, last), which all pass at one time.
  template <class P>
  void record(std::uint32_t interface, P* first, P* last, sim::Direction direction) noexcept {
    if (first == last) return;
    const std::scoped_lock lock{mutex_};
    const Instant now = clock_.now();
    for (P* packet = first; packet != last; ++packet) {
      // Of what lies in several buffers only the first is recorded, with the length of all.
      static_cast<void>(
          writer_.write(interface, now, packet->bytes(), direction, packet->length()));
    }
  }
  /// Whether everything was written.
  Status finish() { return writer_.flush(); }

 private:
  Recorder(sim::PcapWriter writer, const dpdk::TscClock& clock)
      : writer_(std::move(writer)), clock_(clock) {}

  std::mutex mutex_;
  sim::PcapWriter writer_;
  dpdk::TscClock clock_;
};

/// A device whose frames are recorded on their way, where there is a recorder; models link::Device.
template <link::Device D>
class Recorded {
 public:
  using Packet = typename D::Packet;
  using Burst = packet::Burst<Packet, link::burst_size>;

  /// `recorder` is null where nothing is recorded.
  explicit Recorded(D device, Recorder* recorder = nullptr, std::uint32_t interface = 0) noexcept
      : device_(std::move(device)), recorder_(recorder), interface_(interface) {}

  void receive(Burst& burst) noexcept {
    const std::size_t before = burst.size();
    device_.receive(burst);
    if (recorder_ != nullptr) [[unlikely]] {
      recorder_->record(interface_, burst.begin() + before, burst.end(), sim::Direction::inbound);
    }
  }
  std::size_t transmit(Burst& burst) noexcept {
    if (recorder_ != nullptr) [[unlikely]] {
      // What the device did not take before stands at the front and is recorded already.
      recorder_->record(interface_, burst.begin() + left_, burst.end(), sim::Direction::outbound);
    }
    const std::size_t sent = device_.transmit(burst);
    left_ = burst.size();
    return sent;
  }
  POLLUX_INLINE Packet allocate() noexcept { return device_.allocate(); }
  std::uint32_t spare_buffers() const noexcept requires link::Pooled<D> {
    return device_.spare_buffers();
  }
  wire::MacAddress mac() const noexcept { return device_.mac(); }
  std::uint16_t mtu() const noexcept { return device_.mtu(); }
  link::Capabilities capabilities() const noexcept { return device_.capabilities(); }
  std::uint32_t links() const noexcept requires link::Relinked<D> { return device_.links(); }
  void begin_counting() noexcept {
    if constexpr (requires { device_.begin_counting(); }) device_.begin_counting();
  }
  bool pass_on() noexcept requires requires(D d) { d.pass_on(); }
  { return device_.pass_on(); }
  bool comes_home(const wire::FourTuple& tuple) const noexcept requires link::Steered<D> {
    return device_.comes_home(tuple);
  }
  bool knows_homes() const noexcept requires link::Steered<D> { return device_.knows_homes(); }
  bool carry_home(const wire::FourTuple& flow, Packet frame) noexcept requires link::Steered<D> {
    return device_.carry_home(flow, std::move(frame));
  }

 private:
  D device_;
  Recorder* recorder_;
  std::uint32_t interface_;
  std::size_t left_ = 0;
};

}  // namespace pollux::run
