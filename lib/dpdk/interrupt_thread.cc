#include "dpdk/interrupt_thread.h"

#include <dlfcn.h>
#include <rte_alarm.h>
#include <sys/mman.h>

#include <algorithm>
#include <mutex>
#include <semaphore>
#include <vector>

namespace pollux::dpdk {
namespace {

struct Held {
  std::mutex mutex;
  std::vector<const PortGate*> gates;
};

/// Never destroyed: the interrupt thread outlives main().
Held& held() {
  static auto* const all = new Held;
  return *all;
}

thread_local bool is_interrupt_thread = false;

void await_cores() noexcept {
  const std::lock_guard lock(held().mutex);
  for (const PortGate* gate : held().gates) {
    // Longer than any core waits for its turn on a loaded machine.
    (void)gate->await_leaving(std::chrono::seconds(10));
  }
}

}  // namespace

void on_interrupt_thread(void (*work)(void*), void* argument) {
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
  } else {
    call.done.acquire();
  }
}

HeldMappings::HeldMappings(const PortGate& gate) : gate_(&gate) {
  on_interrupt_thread([] { is_interrupt_thread = true; });
  const std::lock_guard lock(held().mutex);
  held().gates.push_back(gate_);
}

HeldMappings::~HeldMappings() {
  const std::lock_guard lock(held().mutex);
  std::erase(held().gates, gate_);
}

}  // namespace pollux::dpdk

/// The C library's, found first by the drivers: a program's own symbols come before its libraries'.
extern "C" [[gnu::visibility("default")]] int munmap(void* address, std::size_t length) noexcept {
  using Munmap = int(void*, std::size_t);
  static auto* const libc_munmap = reinterpret_cast<Munmap*>(dlsym(RTLD_NEXT, "munmap"));
  if (pollux::dpdk::is_interrupt_thread) pollux::dpdk::await_cores();
  return libc_munmap(address, length);
}
