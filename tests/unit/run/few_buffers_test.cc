#include <gtest/gtest.h>

#include "dpdk/ring_link.h"
#include "dpdk/steering.h"
#include "generator_world.h"
#include "run/capture.h"
#include "run/config.h"

/// What the programs' stacks are told of a pool that runs short.
namespace pollux::load {
namespace {

// They ask the device in every poll.
static_assert(link::Pooled<run::Recorded<dpdk::SteeredQueue>>);
static_assert(link::Steered<run::Recorded<dpdk::SteeredQueue>>);
static_assert(link::Pooled<run::Recorded<dpdk::RingQueue>>);

class FewBuffers : public GeneratorTest {
 protected:
  static constexpr std::uint32_t pool = 1'024;

  /// The server's stack is a program's for that pool, of which so many buffers are left for it.
  void start_with(std::uint32_t buffers) {
    cli::SharedOptions options;
    options.connections = 1'000;
    server_config_ = run::base_config(options, false, 1, pool);
    server_config_->interface.addresses = {{{server_address, 24}, 1}};
    server_device_.options().frames = buffers;
    start(to_server());
    run_for(500ms);
  }
  std::uint64_t shed() const { return server_->counters()[Drop::tcp_syn_shed]; }
  std::uint64_t established() const { return server_->counters()[Event::tcp_established]; }
};

TEST_F(FewBuffers, AreForThoseWhoAreServedAlready) {
  start_with(pool / 8 - 1);
  EXPECT_GT(shed(), 0u);
  EXPECT_EQ(established(), 0u);
}

TEST_F(FewBuffers, AreNotThoseOfAnOrdinaryLoad) {
  start_with(pool);
  EXPECT_EQ(shed(), 0u);
  EXPECT_GT(established(), 0u);
}

}  // namespace
}  // namespace pollux::load
