#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "tests/script.h"
#include "transport/tcp/fast_open.h"
#include "transport/tcp/listener.h"
#include "transport/tcp/time_wait.h"

namespace pollux::test {

/// One carrying out of a script: the end under test as a pipeline would hold it, from LISTEN or
/// CLOSED over a half-open entry and a Tcb to a TIME-WAIT entry, and everything that it has sent.
class Run {
 public:
  Run(const Setup& setup, SeqNum iss, SeqNum irs);

  void open_active();
  void listen();
  void establish();
  void open_simultaneously();

  void arrives(const Seg& segment);
  void writes(std::uint32_t bytes);
  void reads(std::uint32_t bytes);
  void shuts_down();
  void closes();
  void aborts();
  void sets(const tcp::Options& options);
  void hears_unreachable(Cause cause, bool hard);
  void hears_path_mtu(std::uint16_t mtu);
  void probes_path(std::uint16_t mtu, bool possible);
  void at(Duration time);
  void hold() { held_ = true; }
  void flush();

  void sends(const Seg& segment);
  void sends_nothing();
  State state() const;
  const Tcb& tcb() const { return tcb_; }
  const tcp::Verdict& verdict() const { return verdict_; }
  bool opened() const { return opened_; }
  bool peer_closed() const { return peer_closed_; }
  std::optional<Cause> cause() const { return cause_; }
  std::uint32_t flights() const { return pool_.size(); }

  /// Not empty once something went wrong.
  const std::string& failure() const { return failure_; }
  void fail(std::string what);

 private:
  enum class Phase { closed, listening, half_open, connection, time_wait };

  Segment to_wire(const Seg& segment) const;
  std::string describe(const Segment& segment) const;
  void deliver(const Segment& segment);
  void open_fast(const Segment& segment);
  void deliver_half_open(const Segment& segment);
  void deliver_connection(const Segment& segment);
  void deliver_time_wait(const Segment& segment);
  void take(const tcp::Verdict& verdict, const Segment* segment);
  void keep(const tcp::Verdict& verdict, const Segment& segment);
  void emit();
  void emit_if(bool told);
  void end(Cause cause);
  void examine();
  std::optional<Instant> next_event() const;
  void fire();

  const Setup setup_;
  const SeqNum iss_;
  const SeqNum irs_;
  tcp::FlightPool pool_;
  tcp::TimeWaitQueue waiting_;
  std::uint32_t waiting_index_ = tcp::TimeWaitQueue::none;
  tcp::HalfOpen half_open_;
  Tcb tcb_;
  Phase phase_ = Phase::closed;
  Instant now_;
  Instant start_;
  bool held_ = false;
  bool opened_ = false;
  bool peer_closed_ = false;
  std::optional<Cause> cause_;
  tcp::Verdict verdict_;
  std::deque<Segment> sent_;
  // What a receive queue would hold: text by its distance from irs + 1, half-open ranges.
  std::map<std::uint32_t, std::uint32_t> kept_;
  std::optional<SeqNum> last_edge_;
  std::string failure_;
};

}  // namespace pollux::test
