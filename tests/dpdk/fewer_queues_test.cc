#include <gtest/gtest.h>

#include "dpdk/device_spec.h"
#include "dpdk/eal.h"
#include "dpdk/port.h"
#include "environment.h"
#include "network.h"

namespace pollux::dpdk {
namespace {

// What bytes_for() asks EAL for is enough, though the device has fewer queues than there are cores
// and each then has the buffers of more than one.
TEST(FewerQueues, AreMadeOfTheMemoryThatWasAskedFor) {
  if (const auto why = test::enter_own_network()) GTEST_SKIP() << *why;
  ASSERT_TRUE(test::run("ip link set lo up"));
  PortOptions options{.queues = 3, .fewer_queues = true, .stack_buffers = 32'768};
  const auto eal = Eal::start({.no_huge = true, .memory_bytes = Port::bytes_for(options)});
  ASSERT_TRUE(eal) << test::text_of(eal.error());
  const auto spec = DeviceSpec::parse("vdev:net_af_packet7,iface=lo,qpairs=2");
  ASSERT_TRUE(spec);
  const auto port = Port::open(*eal, *spec, options);
  ASSERT_TRUE(port) << test::text_of(port.error());
  EXPECT_EQ(port->queues(), 2u);
}

}  // namespace
}  // namespace pollux::dpdk
