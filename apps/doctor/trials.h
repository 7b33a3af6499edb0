#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "doctor/probe.h"
#include "link/device.h"

namespace pollux::doctor {

/// works: as software does it. lies: something else came than was promised. silent: the device
/// promises and says nothing, which does no harm.
enum class Outcome { works, lies, silent };

/// What became of one offload.
struct Trial {
  std::string offload;  // "transmit TCP checksum"
  Outcome outcome = Outcome::works;
  std::string detail = {};
};

/// "works", "lies", "silent".
std::string_view name(Outcome outcome) noexcept;

/// Tries what a device says it can do, against what software does, through another device at its
/// other end. Each is the queues of one port.
///
/// `turn(n)` is called between two looks at a device that has nothing, n counting from 0; it moves
/// what has to be moved, and says whether to look again.
template <link::Device Ours, link::Device Theirs>
class Trials {
 public:
  using Turn = std::function<bool(unsigned)>;

  Trials(std::span<Ours> ours, std::span<Theirs> theirs, Turn turn)
      : ours_(ours), theirs_(theirs), turn_(std::move(turn)) {}

  /// Whether frames that ask for nothing come through unchanged. Without that nothing can be tried.
  bool sends() { return plain(ours_.front(), Side::theirs); }
  bool receives() { return plain(theirs_.front(), Side::ours); }

  /// All that ours sends by its own capabilities.
  std::vector<Trial> transmit() {
    const link::Capabilities has = ours_.front().capabilities();
    std::vector<Trial> out;
    if (has.transmit_ipv4_checksum) out.push_back(sum_sent("IPv4", false, true, false));
    if (has.transmit_tcp_checksum) out.push_back(sum_sent("TCP", false, false, true));
    if (has.transmit_udp_checksum) out.push_back(sum_sent("UDP", true, false, true));
    if (has.transmit_tcp_text != 0) out.push_back(cut(has));
    return out;
  }

  /// What ours says of what it has received; `merges`: also that it may put segments together.
  std::vector<Trial> receive(bool merges) {
    std::vector<Trial> out;
    if (ours_.front().capabilities().receive_checksum) {
      out.push_back(sums_received("IPv4", false, true));
      out.push_back(sums_received("TCP", false, false));
      out.push_back(sums_received("UDP", true, false));
    }
    if (merges) out.push_back(merged());
    return out;
  }

  /// Whether flows go to queues by their sum, which `sum_of` computes; only with several queues.
  Trial spreading(const std::function<std::uint32_t(const wire::FourTuple&)>& sum_of) {
    constexpr unsigned flows = 64;
    Trial trial{.offload = "flow spreading"};
    std::set<std::size_t> queues;
    unsigned lost = 0, wandering = 0, strange = 0, summed = 0;
    for (unsigned i = 0; i < flows; ++i) {
      const Probe probe = next();
      std::set<std::size_t> own;
      for (unsigned twice = 0; twice < 2; ++twice) {
        send(theirs_.front(), probe, {});
        const std::vector<Got> got = await(Side::ours, probe.serial, probe.text);
        if (got.empty()) ++lost;
        for (const Got& each : got) {
          own.insert(each.queue);
          if (!each.hash) continue;
          ++summed;
          if (*each.hash != sum_of(tuple_of(probe.serial))) ++strange;
        }
      }
      if (own.size() > 1) ++wandering;
      queues.insert(own.begin(), own.end());
    }
    trial.detail = fmt::format("{} flows on {} of {} queues", flows, queues.size(), ours_.size());
    if (summed != 0) trial.detail += fmt::format(", {} of {} sums right", summed - strange, summed);
    if (lost != 0) trial.detail += fmt::format(", {} frames lost", lost);
    if (wandering != 0) trial.detail += fmt::format(", {} flows on several", wandering);
    const bool right = queues.size() > 1 && lost == 0 && wandering == 0 && strange == 0;
    trial.outcome = right ? Outcome::works : Outcome::lies;
    return trial;
  }

 private:
  enum class Side { ours, theirs };
  static constexpr std::array<std::uint32_t, 8> sizes{0, 1, 7, 18, 64, 501, 1'000, 1'400};

  /// An arrival, and what the device said of it.
  struct Got {
    Arrival arrival;
    std::size_t queue = 0;
    packet::Verified ip = packet::Verified::unknown;
    packet::Verified l4 = packet::Verified::unknown;
    std::optional<std::uint32_t> hash = std::nullopt;
  };

  Probe next(std::uint32_t text = 64, bool udp = false) {
    return {.serial = serial_++, .udp = udp, .text = text};
  }

  /// One packet of one buffer or, for a long text, of several; empty where there are no buffers.
  template <class D>
  typename D::Packet packet_of(D& device, const Probe& probe,
                               const packet::ChecksumRequest& request) {
    std::vector<typename D::Packet> parts;
    std::uint32_t done = 0;
    do {
      typename D::Packet part = device.allocate();
      if (!part) return part;
      if (parts.empty()) {
        probe.write_headers(part.append(probe.header_bytes()), request);
      }
      // As the stack has it: the headers of what is long lie in a buffer of their own.
      const bool alone = parts.empty() && probe.text > part.tailroom();
      const std::size_t room =
          alone ? 0 : std::min<std::size_t>(part.tailroom(), probe.text - done);
      probe.write_text(part.append(room), done);
      done += static_cast<std::uint32_t>(room);
      parts.push_back(std::move(part));
    } while (done < probe.text);
    for (std::size_t i = parts.size(); i-- > 1;) parts[i - 1].attach(std::move(parts[i]));
    parts.front().request(request);
    return std::move(parts.front());
  }

  template <class D>
  bool send(D& device, Probe probe, const packet::ChecksumRequest& request) {
    const bool we = static_cast<const void*>(&device) == static_cast<const void*>(&ours_.front());
    probe.source = device.mac();
    probe.destination = we ? theirs_.front().mac() : ours_.front().mac();
    typename D::Packet packet = packet_of(device, probe, request);
    if (!packet) return false;
    packet::Burst<typename D::Packet, link::burst_size> burst;
    burst.push(std::move(packet));
    for (unsigned n = 0; device.transmit(burst) == 0; ++n) {
      if (!turn_(n)) return false;
    }
    return true;
  }

  template <class D>
  void take(D& device, std::size_t queue, std::uint16_t serial, std::vector<Got>& got) {
    packet::Burst<typename D::Packet, link::burst_size> burst;
    device.receive(burst);
    for (std::size_t i = 0; i < burst.size(); ++i) {
      const auto& packet = burst[i];
      const auto arrival = Arrival::parse(packet.bytes());
      if (!arrival || arrival->serial != serial) continue;
      got.push_back(
          {*arrival, queue, packet.ip_verified(), packet.l4_verified(), packet.rss_hash()});
    }
    burst.clear();
  }

  /// What comes of that serial until its text is there whole, or nobody wants to wait longer.
  std::vector<Got> await(Side side, std::uint16_t serial, std::uint32_t text) {
    std::vector<Got> got;
    for (unsigned n = 0;; ++n) {
      if (side == Side::theirs) {
        for (std::size_t i = 0; i < theirs_.size(); ++i) take(theirs_[i], i, serial, got);
      } else {
        for (std::size_t i = 0; i < ours_.size(); ++i) take(ours_[i], i, serial, got);
      }
      std::uint32_t sum = 0;
      for (const Got& each : got) sum += each.arrival.text;
      if (!got.empty() && sum >= text) return got;
      if (!turn_(n)) return got;
    }
  }

  template <class From>
  bool plain(From& from, Side to) {
    for (unsigned i = 0; i < 5; ++i) {
      const Probe probe = next(100 + i);
      send(from, probe, {});
      for (const Got& got : await(to, probe.serial, probe.text)) {
        const Arrival& arrival = got.arrival;
        if (arrival.text_ok && arrival.sum_ok && arrival.ipv4_sum_ok) return true;
      }
    }
    return false;
  }

  Trial sum_sent(std::string_view what, bool udp, bool ipv4, bool transport) {
    Trial trial{.offload = fmt::format("transmit {} checksum", what)};
    unsigned lost = 0, wrong = 0, left = 0;
    for (const std::uint32_t size : sizes) {
      const Probe probe = next(size, udp);
      send(ours_.front(), probe, request_for(probe, ipv4, transport));
      const std::vector<Got> got = await(Side::theirs, probe.serial, probe.text);
      if (got.empty()) {
        ++lost;
        continue;
      }
      const Arrival& arrival = got.front().arrival;
      const bool told = transport && got.front().l4 == packet::Verified::unfinished;
      if (told && !arrival.sum_ok) ++left;
      if (!arrival.text_ok || !arrival.ipv4_sum_ok || (!arrival.sum_ok && !told)) ++wrong;
    }
    trial.detail = fmt::format("{} of {} frames right", sizes.size() - lost - wrong, sizes.size());
    if (wrong != 0) trial.detail += fmt::format(", {} with a wrong sum", wrong);
    if (lost != 0) trial.detail += fmt::format(", {} lost", lost);
    if (left != 0) trial.detail += fmt::format(", {} left to the peer, who knows", left);
    if (lost + wrong != 0) trial.outcome = Outcome::lies;
    return trial;
  }

  /// Whether the text is there once, in segments that are not too long, each with right sums.
  Trial cut(const link::Capabilities& has) {
    constexpr std::uint16_t segment = 1'000;
    Trial trial{.offload = "TCP segmentation"};
    Probe probe = next(std::min<std::uint32_t>(has.transmit_tcp_text, 5 * segment + 123));
    send(ours_.front(), probe, request_for(probe, has.transmit_ipv4_checksum, true, segment));
    const std::vector<Got> got = await(Side::theirs, probe.serial, probe.text);
    std::uint32_t whole = 0;
    unsigned wrong = 0, uncut = 0, early = 0;
    for (const Got& each : got) {
      const Arrival& arrival = each.arrival;
      const bool told = each.l4 == packet::Verified::unfinished;
      if (!arrival.text_ok || !arrival.ipv4_sum_ok || (!arrival.sum_ok && !told)) ++wrong;
      if (arrival.text > segment) ++(told ? uncut : wrong);
      if (arrival.last && arrival.offset + arrival.text != probe.text) ++early;
      whole += arrival.text;
    }
    trial.detail = fmt::format("{} of {} bytes in {} segments", whole, probe.text, got.size());
    if (wrong != 0) trial.detail += fmt::format(", {} wrong", wrong);
    if (early != 0) trial.detail += fmt::format(", {} pushed before the last", early);
    if (uncut != 0) trial.detail += ", uncut to the peer, who knows";
    if (wrong != 0 || early != 0 || whole != probe.text) trial.outcome = Outcome::lies;
    return trial;
  }

  Trial sums_received(std::string_view what, bool udp, bool ipv4) {
    Trial trial{.offload = fmt::format("receive {} checksum", what)};
    unsigned praised = 0, blamed = 0, said = 0, dropped = 0, lost = 0;
    for (const bool bad : {false, true}) {
      for (const std::uint32_t size : sizes) {
        Probe probe = next(size, udp);
        probe.bad_ipv4_sum = bad && ipv4;
        probe.bad_sum = bad && !ipv4;
        send(theirs_.front(), probe, {});
        const std::vector<Got> got = await(Side::ours, probe.serial, probe.text);
        if (got.empty()) {
          ++(bad ? dropped : lost);
          continue;
        }
        const packet::Verified word = ipv4 ? got.front().ip : got.front().l4;
        if (word != packet::Verified::unknown) ++said;
        if (bad && word != packet::Verified::unknown && word != packet::Verified::bad) ++praised;
        if (!bad && word == packet::Verified::bad) ++blamed;
      }
    }
    trial.detail = fmt::format("says something of {} of {} frames", said, 2 * sizes.size());
    if (praised != 0) trial.detail += fmt::format(", good of {} that were bad", praised);
    if (blamed != 0) trial.detail += fmt::format(", bad of {} that were good", blamed);
    if (dropped != 0) trial.detail += fmt::format(", lets {} that were bad not pass", dropped);
    if (lost != 0) trial.detail += fmt::format(", {} that were good lost", lost);
    if (said == 0) trial.outcome = Outcome::silent;
    if (praised + blamed + lost != 0) trial.outcome = Outcome::lies;
    return trial;
  }

  Trial merged() {
    constexpr unsigned segments = 4;
    constexpr std::uint32_t each = 1'000;
    Trial trial{.offload = "packets of several TCP segments"};
    const std::uint16_t serial = serial_++;
    for (unsigned i = 0; i < segments; ++i) {
      send(theirs_.front(),
           {.serial = serial, .text = each, .offset = i * each, .last = i + 1 == segments}, {});
    }
    const std::vector<Got> got = await(Side::ours, serial, segments * each);
    std::uint32_t whole = 0;
    unsigned wrong = 0;
    for (const Got& part : got) {
      whole += part.arrival.text;
      // A sum that the device says to be none is not looked at.
      const bool sum = part.arrival.sum_ok || part.l4 == packet::Verified::unfinished;
      if (!part.arrival.text_ok || !sum || part.arrival.offset % each != 0) ++wrong;
    }
    trial.detail = fmt::format("{} of {} bytes of {} segments in {} packets", whole,
                               segments * each, segments, got.size());
    if (wrong != 0) trial.detail += fmt::format(", {} wrong", wrong);
    if (wrong != 0 || whole != segments * each) trial.outcome = Outcome::lies;
    return trial;
  }

  std::span<Ours> ours_;
  std::span<Theirs> theirs_;
  Turn turn_;
  std::uint16_t serial_ = 1;
};

}  // namespace pollux::doctor
