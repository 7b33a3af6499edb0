#pragma once

#include "dpdk/port_gate.h"

namespace pollux::dpdk {

/// Does work(argument) on EAL's interrupt thread, where drivers hear of their peers, and returns
/// when it is done; on this one if that thread takes no work.
void on_interrupt_thread(void (*work)(void*), void* argument);
template <class F>
void on_interrupt_thread(F work) {
  on_interrupt_thread([](void* argument) { (*static_cast<F*>(argument))(); }, &work);
}

/// Lets no driver take memory away from under a core that reads it.
///
/// DPDK 22.11's memif hears on the interrupt thread that its peer has gone, marks the port as not
/// connected and unmaps the rings; a core that was stopped inside a burst then reads what is no
/// longer there. While a HeldMappings of the port's gate lives, what that thread unmaps stays until
/// every core has left the driver. Those that enter later see the mark.
class HeldMappings {
 public:
  explicit HeldMappings(const PortGate& gate);
  ~HeldMappings();
  HeldMappings(const HeldMappings&) = delete;
  HeldMappings& operator=(const HeldMappings&) = delete;

 private:
  const PortGate* gate_;
};

}  // namespace pollux::dpdk
