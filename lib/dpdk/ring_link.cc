#include "dpdk/ring_link.h"

#include <rte_errno.h>

#include <bit>
#include <string>

namespace pollux::dpdk {
namespace {

PoolOptions pool_options(const RingLinkOptions& options) {
  return {.name = "pollux-link",
          .buffers = options.buffers,
          .frame_bytes =
              static_cast<std::uint16_t>(options.mtu + 64 < 2'048 ? 2'048 : options.mtu + 64)};
}

}  // namespace

void RingLink::FreeRing::operator()(rte_ring* ring) const noexcept {
  if (ring == nullptr) return;
  void* packet = nullptr;
  while (rte_ring_sc_dequeue(ring, &packet) == 0) Mbuf{static_cast<rte_mbuf*>(packet)};
  rte_ring_free(ring);
}

std::size_t RingLink::bytes_for(const RingLinkOptions& options) noexcept {
  const std::size_t ring = options.entries * sizeof(void*) + (std::size_t{1} << 12);
  return std::size_t{2} * options.queues * (Pool::bytes_for(pool_options(options)) + ring);
}

Result<RingLink> RingLink::create(const RingLinkOptions& options) {
  if (!std::has_single_bit(options.entries)) {
    return Error{.what = "ring link",
                 .why = "its length is not a power of two",
                 .remedy = std::to_string(std::bit_ceil(options.entries))};
  }
  RingLink link(options);
  for (std::size_t i = 0; i < std::size_t{2} * options.queues; ++i) {
    PoolOptions buffers = pool_options(options);
    buffers.name += std::to_string(i);
    Result<Pool> pool = Pool::create(buffers);
    if (!pool) return pool.error();
    rte_ring* const ring = rte_ring_create(buffers.name.c_str(), options.entries, SOCKET_ID_ANY,
                                           RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
    if (ring == nullptr) {
      return Error{.kind = Error::Kind::machine,
                   .what = "ring link",
                   .why = std::string("cannot create a ring (") + rte_strerror(rte_errno) + ")",
                   .remedy = "more huge pages, or --no-huge"};
    }
    link.sides_.push_back({.pool = *std::move(pool), .out = Ring{ring}});
  }
  return link;
}

RingLink::~RingLink() {
  // A buffer in one side's ring may come from the other side's pool: all rings first.
  for (Side& side : sides_) side.out.reset();
}

RingQueue RingLink::queue(std::size_t end, std::size_t index) const noexcept {
  POLLUX_ASSERT(end < 2 && index < options_.queues);
  const Side& own = sides_[2 * index + end];
  const Side& peer = sides_[2 * index + (1 - end)];
  return {peer.out.get(), own.out.get(), own.pool.get(), options_.macs[end], options_.mtu};
}

std::size_t RingLink::mbufs_in_use() const noexcept {
  std::size_t total = 0;
  for (const Side& side : sides_) total += side.pool.in_use();
  return total;
}

}  // namespace pollux::dpdk
