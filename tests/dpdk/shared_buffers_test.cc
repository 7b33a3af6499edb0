#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "dpdk/device_spec.h"
#include "dpdk/eal.h"
#include "dpdk/port.h"
#include "environment.h"

namespace pollux::dpdk {
namespace {

// What frames that were handed over leave in the other core's cache is missing where it is counted
// whether SYNs have to be shed.
TEST(SharedBuffers, ThatAnotherCoreHasFreedAreMostlyToBeHad) {
  const auto processors = allowed_cores();
  if (processors.size() < 2) GTEST_SKIP() << "one processor";
  const PortOptions options{.descriptors = 256, .stack_buffers = 1'024};
  auto eal = Eal::start({.cores = {processors[0], processors[1]},
                         .no_huge = true,
                         .memory_bytes = Port::bytes_for(options)});
  ASSERT_TRUE(eal) << test::text_of(eal.error());
  const DeviceSpec spec{
      .kind = DeviceSpec::Kind::memif,
      .target = testing::TempDir() + "/shared-" + std::to_string(getpid()) + ".sock",
      .role = DeviceSpec::Role::server};
  auto port = Port::open(*eal, spec, options);
  ASSERT_TRUE(port) << test::text_of(port.error());
  Queue queue = port->queue(0);
  std::vector<Mbuf> taken;
  std::uint32_t before = 0;
  std::uint32_t after = 0;
  const auto on = [&](std::size_t worker, const auto& job) {
    eal->launch(2, [&](std::size_t i) {
      if (i == worker) job();
    });
    eal->wait();
  };
  on(0, [&] {
    before = queue.spare_buffers();
    while (Mbuf packet = queue.allocate()) taken.push_back(std::move(packet));
  });
  ASSERT_EQ(taken.size(), before);
  on(1, [&] { taken.clear(); });
  on(0, [&] { after = queue.spare_buffers(); });
  EXPECT_GE(after, before - options.stack_buffers / 4);
}

}  // namespace
}  // namespace pollux::dpdk
