// ARP, the table of neighbours and what waits for them, under any order of packets, look-ups and
// time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "input.h"
#include "link/arp.h"
#include "link/neighbor_table.h"
#include "link/waiting.h"
#include "sim/frame.h"
#include "wire/address_set.h"
#include "wire/arp.h"

namespace pollux::fuzz {
namespace {

using link::NeighborId;
using link::NeighborTable;

constexpr std::uint32_t capacity = 4;
constexpr wire::MacAddress own_mac{{2, 0, 0, 0, 0, 1}};

class Host {
 public:
  Host() : pool_(64, 256), table_(make()), waiting_(capacity, 8, 3) {
    POLLUX_REQUIRE(own_.add({wire::Ipv4Address{10, 0, 0, 1}, 24}));
  }

  void send(wire::Ipv4Address to, bool in_fragments) {
    const auto found = table_.lookup(to, now_);
    switch (found.state) {
      case NeighborTable::State::resolved:
        // Never another's, nor an older one.
        POLLUX_REQUIRE(told_.contains(to.value()) && told_[to.value()] == found.mac);
        break;
      case NeighborTable::State::waiting: {
        POLLUX_REQUIRE(found.id < capacity);
        // An entry for which something waits is not made another neighbour's.
        POLLUX_REQUIRE(waiting_.size(found.id) == 0 || waits_for_[found.id] == to);
        waits_for_[found.id] = to;
        sim::Frame frame = pool_.allocate();
        POLLUX_REQUIRE(static_cast<bool>(frame));
        const auto pushed = waiting_.push(found.id, std::move(frame), in_fragments ? 9 : 0);
        gone_ += pushed.dropped;
        ++pushed_;
        break;
      }
      case NeighborTable::State::unreachable:
      case NeighborTable::State::table_full:
        break;
    }
  }

  void hear(const wire::ArpFields& fields, wire::MacAddress frame_source) {
    std::array<std::byte, wire::ArpFields::size> bytes{};
    fields.write(bytes);
    const auto view = wire::ArpView::parse(bytes);
    POLLUX_REQUIRE(view.has_value());
    const auto verdict =
        link::arp_arrives(*view, frame_source, own_, own_mac, table_, defence_, now_);
    if (verdict.drop != Drop::none) {
      POLLUX_REQUIRE(!verdict.reply && !verdict.resolved && !verdict.conflict);
      return;
    }
    if (verdict.reply) {
      POLLUX_REQUIRE(verdict.reply->fields.sender_hardware == own_mac);
      POLLUX_REQUIRE(own_.contains(verdict.reply->fields.sender_protocol));
    }
    told_[fields.sender_protocol.value()] = fields.sender_hardware;
    if (!verdict.resolved) return;
    POLLUX_REQUIRE(verdict.resolved->address == fields.sender_protocol);
    POLLUX_REQUIRE(verdict.resolved->mac == fields.sender_hardware);
    const NeighborId id = verdict.resolved->id;
    POLLUX_REQUIRE(waiting_.size(id) == 0 || waits_for_[id] == fields.sender_protocol);
    waiting_.take_all(id, [this](sim::Frame&&) { ++gone_; });
  }

  void wait(Duration time) {
    now_ += time;
    // What is due at once is done in a few rounds: no time goes by without an end.
    for (int round = 0; round < 4; ++round) {
      table_.advance(now_, [this](const NeighborTable::Action& action) { act(action); });
    }
    const auto next = table_.next_deadline();
    POLLUX_REQUIRE(!next || *next > now_);
    POLLUX_REQUIRE(!next || table_.size() != 0);
    bool asks = false;  // one that has answered may be stale, and waits for nothing
    table_.for_each([&](wire::Ipv4Address, wire::MacAddress, bool resolved) { asks |= !resolved; });
    POLLUX_REQUIRE(next || !asks);
  }

  void check() {
    std::uint32_t count = 0;
    table_.for_each([&](wire::Ipv4Address, wire::MacAddress, bool) { ++count; });
    POLLUX_REQUIRE(count == table_.size() && count <= capacity);
    POLLUX_REQUIRE(pushed_ == gone_ + waiting_.size() && pool_.live() == waiting_.size());
  }
  void relink() { table_.forget_resolved(); }
  void stop() {
    gone_ += waiting_.drop_all();
    check();
  }

 private:
  static NeighborTable make() {
    auto made = NeighborTable::make({.capacity = capacity, .requests_per_second = 10, .burst = 3},
                                    Instant{});
    POLLUX_REQUIRE(made.ok());
    return std::move(*made);
  }
  void act(const NeighborTable::Action& action) {
    if (action.kind == NeighborTable::Action::Kind::failed) {
      POLLUX_REQUIRE(waiting_.size(action.id) == 0 || waits_for_[action.id] == action.address);
      gone_ += waiting_.drop_all(action.id);
      return;
    }
    const auto message = link::arp_request(action, own_, own_mac);
    POLLUX_REQUIRE(message.fields.target_protocol == action.address);
    POLLUX_REQUIRE(own_.contains(message.fields.sender_protocol));
  }

  sim::FramePool pool_;
  wire::AddressSet own_;
  NeighborTable table_;
  link::ArpDefence defence_;
  link::WaitingQueue<sim::Frame> waiting_;
  std::map<std::uint32_t, wire::MacAddress> told_;
  std::array<wire::Ipv4Address, capacity> waits_for_{};
  std::uint64_t pushed_ = 0;
  std::uint64_t gone_ = 0;
  Instant now_{};
};

/// A few addresses: ours, neighbours, and those that nobody can have.
wire::Ipv4Address address(Input& in) {
  const std::uint8_t which = in.u8();
  if (which < 240) return wire::Ipv4Address{10, 0, 0, static_cast<std::uint8_t>(1 + which % 12)};
  constexpr std::array<std::uint32_t, 4> odd = {0, 0x0A0000FF, 0xFFFFFFFF, 0xE0000001};
  return wire::Ipv4Address{odd[which % 4]};
}

wire::MacAddress mac(Input& in) {
  const std::uint8_t which = in.u8();
  if (which == 255) return wire::MacAddress::broadcast();
  if (which == 254) return {};
  return {{2, 0, 0, 0, 0, static_cast<std::uint8_t>(1 + which % 5)}};
}

void run(Input in) {
  Host host;
  while (!in.empty()) {
    const std::uint8_t what = in.u8();
    switch (what % 4) {
      case 0:
        host.send(address(in), (what & 4) != 0);
        break;
      case 1: {
        wire::ArpFields fields;
        fields.operation = static_cast<std::uint16_t>(1 + (what >> 2) % 3);
        fields.sender_hardware = mac(in);
        fields.sender_protocol = address(in);
        fields.target_protocol = address(in);
        host.hear(fields, (what & 64) != 0 ? mac(in) : fields.sender_hardware);
        break;
      }
      case 2:
        host.wait((what & 4) != 0 ? in.u8() * 100ms : in.u8() * 1ms);
        break;
      case 3:
        if (what > 250) host.relink();
        break;
    }
    host.check();
  }
  host.stop();
}

}  // namespace
}  // namespace pollux::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pollux::fuzz::run({data, size});
  return 0;
}
