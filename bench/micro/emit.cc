// What the state machine takes to say what to send, by kind. Each begins with a copy of the same
// Tcb, which is measured alone in segment_arrives.cc.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>

#include "conversation.h"
#include "opaque.h"
#include "transport/tcp/listener.h"
#include "transport/tcp/tcp.h"

namespace pollux::tcp {
namespace {

using bench::Conversation;

/// next_segment() until it has no more; it must be this many times. A Flight that `before` has is
/// one copy's alone, so that all begin without.
void emits(benchmark::State& state, Conversation& talk, Tcb before, int segments, Instant now) {
  if (before.flight != no_flight) release(before, talk.flights);
  for (auto _ : state) {
    Tcb tcb = *bench::opaque(&before);
    Segment segment;
    int seen = 0;
    for (Emit emit = Emit::more; emit == Emit::more;) {
      emit = next_segment(tcb, talk.config, talk.flights, now, segment);
      if (emit != Emit::none) ++seen;
      benchmark::DoNotOptimize(segment);
    }
    if (seen != segments) std::abort();
    benchmark::DoNotOptimize(tcb);
    if (tcb.flight != no_flight) release(tcb, talk.flights);
  }
}

void syn(benchmark::State& state) {
  Conversation talk;
  emits(state, talk, open_active(talk.config, SeqNum{7}, talk.now), 1, talk.now);
}
void syn_ack_of_a_half_open_entry(benchmark::State& state) {
  Conversation talk;
  const HalfOpen half = talk.half_open();
  for (auto _ : state) benchmark::DoNotOptimize(syn_ack(*bench::opaque(&half), talk.config));
}
void nothing(benchmark::State& state) {
  Conversation talk;
  emits(state, talk, talk.established(), 0, talk.now);
}
/// What an old duplicate is answered with.
void pure_ack(benchmark::State& state) {
  Conversation talk;
  Tcb tcb = talk.asked();
  if (!talk.hears(tcb, talk.says(0, Conversation::request)).send) std::abort();
  emits(state, talk, tcb, 1, talk.now);
}
void reply(benchmark::State& state) {
  Conversation talk;
  Tcb tcb = talk.asked();
  send(tcb, Conversation::reply);
  emits(state, talk, tcb, 1, talk.now);
}
void reply_and_fin(benchmark::State& state) {
  Conversation talk;
  Tcb tcb = talk.asked();
  send(tcb, Conversation::reply);
  static_cast<void>(close(tcb, talk.config, false, talk.now));
  emits(state, talk, tcb, 1, talk.now);
}
/// As many full segments as may leave before the first ACK: a Flight is borrowed, and goes back in
/// the same iteration.
void initial_window(benchmark::State& state) {
  Conversation talk;
  Tcb tcb = talk.asked();
  send(tcb, 100'000);
  emits(state, talk, tcb, 10, talk.now);
}
/// The reply, after its time-out.
void sent_again(benchmark::State& state) {
  Conversation talk;
  Tcb tcb = talk.answered(false);
  // The first deadline may be that of a probe of the tail.
  Instant now = talk.now;
  while (tcb.backoff == 0 && now < talk.now + 10s) {
    now = tcb.deadline_instant(now);
    static_cast<void>(timeout(tcb, talk.config, talk.flights, now));
    if (tcb.backoff == 0) static_cast<void>(talk.emits(tcb));
  }
  emits(state, talk, tcb, 1, now);
}
BENCHMARK(syn);
BENCHMARK(syn_ack_of_a_half_open_entry);
BENCHMARK(nothing);
BENCHMARK(pure_ack);
BENCHMARK(reply);
BENCHMARK(reply_and_fin);
BENCHMARK(initial_window);
BENCHMARK(sent_again);

}  // namespace
}  // namespace pollux::tcp
