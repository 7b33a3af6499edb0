// What the state machine makes of a segment, by kind. Each begins with a copy of the same Tcb,
// which is measured alone, too.

#include <benchmark/benchmark.h>

#include <cstdlib>

#include "conversation.h"
#include "opaque.h"
#include "transport/tcp/listener.h"
#include "transport/tcp/tcp.h"

namespace pollux::tcp {
namespace {

using bench::Conversation;

constexpr std::uint32_t request = Conversation::request;
constexpr std::uint32_t reply = Conversation::reply;

void copy_alone(benchmark::State& state) {
  Conversation talk;
  const Tcb before = talk.established();
  for (auto _ : state) {
    Tcb tcb = *bench::opaque(&before);
    benchmark::DoNotOptimize(tcb);
  }
}
BENCHMARK(copy_alone);

/// A SYN makes a half-open entry, and a SYN-ACK.
void syn(benchmark::State& state) {
  Conversation talk;
  Segment segment = talk.syn();
  for (auto _ : state) {
    benchmark::DoNotOptimize(segment);
    if (listen_arrives(segment) != ListenAction::half_open) std::abort();
    const HalfOpen half = make_half_open(talk.config, {}, segment, SeqNum{7}, 0, talk.now);
    benchmark::DoNotOptimize(syn_ack(half, talk.config));
  }
}
/// The handshake's ACK, with the request in it, makes a connection of the half-open entry.
void handshake_ack_with_text(benchmark::State& state) {
  Conversation talk;
  const HalfOpen before = talk.half_open();
  Segment segment = talk.says(0, request);
  for (auto _ : state) {
    HalfOpen half = *bench::opaque(&before);
    benchmark::DoNotOptimize(segment);
    const HalfOpenVerdict first = segment_arrives(half, talk.config, segment, talk.now);
    if (first.action != HalfOpenVerdict::Action::make_connection) std::abort();
    Tcb tcb = accept(half, talk.config, talk.now);
    const Verdict verdict = talk.hears(tcb, segment);
    if (!verdict.established || !verdict.readable) std::abort();
    benchmark::DoNotOptimize(tcb);
  }
}
BENCHMARK(syn);
BENCHMARK(handshake_ack_with_text);

/// `right(verdict)`: it came to what it is measured for.
template <class Right>
void arrives(benchmark::State& state, Conversation& talk, const Tcb& before, Segment segment,
             Right&& right) {
  for (auto _ : state) {
    Tcb tcb = *bench::opaque(&before);
    benchmark::DoNotOptimize(segment);
    const Verdict verdict = talk.hears(tcb, segment);
    if (!right(verdict)) std::abort();
    benchmark::DoNotOptimize(tcb);
    if (tcb.flight != no_flight) release(tcb, talk.flights);
  }
}

void text_in_order(benchmark::State& state) {
  Conversation talk;
  arrives(state, talk, talk.established(), talk.says(0, request),
          [](const Verdict& verdict) { return verdict.readable; });
}
void full_segment_in_order(benchmark::State& state) {
  Conversation talk;
  arrives(state, talk, talk.established(), talk.says(0, 1448),
          [](const Verdict& verdict) { return verdict.readable; });
}
void pure_ack(benchmark::State& state) {
  Conversation talk;
  arrives(state, talk, talk.answered(false), talk.says(request, 0, reply),
          [](const Verdict& verdict) { return verdict.acknowledged; });
}
void fin(benchmark::State& state) {
  Conversation talk;
  arrives(state, talk, talk.asked(), talk.says(request, 0, 0, control::fin),
          [](const Verdict& verdict) { return verdict.peer_closed; });
}
/// The last but one of the six: the peer's FIN, which acknowledges the reply and our FIN.
void fin_that_acknowledges_ours(benchmark::State& state) {
  Conversation talk;
  arrives(state, talk, talk.answered(true), talk.says(request, 0, reply + 1, control::fin),
          [](const Verdict& verdict) { return verdict.time_wait || verdict.peer_closed; });
}
/// Borrows a Flight, which goes back in the same iteration.
void text_past_a_gap(benchmark::State& state) {
  Conversation talk;
  arrives(state, talk, talk.established(), talk.says(1448, 1448),
          [](const Verdict& verdict) { return verdict.out_of_order && verdict.keep_text; });
}
void old_duplicate(benchmark::State& state) {
  Conversation talk;
  arrives(state, talk, talk.asked(), talk.says(0, request),
          [](const Verdict& verdict) { return verdict.drop != Drop::none || verdict.duplicate; });
}
void outside_the_window(benchmark::State& state) {
  Conversation talk;
  arrives(state, talk, talk.established(), talk.says(100'000'000, request),
          [](const Verdict& verdict) { return verdict.drop != Drop::none; });
}
BENCHMARK(text_in_order);
BENCHMARK(full_segment_in_order);
BENCHMARK(pure_ack);
BENCHMARK(fin);
BENCHMARK(fin_that_acknowledges_ours);
BENCHMARK(text_past_a_gap);
BENCHMARK(old_duplicate);
BENCHMARK(outside_the_window);

}  // namespace
}  // namespace pollux::tcp
