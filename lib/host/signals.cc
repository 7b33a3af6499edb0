#include "host/signals.h"

#include <signal.h>

#include <atomic>

namespace pollux::host {
namespace {

// A signal handler has no argument to find its state by: these two are the process's own.
std::atomic<bool> stop{false};
std::atomic<bool> signalled{false};
static_assert(std::atomic<bool>::is_always_lock_free, "touched in a signal handler");

void on_signal(int number) {
  if (signalled.exchange(true)) {
    ::signal(number, SIG_DFL);
    ::raise(number);
    return;
  }
  stop.store(true, std::memory_order_relaxed);
}

void handle(int number, bool unless_ignored) {
  struct sigaction old {};
  if (unless_ignored && ::sigaction(number, nullptr, &old) == 0 && old.sa_handler == SIG_IGN) {
    return;
  }
  struct sigaction action {};
  action.sa_handler = on_signal;
  ::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(number, &action, nullptr);
}

}  // namespace

void install_signal_handlers() {
  handle(SIGINT, false);
  handle(SIGTERM, false);
  handle(SIGHUP, true);
  ::signal(SIGPIPE, SIG_IGN);
}

bool stop_requested() noexcept { return stop.load(std::memory_order_relaxed); }

void request_stop() noexcept { stop.store(true, std::memory_order_relaxed); }

}  // namespace pollux::host
