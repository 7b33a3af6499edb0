#pragma once

#include "dpdk/port_gate.h"

namespace pollux::dpdk {

/// Does work(argument) on EAL's interrupt thread, where drivers hear of their peers, and returns
/// when it is done; on this one, and false, if that thread takes no work.
bool on_interrupt_thread(void (*work)(void*), void* argument);
template <class F>
bool on_interrupt_thread(F work) {
  return on_interrupt_thread([](void* argument) { (*static_cast<F*>(argument))(); }, &work);
}

/// Keeps the cores out of a memif's driver while it handles a message of its peer, or the end of
/// it.
///
/// DPDK 22.11's handles them on the interrupt thread while the cores go on polling. At the end it
/// marks the port as not connected and unmaps the rings; a core that was stopped inside a burst
/// then reads what is no longer there. At the beginning a core can find a ring that is not mapped
/// yet. While a PeerMessageGuard of the port's gate lives, the gate is held from before the message
/// is read until it has been dealt with.
class PeerMessageGuard {
 public:
  explicit PeerMessageGuard(PortGate& gate);
  ~PeerMessageGuard();
  PeerMessageGuard(const PeerMessageGuard&) = delete;
  PeerMessageGuard& operator=(const PeerMessageGuard&) = delete;

 private:
  PortGate* gate_;
};

}  // namespace pollux::dpdk
