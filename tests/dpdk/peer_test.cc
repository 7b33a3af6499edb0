// Two processes: this one, and another that sends every frame back, which comes late, is killed and
// comes again.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dpdk/port.h"
#include "environment.h"
#include "frames.h"

namespace pollux {
namespace {

using dpdk::DeviceSpec;
using std::chrono::milliseconds;

std::string own_program;

/// The other process: opens the device and returns all that comes, until it is killed.
[[noreturn]] void send_back(const std::string& text) {
  dpdk::Port port = test::must(
      dpdk::Port::open(test::eal(), test::must(DeviceSpec::parse(text)), {.stack_buffers = 1'024}));
  dpdk::Queue queue = port.queue(0);
  dpdk::Queue::Burst burst;
  std::atomic<bool> done = false;
  std::jthread tending([&] {
    while (!done) {
      port.tend();
      std::this_thread::sleep_for(milliseconds(20));
    }
  });
  while (true) {
    if (queue.receive(burst) == 0) std::this_thread::sleep_for(std::chrono::microseconds(20));
    queue.transmit(burst);
  }
}

class Peer {
 public:
  explicit Peer(const std::string& spec) {
    child_ = fork();
    if (child_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(own_program.c_str(), own_program.c_str(), "--send-back", spec.c_str(), nullptr);
    _exit(127);
  }
  ~Peer() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  pid_t number() const { return child_; }

 private:
  pid_t child_ = -1;
};

class Peers : public testing::Test {
 protected:
  Peers() {
    std::string name = testing::TempDir() + "pollux-peer-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~Peers() override {
    unlink(path().c_str());
    rmdir(folder_.c_str());
  }
  std::string path() const { return folder_ + "/s"; }

  dpdk::Port open(const std::string& text) const {
    return test::must(dpdk::Port::open(test::eal(), test::must(DeviceSpec::parse(text)),
                                       {.stack_buffers = 1'024}));
  }
  void wait_for_socket() const {
    const test::Patience patience;
    while (access(path().c_str(), F_OK) != 0 && patience) {
      std::this_thread::sleep_for(milliseconds(10));
    }
  }

  std::string folder_;
};

/// Sends frames from a worker until `wanted` have come back, while this thread tends the port; the
/// peer may lose some as it comes and goes.
bool goes_round(dpdk::Port& port, std::uint64_t wanted) {
  dpdk::Queue queue = port.queue(0);
  std::atomic<std::uint64_t> returned = 0;
  std::atomic<bool> stop = false;
  test::eal().launch(1, [&](std::size_t) {
    dpdk::Queue::Burst out;
    dpdk::Queue::Burst in;
    std::uint64_t number = 0;
    while (!stop) {
      if (out.empty()) {
        const auto frame = test::test_frame(7, number++);
        if (auto packet = queue.allocate()) {
          std::memcpy(packet.append(frame.size()).data(), frame.data(), frame.size());
          out.push(std::move(packet));
        }
      }
      queue.transmit(out);
      queue.receive(in);
      for (auto& packet : in) returned += test::is_experimental(packet.bytes()) ? 1 : 0;
      in.clear();
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  });
  const test::Patience patience;
  while (returned < wanted && patience) {
    port.tend();
    std::this_thread::sleep_for(milliseconds(10));
  }
  stop = true;
  test::eal().wait();
  return returned >= wanted;
}

TEST(PortGate, AdmitsNobodyWhileEitherSideHoldsIt) {
  dpdk::PortGate gate;
  gate.queues = std::vector<dpdk::PortGate::Use>(1);
  const auto admitted = [&] { return dpdk::PortGate::Visit(gate, 0).admitted(); };
  EXPECT_FALSE(admitted()) << "nothing is open yet";
  gate.open(7);
  EXPECT_TRUE(admitted());
  EXPECT_EQ(dpdk::PortGate::Visit(gate, 0).port(), 7u);
  gate.hold();
  EXPECT_FALSE(admitted());
  gate.close();
  gate.open(8);
  EXPECT_FALSE(admitted()) << "still held";
  gate.release();
  EXPECT_TRUE(admitted());
  EXPECT_EQ(dpdk::PortGate::Visit(gate, 0).port(), 8u);
  gate.close();
  gate.hold();
  gate.release();
  EXPECT_FALSE(admitted()) << "still closed";
}

TEST(PortGate, WaitsForWhoIsInsideAndForNobodyElse) {
  dpdk::PortGate gate;
  gate.queues = std::vector<dpdk::PortGate::Use>(2);
  EXPECT_TRUE(gate.await_leaving(milliseconds(0))) << "nobody has ever polled";
  {
    const dpdk::PortGate::Visit visit(gate, 1);
    EXPECT_FALSE(gate.await_leaving(milliseconds(5)));
  }
  EXPECT_TRUE(gate.await_leaving(milliseconds(0))) << "nobody polls any more";

  std::atomic<bool> left = false;
  std::atomic<bool> inside = false;
  std::atomic<bool> waited = false;
  std::jthread core([&] {
    {
      const dpdk::PortGate::Visit visit(gate, 0);
      inside = true;
      std::this_thread::sleep_for(milliseconds(20));
      left = true;
    }
    // Comes back at once, and stays until it is waited for no more.
    const dpdk::PortGate::Visit again(gate, 0);
    while (!waited) std::this_thread::yield();
  });
  while (!inside) std::this_thread::yield();
  EXPECT_TRUE(gate.await_leaving(std::chrono::seconds(10)));
  EXPECT_TRUE(left);
  waited = true;
}

/// Waits, tending, until the port has noticed that its peer is gone.
void await_loss(dpdk::Port& port) {
  const test::Patience patience;
  while (port.link_up() && patience) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_FALSE(port.link_up());
}

TEST_F(Peers, APeerThatDoesNotComeIsAnErrorOfTheMachine) {
  for (const char* role : {",role=server", ",role=client"}) {
    dpdk::Port port = open("memif:" + path() + role);
    const Status up = port.wait_for_link(milliseconds(200));
    ASSERT_FALSE(up) << role;
    EXPECT_EQ(up.error().kind, Error::Kind::machine);
    EXPECT_NE(up.error().why.find("no peer"), std::string::npos);
    EXPECT_EQ(port.close(), 0u);
  }
  dpdk::Port port = open("vhost:" + path());
  EXPECT_FALSE(port.wait_for_link(milliseconds(200)));
}

TEST_F(Peers, AMemifClientFindsItsServerLateAndAgain) {
  dpdk::Port port = open("memif:" + path() + ",role=client");
  for (int life = 0; life < 3; ++life) {
    const Peer peer("memif:" + path() + ",role=server");
    if (life == 0) {
      const Status up = port.wait_for_link(std::chrono::seconds(10));
      ASSERT_TRUE(up) << test::text_of(up.error());
    }
    EXPECT_TRUE(goes_round(port, 200)) << "life " << life;
    kill(peer.number(), SIGKILL);
    await_loss(port);
  }
  EXPECT_EQ(port.close(), 0u);
}

TEST_F(Peers, AMemifServerTakesItsClientAgain) {
  dpdk::Port port = open("memif:" + path() + ",role=server");
  for (int life = 0; life < 3; ++life) {
    const Peer peer("memif:" + path() + ",role=client");
    ASSERT_TRUE(port.wait_for_link(std::chrono::seconds(10)));
    EXPECT_TRUE(goes_round(port, 200)) << "life " << life;
    kill(peer.number(), SIGKILL);
    await_loss(port);
  }
  EXPECT_EQ(port.close(), 0u);
}

TEST_F(Peers, AMemifsPeerMayGoWhileItIsPolled) {
  // More queues than processors: the end of the peer often finds one of them inside the driver.
  constexpr std::uint16_t queues = 4;
  const auto open_as = [&](const char* role) {
    return test::must(
        dpdk::Port::open(test::eal(), test::must(DeviceSpec::parse("memif:" + path() + role)),
                         {.queues = queues, .descriptors = 256, .stack_buffers = 256}));
  };
  dpdk::Port port = open_as(",role=server");
  std::atomic<bool> stop = false;
  std::array<std::atomic<std::uint64_t>, queues> sent{};
  std::vector<std::jthread> workers;
  for (std::uint16_t i = 0; i < queues; ++i) {
    workers.emplace_back([&, i] {
      dpdk::Queue queue = port.queue(i);
      dpdk::Queue::Burst burst;
      while (!stop) {
        if (auto packet = queue.allocate()) {
          packet.append(1'000);
          burst.push(std::move(packet));
        }
        sent[i] += queue.transmit(burst);
        burst.clear();
        queue.receive(burst);
        burst.clear();
      }
    });
  }
  for (int life = 0; life < 50 && !HasFailure(); ++life) {
    dpdk::Port peer = open_as(",role=client");
    EXPECT_TRUE(peer.wait_for_link(std::chrono::seconds(10))) << "life " << life;
    for (auto& each : sent) each = 0;
    const test::Patience patience;
    for (std::uint16_t i = 0; i < queues; ++i) {
      dpdk::Queue queue = peer.queue(i);
      dpdk::Queue::Burst burst;
      while (sent[i] == 0 && patience) {
        queue.receive(burst);  // which gives the other side room to send
        burst.clear();
        std::this_thread::yield();
      }
      EXPECT_NE(sent[i], 0u) << "life " << life << ", queue " << i;
    }
    EXPECT_EQ(peer.close(), 0u);
  }
  stop = true;
  workers.clear();
  EXPECT_EQ(port.close(), 0u);
}

TEST_F(Peers, RolesComeOfThemselves) {
  dpdk::Port port = open("memif:" + path());
  EXPECT_EQ(port.spec().role, DeviceSpec::Role::server);
  const Peer peer("memif:" + path());
  ASSERT_TRUE(port.wait_for_link(std::chrono::seconds(10)));
  EXPECT_TRUE(goes_round(port, 200));
}

TEST_F(Peers, AVhostTakesItsFrontEndAgain) {
  dpdk::Port port = open("vhost:" + path());
  for (int life = 0; life < 2; ++life) {
    const Peer peer("virtio-user:" + path());
    ASSERT_TRUE(port.wait_for_link(std::chrono::seconds(10)));
    EXPECT_TRUE(goes_round(port, 200)) << "life " << life;
    kill(peer.number(), SIGKILL);
    await_loss(port);
  }
  EXPECT_EQ(port.close(), 0u);
}

TEST_F(Peers, AVirtioUserFindsItsVhostAgain) {
  std::optional<Peer> peer(std::in_place, "vhost:" + path());
  wait_for_socket();
  dpdk::Port port = open("virtio-user:" + path());
  for (int life = 0; life < 2; ++life) {
    EXPECT_TRUE(goes_round(port, 200)) << "life " << life;
    peer.reset();
    await_loss(port);
    peer.emplace("vhost:" + path());
  }
  EXPECT_TRUE(goes_round(port, 200));
  EXPECT_EQ(port.close(), 0u);
}

TEST_F(Peers, AKilledProcessIsCleanedUpAfterByTheNext) {
  const std::string parent = test::eal().folder().substr(0, test::eal().folder().rfind('/'));
  std::string left;
  {
    const Peer peer("memif:" + path() + ",role=server");
    wait_for_socket();
    left = parent + "/pollux-" + std::to_string(peer.number());
    EXPECT_EQ(access(left.c_str(), F_OK), 0);
  }
  EXPECT_EQ(access(path().c_str(), F_OK), 0) << "the dead server's socket is in the way";
  EXPECT_EQ(access(left.c_str(), F_OK), 0);
  dpdk::Port port = open("memif:" + path());
  EXPECT_EQ(port.spec().role, DeviceSpec::Role::server);
  const Peer next("memif:" + path() + ",role=client");
  ASSERT_TRUE(port.wait_for_link(std::chrono::seconds(10)));
  EXPECT_NE(access(left.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace pollux

int main(int count, char** words) {
  if (count == 3 && std::string(words[1]) == "--send-back") pollux::send_back(words[2]);
  pollux::own_program = "/proc/self/exe";
  testing::InitGoogleTest(&count, words);
  return RUN_ALL_TESTS();
}
