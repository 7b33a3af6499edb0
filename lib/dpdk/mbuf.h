#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/assert.h"
#include "base/inline.h"
#include "packet/packet.h"

namespace pollux::dpdk {

/// Sole owner of one rte_mbuf, of one segment unless others were attached to it to be sent; models
/// packet::Packet. It is exactly one pointer
/// wide, so that an array of them is what a driver's burst call fills and drains.
class Mbuf {
 public:
  Mbuf() noexcept = default;
  /// Takes over `mbuf` (or nothing: null), whose data lies in one segment.
  explicit Mbuf(rte_mbuf* mbuf) noexcept : mbuf_(mbuf) {
    POLLUX_ASSERT(mbuf == nullptr || mbuf->nb_segs == 1);
  }
  Mbuf(Mbuf&& other) noexcept : mbuf_(std::exchange(other.mbuf_, nullptr)) {}
  Mbuf& operator=(Mbuf&& other) noexcept {
    rte_mbuf* const taken = std::exchange(other.mbuf_, nullptr);
    if (mbuf_ != nullptr) give_back(mbuf_);
    mbuf_ = taken;
    return *this;
  }
  Mbuf(const Mbuf&) = delete;
  Mbuf& operator=(const Mbuf&) = delete;
  ~Mbuf() {
    if (mbuf_ != nullptr) give_back(mbuf_);
  }

  /// A fresh packet of `pool` without bytes, or an empty one when the pool has run dry.
  ///
  /// Buffers lie in their pool with one reference, one segment and no successor, so only what the
  /// last user may have written is put right, all of it in the mbuf's first cache line.
  POLLUX_INLINE static Mbuf allocate(rte_mempool* pool) noexcept {
    void* object = nullptr;
    rte_mempool_cache* const cache = rte_mempool_default_cache(pool, rte_lcore_id());
    if (cache != nullptr && cache->len != 0) [[likely]] {
      object = cache->objs[--cache->len];
    } else if (!take_from(pool, object)) [[unlikely]] {
      return Mbuf{};
    }
    auto* const mbuf = static_cast<rte_mbuf*>(object);
    mbuf->data_off = RTE_PKTMBUF_HEADROOM;
    mbuf->ol_flags = 0;
    mbuf->packet_type = 0;
    mbuf->pkt_len = 0;
    mbuf->data_len = 0;
    return Mbuf{mbuf};
  }

  /// How many allocate() would still give on this core, other cores' caches left out.
  static std::uint32_t spare(rte_mempool* pool) noexcept {
    const rte_mempool_cache* const cache = rte_mempool_default_cache(pool, rte_lcore_id());
    return rte_mempool_get_ops(pool->ops_index)->get_count(pool) +
           (cache == nullptr ? 0 : cache->len);
  }

  explicit operator bool() const noexcept { return mbuf_ != nullptr; }
  std::span<const std::byte> bytes() const noexcept { return {start(), mbuf_->data_len}; }
  std::span<std::byte> mutable_bytes() noexcept { return {start(), mbuf_->data_len}; }
  std::size_t headroom() const noexcept { return mbuf_->data_off; }
  std::size_t tailroom() const noexcept {
    return static_cast<std::size_t>(mbuf_->buf_len - mbuf_->data_off - mbuf_->data_len);
  }

  std::span<std::byte> prepend(std::size_t n) noexcept {
    POLLUX_ASSERT(n <= headroom());
    mbuf_->data_off = static_cast<std::uint16_t>(mbuf_->data_off - n);
    mbuf_->data_len = static_cast<std::uint16_t>(mbuf_->data_len + n);
    mbuf_->pkt_len += static_cast<std::uint32_t>(n);
    return {start(), n};
  }
  std::span<std::byte> append(std::size_t n) noexcept {
    POLLUX_ASSERT(n <= tailroom());
    std::byte* const end = start() + mbuf_->data_len;
    set_length(mbuf_->data_len + n);
    return {end, n};
  }
  std::span<std::byte> lay_out(std::size_t front, std::size_t behind) noexcept {
    POLLUX_ASSERT(mbuf_->pkt_len == 0 && front <= headroom() && behind <= tailroom());
    mbuf_->data_off = static_cast<std::uint16_t>(mbuf_->data_off - front);
    set_length(front + behind);
    return mutable_bytes();
  }
  void drop_front(std::size_t n) noexcept {
    POLLUX_ASSERT(n <= mbuf_->data_len);
    mbuf_->data_off = static_cast<std::uint16_t>(mbuf_->data_off + n);
    mbuf_->data_len = static_cast<std::uint16_t>(mbuf_->data_len - n);
    mbuf_->pkt_len -= static_cast<std::uint32_t>(n);  // of all, where others are attached
  }
  void keep_front(std::size_t n) noexcept {
    POLLUX_ASSERT(n <= mbuf_->data_len);
    set_length(n);
  }

  std::size_t length() const noexcept { return mbuf_->pkt_len; }
  void attach(Mbuf next) noexcept {
    POLLUX_ASSERT(mbuf_->nb_segs == 1);
    rte_mbuf* const behind = next.release();
    mbuf_->next = behind;
    mbuf_->nb_segs = static_cast<std::uint16_t>(behind->nb_segs + 1);
    mbuf_->pkt_len += behind->pkt_len;
  }

  packet::Verified ip_verified() const noexcept {
    const std::uint64_t flag = mbuf_->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
    static_assert(RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN == 0 && RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN == 0);
    if (flag == 0) return packet::Verified::unknown;
    if (flag == RTE_MBUF_F_RX_IP_CKSUM_GOOD) return packet::Verified::good;
    if (flag == RTE_MBUF_F_RX_IP_CKSUM_BAD) return packet::Verified::bad;
    return packet::Verified::unknown;
  }
  packet::Verified l4_verified() const noexcept {
    const std::uint64_t flag = mbuf_->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
    if (flag == 0) return packet::Verified::unknown;
    if (flag == RTE_MBUF_F_RX_L4_CKSUM_GOOD) {
      // Each of the segments had a good one; the whole has none.
      const bool merged = (mbuf_->ol_flags & RTE_MBUF_F_RX_LRO) != 0;
      return merged ? packet::Verified::unfinished : packet::Verified::good;
    }
    if (flag == RTE_MBUF_F_RX_L4_CKSUM_BAD) return packet::Verified::bad;
    if (flag == RTE_MBUF_F_RX_L4_CKSUM_NONE) return packet::Verified::unfinished;
    return packet::Verified::unknown;
  }
  std::optional<std::uint32_t> rss_hash() const noexcept {
    if ((mbuf_->ol_flags & RTE_MBUF_F_RX_RSS_HASH) == 0) return std::nullopt;
    return mbuf_->hash.rss;
  }

  /// Asks the driver for the checksums named; replaces whatever was asked before.
  void request(const packet::ChecksumRequest& wanted) noexcept {
    std::uint64_t flags = 0;
    if (wanted.ipv4) flags |= RTE_MBUF_F_TX_IP_CKSUM;
    if (wanted.tcp) flags |= RTE_MBUF_F_TX_TCP_CKSUM;
    if (wanted.udp) flags |= RTE_MBUF_F_TX_UDP_CKSUM;
    if (wanted.segment_size != 0) flags |= RTE_MBUF_F_TX_TCP_SEG;
    mbuf_->ol_flags = flags == 0 ? 0 : flags | RTE_MBUF_F_TX_IPV4;
    if (flags == 0) return;
    mbuf_->tx_offload = 0;
    mbuf_->l2_len = wanted.l2_length & 0x7F;
    mbuf_->l3_len = wanted.l3_length & 0x1FF;
    mbuf_->l4_len = wanted.l4_length & 0xFF;
    mbuf_->tso_segsz = wanted.segment_size;
  }

  /// What is owned, still owned: for drivers and tests.
  rte_mbuf* get() const noexcept { return mbuf_; }
  /// Gives the buffer away without returning it to its pool.
  [[nodiscard]] rte_mbuf* release() noexcept { return std::exchange(mbuf_, nullptr); }

 private:
  std::byte* start() const noexcept {
    return static_cast<std::byte*>(mbuf_->buf_addr) + mbuf_->data_off;
  }
  void set_length(std::size_t n) noexcept {
    mbuf_->data_len = static_cast<std::uint16_t>(n);
    mbuf_->pkt_len = static_cast<std::uint32_t>(n);
  }
  /// Nearly every buffer is direct, of one segment and referred to once; its second cache line,
  /// where rte_pktmbuf_free would look for a successor, then need not be read.
  static void give_back(rte_mbuf* mbuf) noexcept {
    if (rte_mbuf_refcnt_read(mbuf) == 1 && mbuf->nb_segs == 1 && RTE_MBUF_DIRECT(mbuf)) [[likely]] {
      // What rte_mempool_put does for one object, without the loops that it has for many.
      rte_mempool_cache* const cache = rte_mempool_default_cache(mbuf->pool, rte_lcore_id());
      if (cache != nullptr && cache->len < cache->flushthresh) [[likely]] {
        cache->objs[cache->len++] = mbuf;
        return;
      }
    }
    free_slowly(mbuf);
  }
  // Out of line, so that who calls the short ways keeps nothing for these.
  [[gnu::noinline]] static bool take_from(rte_mempool* pool, void*& object) noexcept {
    return rte_mempool_get(pool, &object) == 0;
  }
  [[gnu::noinline]] static void free_slowly(rte_mbuf* mbuf) noexcept { rte_pktmbuf_free(mbuf); }

  rte_mbuf* mbuf_ = nullptr;
};

static_assert(packet::Packet<Mbuf>);
static_assert(sizeof(Mbuf) == sizeof(rte_mbuf*) && alignof(Mbuf) == alignof(rte_mbuf*));

/// An array of packets as the burst calls see it. Slots that a driver fills must be empty before;
/// those that it takes over must be forgotten afterwards (release()).
inline rte_mbuf** as_array(Mbuf* packets) noexcept { return reinterpret_cast<rte_mbuf**>(packets); }

}  // namespace pollux::dpdk
