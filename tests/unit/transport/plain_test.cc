// What is plain has a short way through segment_arrives() and next_segment(). Here both ways are
// taken with the same connection and the same segment, drawn at random near the edges of what is
// plain, and must agree in all: the Tcb byte by byte, the Verdict, the segment.

#include "transport/tcp/plain.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>

#include "base/prng.h"
#include "transport/tcp/congestion.h"
#include "transport/tcp/invariants.h"
#include "transport/tcp/recovery.h"
#include "transport/tcp/timers.h"

namespace pollux::tcp {
namespace {

constexpr std::uint64_t seed = 20'260'725;
constexpr int rounds = 400'000;
/// How often a thing is that would keep a connection or a segment from being plain.
constexpr double rarely = 0.03;

class Chance {
 public:
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(prng_.below(n)); }
  bool rare() { return prng_.chance(rarely); }
  bool half() { return prng_.chance(0.5); }
  std::uint32_t any() { return prng_.next32(); }
  template <class T, std::size_t n>
  T one_of(const std::array<T, n>& choices) {
    return choices[below(n)];
  }
  /// Small, around zero, or often zero itself.
  std::int32_t near_zero() { return half() ? 0 : static_cast<std::int32_t>(below(7)) - 3; }

 private:
  Prng prng_{seed};
};

Instant random_now(Chance& chance) {
  return Instant{1h} + Duration{std::uint64_t{chance.any()} * 4'000};
}

Config random_config(Chance& chance) {
  Config config;
  config.delayed_ack = chance.half() ? 40ms : 0ms;
  config.min_rto = chance.half() ? 200ms : 1s;
  config.initial_window = chance.half() ? 10 : 2;
  config.pacing = chance.half() ? Pacing::automatic : Pacing::off;
  config.congestion = chance.half() ? Congestion::cubic : Congestion::reno;
  config.packet_text = chance.half() ? 0 : 60'000;
  config.timestamps = !chance.rare();
  config.sack = !chance.rare();
  config.ecn = chance.one_of(std::array{Ecn::off, Ecn::accept, Ecn::on});
  config.receive_buffer = chance.half() ? 256 * 1024 : 3'000;
  return config;
}

/// A connection's flags and estimates, whatever its numbers are.
void draw_rest(Tcb& tcb, Chance& chance, Instant now) {
  tcb.resend_first = chance.rare();
  tcb.probe = chance.rare();
  tcb.keepalive_due = chance.rare();
  tcb.keepalive = chance.rare();
  tcb.ecn = chance.rare();
  tcb.ecn_echo = tcb.ecn && chance.half();
  tcb.cwr_due = tcb.ecn && chance.half();
  tcb.dup_acks = chance.rare() ? chance.below(4) & 15 : 0;
  tcb.ack_now = chance.half();
  tcb.ack_pending = chance.below(4) & 3;
  tcb.syn_resent = chance.rare();
  tcb.nagle = chance.half();
  tcb.sack = chance.half();
  tcb.no_tail_probe = chance.rare();
  tcb.small_step = chance.half();
  tcb.cwnd_limited = chance.half();
  tcb.partial_ack = chance.half();
  tcb.timestamps = chance.half();
  tcb.ts_recent = chance.any();
  tcb.ts_period = chance.rare() ? chance.below(64) & 63 : period_of(now) & 63;
  tcb.retries = chance.rare() ? 2 : 0;
  tcb.backoff = chance.rare() ? 3 : 0;
  tcb.soft_cause = chance.rare() ? Cause::unreachable : Cause::none;
  tcb.user_timeout_ms = chance.rare() ? 500 : 0;
  tcb.srtt_8 = chance.one_of(std::array{0u, 8u, 800u, 400'000u, 1u << 30});
  tcb.rttvar_4 = chance.below(100'000);
  tcb.acked_bytes = chance.below(3'000);
  tcb.sent_at = Millis32{now - std::chrono::milliseconds{chance.below(3'000)}};
  tcb.challenge_slot = static_cast<std::uint16_t>(chance.any());
  tcb.ack_armed = chance.half();
  tcb.ack_at = Millis32{now} + std::chrono::milliseconds{chance.below(50)};
  tcb.idle_armed = chance.rare();
  tcb.idle_at = Millis32{now} + std::chrono::milliseconds{chance.below(500)};
  tcb.retransmit_armed = tcb.in_flight() > 0 || chance.rare();
  tcb.retransmit_at = Millis32{now} + std::chrono::milliseconds{chance.below(300)};
  tcb.timer = tcb.sack && chance.half() ? Timer::tail_probe : Timer::retransmission;
  tcb.timed_seq = tcb.snd_una;  // the last that was
  if (tcb.in_flight() > 0 && !chance.rare()) {
    tcb.timing = true;
    tcb.timed_seq = tcb.snd_una + 1 + chance.below(tcb.in_flight());
  }
  tcb.timed_at = Micros32{now - std::chrono::microseconds{chance.below(300'000)}};
}

/// A connection that the invariants have nothing against, or one that they will be asked about.
Tcb random_tcb(Chance& chance, const Config& config, Instant now) {
  Tcb tcb;
  tcb.state = static_cast<State>(chance.below(11));
  if (tcb.state == State::listen) tcb.state = State::established;
  const bool shut = tcb.state == State::fin_wait_1 || tcb.state >= State::fin_wait_2;
  tcb.fin_queued = shut && tcb.state != State::close_wait;
  tcb.receive_closed = tcb.fin_queued && chance.half();
  tcb.active_open = tcb.state == State::syn_sent || chance.half();
  const bool over = tcb.state == State::closed;
  tcb.syn_acked = (tcb.state >= State::established || over) && !chance.rare();
  tcb.scale_offered = chance.half();
  tcb.iss = SeqNum{chance.any()};
  tcb.irs = SeqNum{chance.any()};
  tcb.irs_bounded = tcb.state == State::syn_sent && chance.below(8) == 0;
  tcb.snd_una = tcb.iss + (tcb.syn_acked ? 1 + chance.below(20'000) : 0);
  tcb.mss = chance.one_of(std::array<std::uint16_t, 4>{48, 536, 1448, 1460});
  const std::uint32_t in_flight = chance.half() ? 0 : chance.below(4'000);
  const std::uint32_t unsent = chance.one_of(std::array{0u, 0u, 1u, 100u, tcb.mss + 0u, 2'000u});
  const std::uint32_t syn = tcb.syn_acked ? 0 : 1;
  tcb.snd_nxt = tcb.snd_una + in_flight;
  tcb.snd_end = max(tcb.snd_nxt, tcb.iss + 1) + unsent;
  if (tcb.state == State::syn_sent || tcb.state == State::syn_received) {
    tcb.snd_nxt = tcb.snd_una + (chance.half() ? syn : 0);
    tcb.snd_end = tcb.iss + 1 + unsent;
  }
  const bool fin_acked = tcb.state == State::fin_wait_2 || tcb.state == State::time_wait;
  if (fin_acked) {
    tcb.snd_nxt = tcb.snd_una;
    tcb.snd_end = tcb.snd_una - 1;
  } else if (tcb.fin_queued && unsent == 0 && tcb.in_flight() > syn) {
    tcb.snd_end = tcb.snd_nxt - 1;  // it is sent
  }
  tcb.snd_pos = chance.rare() && tcb.in_flight() > 0 ? tcb.snd_una : tcb.snd_nxt;
  tcb.recover = tcb.snd_una - 1 + (chance.rare() ? chance.below(tcb.in_flight() + 1) : 0);
  tcb.recovering = chance.rare() && tcb.snd_una <= tcb.recover;
  tcb.rcv_nxt = tcb.irs + 1 + (tcb.syn_acked ? chance.below(10'000) : 0);
  tcb.rcv_adv = tcb.rcv_nxt + chance.one_of(std::array{0u, 1u, 100u, 101u, 3'000u, 65'535u});
  tcb.unread = chance.half() ? 0 : chance.below(2'000);
  tcb.snd_shift = chance.below(8) & 15;
  tcb.rcv_shift = chance.below(8) & 15;
  if (tcb.state == State::syn_sent) tcb.snd_shift = tcb.rcv_shift = 0;
  tcb.snd_wl1 = tcb.rcv_nxt + static_cast<std::uint32_t>(chance.near_zero());
  tcb.snd_wnd = chance.rare() ? 0 : unsent + static_cast<std::uint32_t>(chance.near_zero() + 3);
  if (chance.half()) tcb.snd_wnd = 65'535;
  tcb.max_snd_wnd = tcb.snd_wnd + chance.below(2) * 5'000;
  const std::uint32_t start = initial_window(tcb, config);
  const std::uint32_t fits = tcb.mss + unsent + static_cast<std::uint32_t>(chance.near_zero() + 3);
  tcb.cwnd = chance.one_of(std::array{start, start, start + 1, 2 * start, fits});
  tcb.ssthresh = chance.half() ? max_cwnd : tcb.cwnd - chance.below(2);
  if (tcb.state == State::syn_sent && !chance.rare()) tcb.cwnd = tcb.snd_wnd = tcb.max_snd_wnd = 0;
  draw_rest(tcb, chance, now);
  if (tcb.state == State::closed) disarm_all(tcb);
  if (fin_acked) tcb.retransmit_armed = false;
  update_deadline(tcb);
  return tcb;
}

Segment random_segment(Chance& chance, const Tcb& tcb, const Config& config, Instant now) {
  Segment segment;
  const bool first = tcb.state == State::syn_sent && !chance.rare();
  segment.seq = tcb.irs_bounded ? tcb.irs : tcb.rcv_nxt;
  if (tcb.irs_bounded || chance.rare()) {
    segment.seq += static_cast<std::uint32_t>(chance.near_zero());
  }
  segment.control = control::ack;
  if (chance.rare()) segment.control = 0;
  if (first || chance.rare()) segment.control |= control::syn;
  if (chance.rare()) segment.control |= control::rst;
  if (chance.below(4) == 0 && (!first || chance.rare())) segment.control |= control::fin;
  if (chance.half()) segment.control |= control::psh;
  if (chance.rare()) segment.control |= control::ece | control::cwr;
  const std::array acks{tcb.snd_una, tcb.snd_nxt, tcb.snd_nxt,
                        tcb.snd_una + chance.below(tcb.in_flight() + 2)};
  segment.ack = chance.one_of(acks) + static_cast<std::uint32_t>(chance.rare() ? 1 : 0);
  const std::uint32_t window = tcb.rcv_wnd();
  const std::array texts{
      0u, 0u, 1u, 100u, 1'448u, 3'000u, window, window + 1, window == 0 ? 0 : window - 1};
  segment.text = first && !chance.rare() ? 0 : std::min(chance.one_of(texts), 40'000u);
  const std::uint32_t same = tcb.snd_wnd >> tcb.snd_shift;
  segment.window = static_cast<std::uint16_t>(chance.rare()   ? 0
                                              : chance.half() ? std::min(same, 65'535u)
                                                              : chance.any());
  segment.ecn = chance.rare() ? 3 : 0;
  if (chance.half()) {
    const auto step = static_cast<std::uint32_t>(chance.near_zero() + (chance.rare() ? 0 : 3));
    const auto sent = now - std::chrono::milliseconds{chance.below(2'000)};
    segment.options.timestamps =
        wire::Timestamps{.value = tcb.ts_recent + step, .echo = Millis32{sent}.raw()};
  }
  if (segment.has(control::syn)) {
    if (!chance.rare()) segment.options.mss = config.mss;
    if (chance.half()) segment.options.window_scale = static_cast<std::uint8_t>(chance.below(16));
    segment.options.sack_permitted = chance.half();
  }
  if (chance.rare()) {  // on a SYN it says nothing, and must do the same all the same
    segment.options.sack_count = 1;
    segment.options.sack[0] = {segment.ack + 1, segment.ack + 1 + chance.below(2'000)};
  }
  return segment;
}

/// One of the two, with all that it may change.
struct Way {
  Tcb tcb;
  FlightPool flights = *FlightPool::make(2);
  Verdict verdict;
  Segment out;
  Emit emit = Emit::none;

  /// Begins where `other` does. One in twenty has borrowed a Flight, and something is in it.
  void begin(const Tcb& other, bool borrow, Instant now) {
    std::memcpy(&tcb, &other, sizeof tcb);
    verdict = {};
    out = {};
    if (!borrow) return;
    tcb.flight = flights.acquire();
    Flight& flight = flights[tcb.flight];
    flight = {};
    flight.out_of_order.add(tcb.rcv_nxt + 100, tcb.rcv_nxt + 200);
    if (tcb.synchronized() && tcb.syn_acked) begin_scoreboard(tcb, flights, tcb.snd_una, now);
  }
};

std::array<std::uint64_t, 22> facts(const Verdict& v) {
  return {v.challenge_ack,
          v.duplicate,
          v.out_of_order,
          v.fast_retransmit,
          v.recovery_undone,
          v.zero_window_probe,
          v.keepalive,
          v.flights_exhausted,
          static_cast<std::uint64_t>(v.drop),
          static_cast<std::uint64_t>(v.cause),
          static_cast<std::uint64_t>(v.path_news),
          v.send,
          v.reset_reply,
          v.established,
          v.keep_text,
          v.readable,
          v.acknowledged,
          v.peer_closed,
          v.time_wait,
          v.closed,
          v.abort,
          std::uint64_t{v.text_offset} << 32 | v.text_length << 16 | v.path_mtu};
}

bool equal(const Segment& a, const Segment& b) {
  return a.seq == b.seq && a.ack == b.ack && a.text == b.text && a.window == b.window &&
         a.control == b.control && a.ecn == b.ecn && a.cut == b.cut && a.options == b.options;
}

/// Where the two Tcbs differ: offsets of bytes, for tcb.h to be read with.
std::string differences(const Tcb& a, const Tcb& b) {
  std::array<unsigned char, sizeof(Tcb)> bytes_a;
  std::array<unsigned char, sizeof(Tcb)> bytes_b;
  std::memcpy(bytes_a.data(), &a, sizeof a);
  std::memcpy(bytes_b.data(), &b, sizeof b);
  std::string found;
  for (std::size_t i = 0; i < sizeof(Tcb); ++i) {
    if (bytes_a[i] != bytes_b[i]) found += " " + std::to_string(i);
  }
  return found;
}

/// Gives back what a round has borrowed.
void end(Way& way) { release(way.tcb, way.flights); }

class Plain : public ::testing::Test {
 protected:
  void begin(const Tcb& tcb, Instant now) {
    const bool borrow = chance_.rare();
    long_way_.begin(tcb, borrow, now);
    short_way_.begin(tcb, borrow, now);
  }

  Chance chance_;
  Way long_way_;
  Way short_way_;
};

TEST_F(Plain, ASegmentDoesTheSameTheShortWay) {
  int plain = 0;
  int syn_acks = 0;
  std::array<int, 11> into{};  // the state that a plain one led to, from another
  for (int round = 0; round < rounds; ++round) {
    const Instant now = random_now(chance_);
    const Config config = random_config(chance_);
    const Tcb tcb = random_tcb(chance_, config, now);
    if (!check(tcb).empty() || tcb.state == State::closed) continue;
    const Segment segment = random_segment(chance_, tcb, config, now);
    const bool room = !chance_.rare();
    begin(tcb, now);
    const bool first = tcb.state == State::syn_sent;
    const bool answer = first && is_plain_syn_ack(short_way_.tcb, segment);
    const bool other = !first && is_plain(short_way_.tcb, segment);
    long_way_.verdict =
        any_segment_arrives(long_way_.tcb, config, segment, long_way_.flights, now, room);
    short_way_.verdict =
        segment_arrives(short_way_.tcb, config, segment, short_way_.flights, now, room);
    ASSERT_EQ(differences(long_way_.tcb, short_way_.tcb), "") << "round " << round;
    ASSERT_EQ(facts(long_way_.verdict), facts(short_way_.verdict)) << "round " << round;
    ASSERT_EQ(long_way_.flights.size(), short_way_.flights.size()) << "round " << round;
    if (room && (answer || other)) {
      ++(answer ? syn_acks : plain);
      if (short_way_.tcb.state != tcb.state) ++into[static_cast<int>(short_way_.tcb.state)];
    }
    end(long_way_);
    end(short_way_);
  }
  EXPECT_GT(plain, rounds / 20);
  EXPECT_GT(syn_acks, rounds / 200);
  for (const State state : {State::established, State::fin_wait_2, State::close_wait,
                            State::closing, State::time_wait, State::closed}) {
    EXPECT_GT(into[static_cast<int>(state)], 100) << static_cast<int>(state);
  }
}

TEST_F(Plain, TheNextSegmentIsTheSameTheShortWay) {
  int syns = 0;
  int texts = 0;
  int fins = 0;
  int acks = 0;
  int last_acks = 0;
  for (int round = 0; round < rounds; ++round) {
    const Instant now = random_now(chance_);
    const Config config = random_config(chance_);
    const Tcb tcb = random_tcb(chance_, config, now);
    if (!check(tcb).empty()) continue;
    begin(tcb, now);
    if (is_plain_sender(short_way_.tcb)) {
      syns += sends_plain_syn(tcb);
      texts += sends_plain_text(tcb, config);
      fins += sends_plain_text(tcb, config) && tcb.fin_queued;
      acks += sends_plain_ack(tcb, config);
      last_acks += sends_plain_ack(tcb, config) && tcb.state == State::time_wait;
    }
    long_way_.emit = any_next_segment(long_way_.tcb, config, long_way_.flights, now, long_way_.out);
    short_way_.emit = next_segment(short_way_.tcb, config, short_way_.flights, now, short_way_.out);
    ASSERT_EQ(differences(long_way_.tcb, short_way_.tcb), "") << "round " << round;
    ASSERT_EQ(long_way_.emit, short_way_.emit) << "round " << round;
    ASSERT_TRUE(equal(long_way_.out, short_way_.out)) << "round " << round;
    ASSERT_EQ(long_way_.flights.size(), short_way_.flights.size()) << "round " << round;
    end(long_way_);
    end(short_way_);
  }
  EXPECT_GT(syns, rounds / 200);
  EXPECT_GT(texts, rounds / 200);
  EXPECT_GT(fins, rounds / 1'000);
  EXPECT_GT(acks, rounds / 200);
  EXPECT_GT(last_acks, rounds / 1'000);
}

}  // namespace
}  // namespace pollux::tcp
