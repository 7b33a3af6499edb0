// Two stacks over virtio, in one thread: a virtio_user that offers segmentation, and a vhost that
// takes what was not cut.
#include "two_stacks.h"

namespace pollux {
namespace {

using test::Host;

class VirtioSegmentation : public test::TwoStacks {
 protected:
  void open(const dpdk::PortOptions& options) {
    TwoStacks::open(dpdk::PairKind::virtio, options);
    vhost = near.get();
    virtio = far.get();
  }
  void send(Host& from, Host& to, std::uint32_t bytes) {
    from.app.close_when_sent = true;
    start(from, to, bytes);
    until([&] { return to.app.received >= bytes && !from.app.closed.empty(); });
    EXPECT_EQ(to.app.received, bytes);
    EXPECT_EQ(to.app.wrong, 0u);
    EXPECT_EQ(to.count(Event::checksum_offload_lies), 0u);
    EXPECT_EQ(to.count(Drop::tcp_bad_checksum), 0u);
    EXPECT_EQ(to.count(Drop::ipv4_bad_checksum), 0u);
    EXPECT_EQ(pair->far.stats().tx_errors, 0u);
    EXPECT_EQ(pair->near.stats().rx_errors, 0u);
  }

  static constexpr std::uint32_t size = 20'000'000;
  Host* vhost = nullptr;
  Host* virtio = nullptr;
};

TEST_F(VirtioSegmentation, WhatIsNotCutArrivesWhole) {
  open({.stack_buffers = 4'096, .segmentation = true, .merging = true});
  EXPECT_EQ(pair->far.offloads(), "TCP segmentation, packets of several TCP segments");
  EXPECT_EQ(virtio->queue.capabilities().transmit_tcp_text, 65'535u);
  send(*virtio, *vhost, size);
  EXPECT_GT(virtio->count(Event::tcp_uncut_sent), 100u);
  EXPECT_GT(vhost->count(Event::tcp_merged_received), 100u);
  EXPECT_LT(vhost->count(Event::frames_received), size / 1'460 / 2) << "most were long";
}

TEST_F(VirtioSegmentation, TheOtherWayGoesWhateverTheDriverOffers) {
  open({.stack_buffers = 4'096, .segmentation = true, .merging = true});
  send(*vhost, *virtio, size);
}

TEST_F(VirtioSegmentation, IsNotUsedUnlessAskedFor) {
  open({.stack_buffers = 4'096});
  EXPECT_EQ(pair->far.offloads(), "none");
  send(*virtio, *vhost, size);
  EXPECT_EQ(virtio->count(Event::tcp_uncut_sent), 0u);
}

TEST_F(VirtioSegmentation, IsNotUsedWhereThePeerCannotTakeIt) {
  open({.stack_buffers = 4'096, .segmentation = true});
  EXPECT_EQ(virtio->queue.capabilities().transmit_tcp_text, 0u) << "the vhost does not offer it";
  send(*virtio, *vhost, size);
  EXPECT_EQ(virtio->count(Event::tcp_uncut_sent), 0u);
}

}  // namespace
}  // namespace pollux
