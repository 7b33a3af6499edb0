#include "dpdk/offloads.h"

#include <rte_ether.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "dpdk/rss.h"

namespace pollux::dpdk {
namespace {

/// Drivers of network cards whose checksum and flow-spreading offloads are believed. Others may
/// advertise the same: a tap's are done in software, more slowly than the stack does them, and it
/// claims to spread flows, which it does not.
constexpr std::array<std::string_view, 11> believed_drivers{
    "net_ixgbe", "net_ixgbe_vf", "net_i40e", "net_iavf",    "net_ice", "net_e1000_igb",
    "net_igc",   "mlx5_pci",     "net_bnxt", "net_vmxnet3", "net_ena"};

bool believed(std::string_view driver) {
  return std::find(believed_drivers.begin(), believed_drivers.end(), driver) !=
         believed_drivers.end();
}

/// A virtio card's checksums are its host's affair, which leaves them out; how it spreads flows is
/// as of a card.
bool spreads(std::string_view driver) { return believed(driver) || driver == "net_virtio"; }

constexpr std::uint64_t spread_types =
    RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP;

void choose_checksums(const rte_eth_dev_info& info, Offloads& out, rte_eth_conf& conf) {
  const auto transmits = [&](std::uint64_t offload) {
    if ((info.tx_offload_capa & offload) == 0) return false;
    conf.txmode.offloads |= offload;
    return true;
  };
  out.capabilities.transmit_ipv4_checksum = transmits(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM);
  out.capabilities.transmit_tcp_checksum = transmits(RTE_ETH_TX_OFFLOAD_TCP_CKSUM);
  if ((info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM) == RTE_ETH_RX_OFFLOAD_CHECKSUM) {
    conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_CHECKSUM;
    out.capabilities.receive_checksum = true;
  }
}

/// What the device cuts also needs checksums: TCP's are a part of it, an IPv4 header's may be the
/// peer's affair (virtio) and are then those of the packet.
void choose_segmentation(const rte_eth_dev_info& info, std::uint32_t buffer_bytes, Offloads& out,
                         rte_eth_conf& conf) {
  constexpr std::uint64_t needed =
      RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  if ((info.tx_offload_capa & needed) != needed) return;
  // The headers, and text that ends in one buffer and goes on in the next.
  constexpr std::uint32_t buffers_per_segment = 3;
  const std::uint32_t most =
      info.tx_desc_lim.nb_seg_max == 0 ? 0xFFFF : info.tx_desc_lim.nb_seg_max;
  const std::uint32_t most_each = info.tx_desc_lim.nb_mtu_seg_max;
  if (most < 2 || (most_each != 0 && most_each < buffers_per_segment)) return;
  conf.txmode.offloads |= needed;
  if ((info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0) {
    conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    out.capabilities.transmit_ipv4_checksum = true;
  }
  // That driver counts a frame's header and tag to what the MTU bounds, and never takes a packet
  // whose segments are longer, nor anything behind it.
  if (std::string_view{info.driver_name} == "net_tap") {
    out.mtu_margin = RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
  }
  out.capabilities.transmit_tcp_text = std::min(65'535u, (most - 1) * buffer_bytes);
}

/// A vhost's guest needs no offload of ours to leave its segments uncut: it was told when the
/// device was attached. What is to be cut, or was merged, has no checksum to look at.
void choose_merging(const rte_eth_dev_info& info, DeviceSpec::Kind kind, Offloads& out,
                    rte_eth_conf& conf) {
  const bool offered = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0;
  out.merges = offered || kind == DeviceSpec::Kind::vhost;
  if (!out.merges) return;
  conf.rxmode.offloads |=
      info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER |
                              RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
  // 0 stands for "what the driver has", which some say by 0.
  if (!offered || info.max_lro_pkt_size == 0) return;
  conf.rxmode.max_lro_pkt_size = std::min<std::uint32_t>(info.max_lro_pkt_size, large_frame_bytes);
}

void choose_spreading(const rte_eth_dev_info& info, const PortOptions& options, Offloads& out,
                      rte_eth_conf& conf) {
  const std::uint64_t types = info.flow_type_rss_offloads & spread_types;
  if (!options.spread_flows || options.queues == 1 || types == 0) return;
  out.spreading_key = rss_key(info.hash_key_size == 0 ? 40 : info.hash_key_size);
  conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  if ((info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH) != 0) {
    conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_RSS_HASH;
  }
  conf.rx_adv_conf.rss_conf = {.rss_key = out.spreading_key.data(),
                               .rss_key_len = static_cast<std::uint8_t>(out.spreading_key.size()),
                               .rss_hf = types};
}

}  // namespace

Advertised advertised_by(const rte_eth_dev_info& info) {
  Advertised out{.receive_queues = info.max_rx_queues,
                 .transmit_queues = info.max_tx_queues,
                 .least_mtu = info.min_mtu,
                 .most_mtu = info.max_mtu,
                 .spreads_flows = (info.flow_type_rss_offloads & spread_types) != 0};
  for (unsigned bit = 0; bit < 64; ++bit) {
    const std::uint64_t offload = std::uint64_t{1} << bit;
    if ((info.rx_offload_capa & offload) != 0) {
      out.receive.emplace_back(rte_eth_dev_rx_offload_name(offload));
    }
    if ((info.tx_offload_capa & offload) != 0) {
      out.transmit.emplace_back(rte_eth_dev_tx_offload_name(offload));
    }
  }
  return out;
}

Offloads choose_offloads(const rte_eth_dev_info& info, DeviceSpec::Kind kind,
                         const PortOptions& options, std::uint32_t buffer_bytes,
                         rte_eth_conf& conf) {
  Offloads out;
  const bool card = options.believing || believed(info.driver_name);
  if (card) choose_checksums(info, out, conf);
  if (options.believing && (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0) {
    conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    out.capabilities.transmit_udp_checksum = true;
  }
  if (options.segmentation.value_or(card)) choose_segmentation(info, buffer_bytes, out, conf);
  if (options.merging) choose_merging(info, kind, out, conf);
  if (options.believing || spreads(info.driver_name)) choose_spreading(info, options, out, conf);
  return out;
}

std::string Offloads::to_string() const {
  const link::Capabilities& has = capabilities;
  std::string text;
  const auto add = [&](bool present, std::string_view word) {
    if (!present) return;
    if (!text.empty()) text += ", ";
    text += word;
  };
  add(has.transmit_ipv4_checksum, "transmit IPv4 checksum");
  add(has.transmit_tcp_checksum, "transmit TCP checksum");
  add(has.receive_checksum, "receive checksums");
  add(has.transmit_tcp_text != 0, "TCP segmentation");
  add(merges, "packets of several TCP segments");
  add(!spreading_key.empty(), "flow spreading");
  return text.empty() ? "none" : text;
}

}  // namespace pollux::dpdk
