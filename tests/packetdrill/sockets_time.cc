// Sockets, continued: the wire, the clock, and calls that wait for either.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sockets.h"

namespace pollux::packetdrill {

int Sockets::netdev_send(std::span<const std::byte> datagram) {
  Lock lock = enter();
  host_.arrive(datagram);
  wake_blocked(lock);
  return 0;
}

int Sockets::netdev_receive(std::span<std::byte> to, std::size_t& n, long long& usecs) {
  Lock lock = enter();
  const Instant limit = host_.now() + std::chrono::seconds(10);
  while (!host_.has_sent()) {
    if (!host_.step(limit)) break;
    wake_blocked(lock);
  }
  const auto sent = host_.take_sent();
  n = 0;
  usecs = host_.now().time_since_epoch() / 1us;
  if (sent) {
    silences_ = 0;
    n = std::min(to.size(), sent->datagram.size());
    std::memcpy(to.data(), sent->datagram.data(), n);
    usecs = sent->when.time_since_epoch() / 1us;
    return 0;
  }
  run_until(lock, limit);
  // packetdrill asks again after an error, for ever; of a datagram that is none it tells its user.
  if (++silences_ == 1 || to.empty()) return -ETIMEDOUT;
  std::fprintf(stderr, "pollux: nothing was sent within %d virtual seconds\n", 10 * silences_);
  to[0] = std::byte{0};
  n = 1;
  return 0;
}

int Sockets::usleep(std::uint32_t usecs) {
  Lock lock = enter();
  run_until(lock, host_.now() + std::chrono::microseconds(usecs));
  return 0;
}

std::int64_t Sockets::gettimeofday() {
  Lock lock = enter();
  if (just_left_ == std::this_thread::get_id()) {
    just_left_.reset();
    changed_.notify_all();
  } else {
    run_until(lock, host_.now() + 1us);
  }
  return host_.now().time_since_epoch() / 1us;
}

Sockets::Lock Sockets::enter() {
  Lock lock(mutex_);
  ++entries_;
  return lock;
}

bool Sockets::block(Lock& lock, const std::function<bool()>& ready, std::optional<Instant> limit) {
  constexpr int most_silent = 10;  // some seconds, for a script that is held up by the machine
  constexpr int most_alone = 64;   // more than any timer of a connection fires
  if (ready()) return true;
  int silent = 0;
  int alone = 0;
  Blocked self{ready, limit};
  blocked_ = &self;
  just_left_.reset();  // it has come back
  while (!self.over(host_.now()) && silent != most_silent && alone != most_alone) {
    const std::uint64_t before = entries_;
    if (changed_.wait_for(lock, std::chrono::milliseconds(300)) != std::cv_status::timeout ||
        before != entries_) {
      silent = alone = 0;
      continue;
    }
    // The script waits for this very call: time goes on with it alone, unless it waits for what can
    // never come.
    ++alone;
    if (host_.step(limit.value_or(Instant::max()))) continue;
    ++silent;
    if (limit) host_.advance_to(*limit);
  }
  blocked_ = nullptr;
  ++waits_over_;
  just_left_ = std::this_thread::get_id();
  changed_.notify_all();
  return ready();
}

/// A call that waited for what has just happened ends at this very moment of virtual time: the
/// clock stands until its thread has left, and has looked at it.
void Sockets::wake_blocked(Lock& lock) {
  if (blocked_ == nullptr || !blocked_->over(host_.now())) return;
  changed_.notify_all();
  // It may wait for the next thing by the time that this thread has the lock again.
  const std::uint64_t before = waits_over_;
  changed_.wait_for(lock, std::chrono::seconds(1), [&] { return waits_over_ != before; });
  changed_.wait_for(lock, std::chrono::milliseconds(250), [&] { return !just_left_; });
  just_left_.reset();
}

void Sockets::run_until(Lock& lock, Instant when) {
  while (true) {
    wake_blocked(lock);
    const Instant limit =
        blocked_ != nullptr && blocked_->limit ? std::min(when, *blocked_->limit) : when;
    if (host_.step(limit)) continue;
    host_.advance_to(limit);
    wake_blocked(lock);
    if (limit == when) return;
  }
}

}  // namespace pollux::packetdrill
