// Two ends talk over a wire that loses, delays, reorders and repeats segments, in virtual time.
// Every byte that one end wrote is read by the other, both ends come to an end, and nothing that
// was sent exceeded what the receiver had offered. A failure names the seed that replays it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "base/prng.h"
#include "transport/tcp/invariants.h"
#include "transport/tcp/listener.h"
#include "transport/tcp/tcp.h"
#include "transport/tcp/time_wait.h"

namespace pollux::tcp {
namespace {

/// The byte that `side` writes at a place of its stream.
std::uint8_t byte_at(int side, std::uint32_t place) {
  return static_cast<std::uint8_t>((place * 2654435761u) >> 24 ^ (side == 0 ? 0x55u : 0xAAu));
}

struct Packet {
  Segment segment;
  std::vector<std::uint8_t> text;
};

/// What one seed decides.
struct Scene {
  explicit Scene(std::uint64_t seed) : random(seed) {
    const auto pick = [&](auto... values) {
      const std::int64_t choices[] = {static_cast<std::int64_t>(values)...};
      return choices[random.below(sizeof...(values))];
    };
    loss = random.chance(0.3) ? 0 : static_cast<double>(pick(1, 5, 20)) / 100;
    duplication = random.chance(0.5) ? 0 : 0.05;
    delay = Duration{pick(0, 1'000, 1'000'000, 20'000'000, 300'000'000)};
    jitter = random.chance(0.4) ? Duration{0} : delay * pick(1, 3) + 1us;
    both_active = random.chance(0.1);
    for (Config& config : configs) {
      config.mss = static_cast<std::uint16_t>(pick(100, 536, 1000, 1460));
      config.receive_buffer = static_cast<std::uint32_t>(pick(500, 3'000, 20'000, 65'535, 400'000));
      config.window_scale = static_cast<std::uint8_t>(pick(0, 2, 7));
      config.offer_window_scale = random.chance(0.7);
      config.nagle = random.chance(0.5);
      config.initial_window = static_cast<std::uint8_t>(pick(1, 3, 10));
      config.min_rto = Duration{1'000'000 * pick(1, 200, 1000)};
      config.delayed_ack = Duration{1'000'000 * pick(1, 40, 400)};
      config.syn_retries = config.syn_ack_retries = 40;
      config.data_retries = 60;
    }
    for (std::uint32_t& flights : flight_counts)
      flights = static_cast<std::uint32_t>(pick(0, 1, 1));
    for (std::uint32_t& size : sizes) {
      size = static_cast<std::uint32_t>(
          random.below(static_cast<std::uint64_t>(pick(1, 2'000, 60'000, 200'000))));
    }
  }

  Prng random;
  double loss = 0;
  double duplication = 0;
  Duration delay{};
  Duration jitter{};
  bool both_active = false;
  Config configs[2];
  std::uint32_t flight_counts[2] = {};
  std::uint32_t sizes[2] = {};
};

/// One end with its application: writes a stream in pieces, reads in pieces, and shuts down.
class End {
 public:
  enum class Phase { listening, half_open, connection, time_wait, closed };

  End(int side, Scene& scene)
      : side_(side),
        scene_(scene),
        config_(scene.configs[side]),
        pool_(*FlightPool::make(scene.flight_counts[side])),
        waiting_(*TimeWaitQueue::make(1)),
        queue_(scene.sizes[1 - side], absent),
        iss_(SeqNum{scene.random.next32() | (scene.random.chance(0.5) ? 0xFFFF'0000u : 0u)}) {}

  void connect(Instant now) {
    tcb_ = open_active(config_, iss_, now);
    phase_ = Phase::connection;
    emit(now);
  }

  void deliver(const Packet& packet, Instant now) {
    const Segment& segment = packet.segment;
    switch (phase_) {
      case Phase::closed:
        if (const auto reset = reset_for(segment)) send(*reset);
        return;
      case Phase::listening:
        if (listen_arrives(segment) == ListenAction::reset_reply) send(*reset_for(segment));
        if (listen_arrives(segment) != ListenAction::half_open) return;
        half_open_ = make_half_open(config_, {}, segment, iss_, 0, now);
        phase_ = Phase::half_open;
        send(syn_ack(half_open_, config_));
        return;
      case Phase::half_open:
        return deliver_half_open(packet, now);
      case Phase::connection:
        return deliver_connection(packet, now);
      case Phase::time_wait: {
        using Action = TimeWaitVerdict::Action;
        const auto verdict = waiting_.segment_arrives(index_, segment, config_, now);
        if (verdict.action == Action::reopen) return fail("reopened by an old segment");
        if (verdict.action == Action::ignore) return;
        if (verdict.action == Action::close) {
          waiting_.erase(index_);
          phase_ = Phase::closed;
          return;
        }
        send(acknowledgment(waiting_[index_]));
        return;
      }
    }
  }

  /// The application does something, at random.
  void act(Instant now) {
    Prng& random = scene_.random;
    if (phase_ != Phase::connection || (!open_ && !tcb_.active_open)) return;
    if (written_ < scene_.sizes[side_] && random.chance(0.7)) {
      const std::uint32_t left = scene_.sizes[side_] - written_;
      const auto n = static_cast<std::uint32_t>(1 + random.below(std::min(left, 30'000u)));
      tcp::send(tcb_, n);
      written_ += n;
      emit(now);
    }
    if (tcb_.unread > 0 && random.chance(0.7)) {
      read(static_cast<std::uint32_t>(1 + random.below(tcb_.unread)), now);
    }
    if (written_ == scene_.sizes[side_] && !shut_ && random.chance(0.5)) {
      shut_ = true;
      take(shutdown_send(tcb_, config_, now), nullptr, now);
    }
  }

  void expire(Instant now) {
    switch (phase_) {
      case Phase::listening:
      case Phase::closed:
        return;
      case Phase::half_open:
        switch (timeout(half_open_, config_, now)) {
          case HalfOpenTimeout::early:
            return;
          case HalfOpenTimeout::resend:
            return send(syn_ack_again(half_open_, config_));
          case HalfOpenTimeout::give_up:
            return fail("a half-open entry was given up");
        }
        return;
      case Phase::connection:
        return take(timeout(tcb_, config_, pool_, now), nullptr, now);
      case Phase::time_wait:
        waiting_.expire(now, [&](std::uint32_t, const TimeWait&) { phase_ = Phase::closed; });
        return;
    }
  }

  std::optional<Instant> next_event(Instant now) const {
    const auto widen = [&](Millis32 at) {
      return std::chrono::floor<std::chrono::milliseconds>(now) + (at - Millis32{now});
    };
    switch (phase_) {
      case Phase::listening:
      case Phase::closed:
        return std::nullopt;
      case Phase::half_open:
        return widen(half_open_.deadline);
      case Phase::connection:
        if (!tcb_.has_deadline()) return std::nullopt;
        return tcb_.deadline_instant(now);
      case Phase::time_wait:
        return *waiting_.next_deadline(now);
    }
    return std::nullopt;
  }

  bool over() const { return phase_ == Phase::closed || phase_ == Phase::time_wait; }
  bool idle_application() const { return shut_ && tcb_.unread == 0; }
  std::uint32_t read_bytes() const { return read_; }
  std::optional<Cause> cause() const { return cause_; }
  const std::string& failure() const { return failure_; }
  void fail(std::string what) {
    if (failure_.empty()) failure_ = (side_ == 0 ? "the first end: " : "the second end: ") + what;
  }
  Phase phase() const { return phase_; }
  const Tcb& tcb() const { return tcb_; }

  std::vector<Packet> outbox;

 private:
  void deliver_half_open(const Packet& packet, Instant now) {
    using Action = HalfOpenVerdict::Action;
    switch (segment_arrives(half_open_, config_, packet.segment, now).action) {
      case Action::ignore:
        return;
      case Action::send_syn_ack:
        return send(syn_ack_again(half_open_, config_));
      case Action::acknowledge:
        return send(acknowledgment(half_open_, config_));
      case Action::reset_reply:
        return send(*reset_for(packet.segment));
      case Action::drop_entry:
        return fail("a half-open entry was dropped");
      case Action::make_connection:
        tcb_ = accept(half_open_, config_, now);
        phase_ = Phase::connection;
        deliver_connection(packet, now);
        if (!open_) fail("accepted, but not established");
        return;
    }
  }

  void deliver_connection(const Packet& packet, Instant now) {
    note_offer(packet.segment);
    take(segment_arrives(tcb_, config_, packet.segment, pool_, now), &packet, now);
    note_offer(packet.segment);  // the first segment brought the scale with it
  }

  /// The furthest that the peer has ever let us send.
  void note_offer(const Segment& segment) {
    if (tcb_.state <= State::syn_received || !segment.has(control::ack)) return;
    const int shift = segment.has(control::syn) ? 0 : tcb_.snd_shift;
    const SeqNum edge = segment.ack + (std::uint32_t{segment.window} << shift);
    offered_ = offered_ ? max(*offered_, edge) : edge;
  }

  void take(const Verdict& verdict, const Packet* packet, Instant now) {
    if (verdict.established) open_ = true;
    if (verdict.reset_reply) {
      if (const auto reset = reset_for(packet->segment)) send(*reset);
    }
    if (verdict.keep_text) keep(verdict, *packet);
    if (verdict.abort) fail("aborted");
    if (verdict.send) emit(now);
    examine();
    if (!verdict.closed) return;
    release(tcb_, pool_);
    cause_ = verdict.cause;
    phase_ = Phase::closed;
    if (pool_.size() != 0) fail("a Flight was not given back");
    // Whatever was received is still there for the application.
    read_out();
    if (!verdict.time_wait) return;
    phase_ = Phase::time_wait;
    index_ = waiting_.insert(make_time_wait(tcb_, {}, config_, now), [](auto, const auto&) {});
  }

  void keep(const Verdict& verdict, const Packet& packet) {
    const SeqNum first =
        packet.segment.seq + (packet.segment.has(control::syn) ? 1 : 0) + verdict.text_offset;
    const auto place = static_cast<std::uint32_t>(first - (tcb_.irs + 1));
    for (std::uint32_t i = 0; i < verdict.text_length; ++i) {
      if (place + i >= queue_.size()) return fail("text that the peer never wrote was kept");
      queue_[place + i] = packet.text[verdict.text_offset + i];
    }
  }

  void read(std::uint32_t n, Instant now) {
    read_bytes(n);
    if (receive(tcb_, config_, n)) emit(now);
    examine();
  }
  void read_out() {
    read_bytes(tcb_.unread);
    tcb_.unread = 0;
  }
  void read_bytes(std::uint32_t n) {
    for (std::uint32_t i = 0; i < n; ++i, ++read_) {
      if (read_ >= queue_.size() || queue_[read_] == absent) {
        return fail("a byte to read was never kept");
      }
      if (queue_[read_] != byte_at(1 - side_, read_)) {
        return fail("a byte is not what was written");
      }
    }
  }

  void emit(Instant now) {
    Segment segment;
    for (int i = 0; i < 10'000; ++i) {
      const SeqNum before = tcb_.snd_nxt;
      const bool opened_before = tcb_.syn_acked;
      const Emit emit = next_segment(tcb_, config_, pool_, now, segment);
      if (emit == Emit::none) return;
      if (segment.text > tcb_.mss) fail("a segment is larger than the MSS");
      const SeqNum end = segment.seq + segment.len();
      if (opened_before && offered_ && *offered_ < end && segment.len() > 1 && before < end) {
        fail("more was sent than the peer had offered");
      }
      send(segment);
      examine();
      if (emit == Emit::last) return;
    }
    fail("next_segment() does not come to an end");
  }

  void send(const Segment& segment) {
    Packet packet{segment, {}};
    const SeqNum first = segment.seq + (segment.has(control::syn) ? 1 : 0);
    const auto place = static_cast<std::uint32_t>(first - (iss_ + 1));
    if (segment.text > 0 && place + segment.text > written_) fail("sent what was never written");
    for (std::uint32_t i = 0; i < segment.text; ++i) {
      packet.text.push_back(byte_at(side_, place + i));
    }
    outbox.push_back(std::move(packet));
  }

  void examine() {
    if (const auto broken = check(tcb_, pool_); !broken.empty()) fail(std::string(broken));
  }

  const int side_;
  Scene& scene_;
  const Config config_;
  FlightPool pool_;
  TimeWaitQueue waiting_;
  std::uint32_t index_ = 0;
  static constexpr int absent = -1;
  std::vector<std::int16_t> queue_;  // what was kept, by its place in the peer's stream
  const SeqNum iss_;
  HalfOpen half_open_;
  Tcb tcb_;
  Phase phase_ = Phase::listening;
  bool open_ = false;
  bool shut_ = false;
  std::uint32_t written_ = 0;
  std::uint32_t read_ = 0;
  std::optional<SeqNum> offered_;
  std::optional<Cause> cause_;
  std::string failure_;
};

class Conversation {
 public:
  explicit Conversation(std::uint64_t seed)
      : scene_(seed), ends_{End{0, scene_}, End{1, scene_}}, now_(Instant{} + 5s) {}

  /// Empty, or what went wrong.
  std::string run() {
    ends_[0].connect(now_);
    if (scene_.both_active) ends_[1].connect(now_);
    Instant next_act = now_;
    for (int events = 0; !(ends_[0].over() && ends_[1].over()); ++events) {
      if (events > 2'000'000) return "it does not come to an end" + status();
      pick_up();
      Instant next = Instant::max();
      const auto consider = [&](std::optional<Instant> at) {
        if (at) next = std::min(next, *at);
      };
      if (!wire_.empty()) consider(wire_.top().at);
      for (const End& end : ends_) consider(end.next_event(now_));
      const bool idle = ends_[0].idle_application() && ends_[1].idle_application();
      if (!idle) consider(next_act);
      if (next == Instant::max()) return "nothing will ever happen again" + status();
      now_ = std::max(now_, next);
      if (now_ > Instant{} + 48h) return "it takes for ever" + status();
      if (!idle && next_act <= now_) {
        for (End& end : ends_) end.act(now_);
        next_act = now_ + Duration{scene_.random.below(50'000'000)};
      }
      for (End& end : ends_) {
        if (const auto at = end.next_event(now_); at && *at <= now_) end.expire(now_);
      }
      while (!wire_.empty() && wire_.top().at <= now_) {
        const Flying flying = wire_.top();
        wire_.pop();
        ends_[flying.to].deliver(flying.packet, now_);
      }
      for (const End& end : ends_) {
        if (!end.failure().empty()) return end.failure() + status();
      }
    }
    for (int side : {0, 1}) {
      if (ends_[side].read_bytes() != scene_.sizes[1 - side]) return "bytes are missing" + status();
      const Cause cause = *ends_[side].cause();
      // The end that waited in TIME-WAIT may be gone when the other still repeats its FIN, with
      // text before it whose ACKs were all lost: then it hears a reset.
      const bool waited_out = cause == Cause::reset && *ends_[1 - side].cause() == Cause::by_us;
      if (cause != Cause::by_us && cause != Cause::by_peer && !waited_out) {
        return "it ended: " + std::string(name(cause)) + status();
      }
    }
    return {};
  }

 private:
  struct Flying {
    Instant at;
    std::uint64_t order;
    std::size_t to;
    Packet packet;
    bool operator<(const Flying& other) const {  // the priority queue has its largest on top
      return at != other.at ? other.at < at : other.order < order;
    }
  };

  void pick_up() {
    for (std::size_t side : {0u, 1u}) {
      for (Packet& packet : ends_[side].outbox) {
        if (auto& timestamps = packet.segment.options.timestamps) {
          timestamps->value = Millis32{now_}.raw();
        }
        const int copies = scene_.random.chance(scene_.duplication) ? 2 : 1;
        for (int i = 0; i < copies; ++i) {
          if (scene_.random.chance(scene_.loss)) continue;
          const auto jitter = static_cast<std::uint64_t>(scene_.jitter.count());
          const Duration delay =
              scene_.delay + Duration{jitter == 0 ? 0 : scene_.random.below(jitter)};
          wire_.push({now_ + delay, order_++, 1 - side, packet});
        }
      }
      ends_[side].outbox.clear();
    }
  }

  std::string status() const {
    std::string out = "\nat " + std::to_string((now_ - Instant{}).count() / 1'000'000) + " ms";
    for (const End& end : ends_) {
      const Tcb& t = end.tcb();
      out += "\n  phase " + std::to_string(static_cast<int>(end.phase())) + " state " +
             std::to_string(static_cast<int>(t.state)) + " una " +
             std::to_string(t.snd_una - t.iss) + " nxt " + std::to_string(t.snd_nxt - t.iss) +
             " pos " + std::to_string(t.snd_pos - t.iss) + " end " +
             std::to_string(t.snd_end - t.iss) + " wnd " + std::to_string(t.snd_wnd) + " cwnd " +
             std::to_string(t.cwnd) + " rcv " + std::to_string(t.rcv_nxt - t.irs) + " window " +
             std::to_string(t.rcv_wnd()) + " unread " + std::to_string(t.unread) + " retries " +
             std::to_string(t.retries) + " backoff " + std::to_string(t.backoff);
    }
    return out;
  }

  Scene scene_;
  End ends_[2];
  Instant now_;
  std::priority_queue<Flying> wire_;
  std::uint64_t order_ = 0;
};

/// POLLUX_SEEDS=100000 in the environment for a longer run.
std::uint64_t seeds() {
  const char* const wanted = std::getenv("POLLUX_SEEDS");
  return wanted == nullptr ? 2'000 : std::strtoull(wanted, nullptr, 10);
}

TEST(Conversation, EveryByteArrivesAndBothEndsEnd) {
  for (std::uint64_t seed = 0; seed < seeds(); ++seed) {
    const std::string failure = Conversation{seed}.run();
    ASSERT_EQ(failure, "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace pollux::tcp
