#include "dpdk/interrupt_thread.h"

#include <dlfcn.h>
#include <rte_alarm.h>
#include <rte_log.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <semaphore>
#include <vector>

namespace pollux::dpdk {
namespace {

struct Guarded {
  std::mutex mutex;
  std::vector<PortGate*> gates;
};

/// Never destroyed: the interrupt thread outlives main().
Guarded& guarded() {
  static auto* const all = new Guarded;
  return *all;
}

thread_local bool is_interrupt_thread = false;

void release_gates(void* /*unused*/) noexcept {
  const std::lock_guard lock(guarded().mutex);
  for (PortGate* gate : guarded().gates) gate->release();
}

/// Until the interrupt thread has done what it is doing now.
void hold_gates() noexcept {
  const std::lock_guard lock(guarded().mutex);
  if (guarded().gates.empty() || rte_eal_alarm_set(1, release_gates, nullptr) != 0) return;
  for (PortGate* gate : guarded().gates) gate->hold();
  // Longer than any core waits for its turn on a loaded machine.
  auto left = std::chrono::milliseconds(10'000);
  for (const PortGate* gate : guarded().gates) {
    const auto begin = std::chrono::steady_clock::now();
    if (!gate->await_leaving(left)) {
      RTE_LOG(ERR, EAL, "a core does not leave a driver whose peer has a message\n");
    }
    const auto waited = std::chrono::steady_clock::now() - begin;
    left -= std::min(left, std::chrono::ceil<std::chrono::milliseconds>(waited));
  }
}

}  // namespace

bool on_interrupt_thread(void (*work)(void*), void* argument) {
  struct Call {
    void (*work)(void*);
    void* argument;
    std::binary_semaphore done{0};
  } call{work, argument};
  const auto run = [](void* started) {
    auto& here = *static_cast<Call*>(started);
    here.work(here.argument);
    here.done.release();
  };
  if (rte_eal_alarm_set(1, run, &call) != 0) {
    work(argument);
    return false;
  }
  call.done.acquire();
  return true;
}

PeerMessageGuard::PeerMessageGuard(PortGate& gate) : gate_(&gate) {
  if (!on_interrupt_thread([] { is_interrupt_thread = true; })) is_interrupt_thread = false;
  const std::lock_guard lock(guarded().mutex);
  guarded().gates.push_back(gate_);
}

PeerMessageGuard::~PeerMessageGuard() {
  const std::lock_guard lock(guarded().mutex);
  std::erase(guarded().gates, gate_);
}

}  // namespace pollux::dpdk

/// The C library's, found first by the drivers: a program's own symbols come before its libraries'.
/// A memif reads each message of its peer, and learns of its end, by this function alone. Weak, so
/// that a program may have its own instead.
extern "C" [[gnu::weak, gnu::visibility("default")]] ssize_t recvmsg(int socket, msghdr* message,
                                                                     int flags) {
  using Recvmsg = ssize_t(int, msghdr*, int);
  static auto* const libc_recvmsg = reinterpret_cast<Recvmsg*>(dlsym(RTLD_NEXT, "recvmsg"));
  if (pollux::dpdk::is_interrupt_thread) {
    pollux::dpdk::hold_gates();
    // It was told that a message has come; if that was to a socket of the same number which is
    // closed by now, no other event may have to wait for one.
    flags |= MSG_DONTWAIT;
  }
  return libc_recvmsg(socket, message, flags);
}
