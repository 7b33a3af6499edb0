#include "sim/link.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "wire/ethernet.h"

namespace pollux::sim {
namespace {

bool is_arp(std::span<const std::byte> frame) {
  return frame.size() >= wire::EthernetView::header_size &&
         wire::load_u16(frame.data() + 12) == wire::ether_type::arp;
}

/// Uniform in [0, most].
Duration up_to(Prng& prng, Duration most) {
  if (most <= Duration{0}) return Duration{0};
  return Duration{
      static_cast<Duration::rep>(prng.below(static_cast<std::uint64_t>(most.count()) + 1))};
}

}  // namespace

Link::Link(const LinkOptions& options, std::uint64_t seed) : options_(options), prng_(seed) {}

void Link::send(Frame frame, Instant now) {
  ++counts_.offered;
  frame.charge(nullptr);
  if (!up_) {
    ++counts_.down;
    return;
  }
  if (options_.pad && frame.bytes().size() < ethernet_minimum) {
    const std::size_t missing = ethernet_minimum - frame.bytes().size();
    if (missing <= frame.tailroom()) {
      const std::span<std::byte> padding = frame.append(missing);
      std::memset(padding.data(), 0xA5, padding.size());
    }
  }
  const std::optional<Instant> left = leave(frame.bytes().size(), now);
  if (!left) {
    ++counts_.queue_full;
    return;
  }
  // What is lost behind the queue has used its time on the wire like any other.
  if (is_lost()) {
    ++counts_.lost;
    return;
  }
  if (options_.duplicate > 0 && prng_.chance(options_.duplicate)) {
    if (Frame copy = frame.clone()) {
      ++counts_.duplicated;
      fly(std::move(copy), *left);
    }
  }
  fly(std::move(frame), *left);
}

std::optional<Instant> Link::leave(std::size_t frame_bytes, Instant now) {
  if (options_.bits_per_second == 0) return now;
  const std::int64_t now_ps = now.time_since_epoch().count() * 1000;
  while (!waiting_.empty() && waiting_.front().leaves_ps <= now_ps) {
    waiting_bytes_ -= waiting_.front().bytes;
    waiting_.pop_front();
  }
  const std::size_t bytes = frame_bytes + ethernet_overhead;
  if (waiting_bytes_ + bytes > options_.queue_bytes) return std::nullopt;
  constexpr std::uint64_t ps_per_second = 1'000'000'000'000;
  const std::uint64_t takes_ps = bytes * 8 * ps_per_second / options_.bits_per_second;
  busy_until_ps_ = std::max(busy_until_ps_, now_ps) + static_cast<std::int64_t>(takes_ps);
  waiting_.push_back({busy_until_ps_, bytes});
  waiting_bytes_ += bytes;
  return Instant{Duration{(busy_until_ps_ + 999) / 1000}};
}

bool Link::is_lost() {
  bool lost = options_.loss > 0 && prng_.chance(options_.loss);
  if (options_.burst_loss) {
    const BurstLoss& burst = *options_.burst_loss;
    bad_ = prng_.chance(bad_ ? 1 - burst.leave : burst.enter);
    lost = lost || (bad_ && prng_.chance(burst.loss));
  }
  return lost;
}

void Link::corrupt(Frame& frame) {
  const std::span<std::byte> bytes = frame.mutable_bytes();
  const std::size_t bits = bytes.size() * 8;
  if (bits == 0) return;
  const auto flip = [&](std::size_t bit) { bytes[bit / 8] ^= std::byte{0x80} >> (bit % 8); };
  const std::size_t most = std::min<std::size_t>(std::max(options_.corrupt_bits, 1u), bits);
  const std::size_t run = 1 + prng_.below(most);
  const std::size_t first = prng_.below(bits - run + 1);
  flip(first);
  if (run > 1) flip(first + run - 1);
  for (std::size_t i = 1; i + 1 < run; ++i) {
    if (prng_.chance(0.5)) flip(first + i);
  }
}

void Link::fly(Frame frame, Instant left) {
  if (options_.corrupt > 0 && (options_.corrupt_arp || !is_arp(frame.bytes())) &&
      prng_.chance(options_.corrupt)) {
    corrupt(frame);
    ++counts_.corrupted;
  }
  Instant at = left + options_.delay + up_to(prng_, options_.jitter);
  if (options_.reorder > 0 && prng_.chance(options_.reorder)) {
    at += up_to(prng_, options_.reorder_delay);
    ++counts_.reordered;
  } else {
    at = last_in_order_ = std::max(at, last_in_order_);
  }
  flying_.push_back({at, next_order_++, std::move(frame)});
  std::push_heap(flying_.begin(), flying_.end(), later);
}

std::optional<Instant> Link::next_arrival() const noexcept {
  if (flying_.empty()) return std::nullopt;
  return flying_.front().at;
}

Frame Link::take_arrival(Instant now) {
  if (flying_.empty() || flying_.front().at > now) return Frame{};
  std::pop_heap(flying_.begin(), flying_.end(), later);
  Frame frame = std::move(flying_.back().frame);
  flying_.pop_back();
  ++counts_.arrived;
  counts_.bytes_arrived += frame.bytes().size();
  return frame;
}

void Link::set_up(bool up) {
  if (up == up_) return;
  up_ = up;
  if (up) return;
  counts_.down += flying_.size();
  flying_.clear();
  waiting_.clear();
  waiting_bytes_ = 0;
  busy_until_ps_ = 0;
  last_in_order_ = Instant{};
}

}  // namespace pollux::sim
