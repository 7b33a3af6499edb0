#include "tests/script.h"

#include <gtest/gtest.h>

#include <utility>

#include "tests/script_run.h"

namespace pollux::test {

namespace {

struct InitialNumbers {
  std::uint32_t iss;
  std::uint32_t irs;
};

/// The first is easy to read in a failure; the others wrap in the SYN, in the first byte, in the
/// middle of the text, or cross the sign of a 32-bit distance.
constexpr InitialNumbers initial_numbers[] = {
    {1'000'000, 5'000'000},
    {0, 0},
    {0xFFFF'FFFF, 0xFFFF'FFFF},
    {0xFFFF'FFFE, 0xFFFF'FC17},
    {0xFFFF'FC17, 0xFFFF'FFFE},
    {0xFFFF'FFFF - 1500, 0xFFFF'FFFF - 2700},
    {0xFFFF'FFFF - 7500, 0x8000'0000},
    {0x7FFF'FFFF, 0x7FFF'FFFF - 1000},
};

}  // namespace

Script::Script(Start start, Setup setup) : start_(start), setup_(std::move(setup)) {}
Script Script::active(Setup setup) { return {Start::active, std::move(setup)}; }
Script Script::passive(Setup setup) { return {Start::passive, std::move(setup)}; }
Script Script::established(Setup setup) { return {Start::established, std::move(setup)}; }
Script Script::simultaneous(Setup setup) { return {Start::simultaneous, std::move(setup)}; }

Script::~Script() {
  for (const InitialNumbers& numbers : initial_numbers) {
    run(numbers.iss, numbers.irs);
    if (testing::Test::HasFailure()) return;
  }
}

void Script::run(std::uint32_t iss, std::uint32_t irs) const {
  Run run{setup_, SeqNum{iss}, SeqNum{irs}};
  switch (start_) {
    case Start::active:
      run.open_active();
      break;
    case Start::passive:
      run.listen();
      break;
    case Start::established:
      run.establish();
      break;
    case Start::simultaneous:
      run.open_simultaneously();
      break;
  }
  const auto failed = [&](const char* file, int line) {
    if (run.failure().empty()) return false;
    ADD_FAILURE_AT(file, line) << run.failure() << "\nwith initial sequence numbers " << iss
                               << " (ours) and " << irs << " (the peer's)";
    return true;
  };
  const char* file = __FILE__;
  int line = __LINE__;
  if (failed(file, line)) return;
  for (const Step& step : steps_) {
    file = step.file;
    line = step.line;
    step.act(run);
    if (failed(file, line)) return;
  }
  run.sends_nothing();
  failed(file, line);
}

Script& Script::step(const char* file, int line, Act act) {
  steps_.push_back({std::move(act), file, line});
  return *this;
}

Script& Script::arrives(Seg segment, const char* file, int line) {
  return step(file, line, [=](Run& run) { run.arrives(segment); });
}
Script& Script::writes(std::uint32_t bytes, const char* file, int line) {
  return step(file, line, [=](Run& run) { run.writes(bytes); });
}
Script& Script::reads(std::uint32_t bytes, const char* file, int line) {
  return step(file, line, [=](Run& run) { run.reads(bytes); });
}
Script& Script::shuts_down(const char* file, int line) {
  return step(file, line, [](Run& run) { run.shuts_down(); });
}
Script& Script::closes(const char* file, int line) {
  return step(file, line, [](Run& run) { run.closes(); });
}
Script& Script::aborts(const char* file, int line) {
  return step(file, line, [](Run& run) { run.aborts(); });
}
Script& Script::sets(tcp::Options options, const char* file, int line) {
  return step(file, line, [=](Run& run) { run.sets(options); });
}
Script& Script::hears_unreachable(Cause cause, bool hard, const char* file, int line) {
  return step(file, line, [=](Run& run) { run.hears_unreachable(cause, hard); });
}
Script& Script::probes_path(std::uint16_t mtu, bool possible, const char* file, int line) {
  return step(file, line, [=](Run& run) { run.probes_path(mtu, possible); });
}

Script& Script::hears_path_mtu(std::uint16_t mtu, const char* file, int line) {
  return step(file, line, [=](Run& run) { run.hears_path_mtu(mtu); });
}
Script& Script::at(Duration time, const char* file, int line) {
  return step(file, line, [=](Run& run) { run.at(time); });
}
Script& Script::hold(const char* file, int line) {
  return step(file, line, [](Run& run) { run.hold(); });
}
Script& Script::flush(const char* file, int line) {
  return step(file, line, [](Run& run) { run.flush(); });
}

Script& Script::sends(Seg segment, const char* file, int line) {
  return step(file, line, [=](Run& run) { run.sends(segment); });
}
Script& Script::sends_full(int count, SeqNum seq, SeqNum ack, std::uint32_t mss, const char* file,
                           int line) {
  return step(file, line, [=](Run& run) {
    for (int i = 0; i < count; ++i) {
      run.sends({.seq = seq + static_cast<std::uint32_t>(i) * mss, .ack = ack, .text = mss});
    }
  });
}
Script& Script::sends_nothing(const char* file, int line) {
  return step(file, line, [](Run& run) { run.sends_nothing(); });
}

namespace {

std::string_view name(State state) {
  constexpr std::string_view names[] = {"CLOSED",      "LISTEN",     "SYN-SENT",   "SYN-RECEIVED",
                                        "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                                        "CLOSING",     "LAST-ACK",   "TIME-WAIT"};
  return names[static_cast<std::size_t>(state)];
}

}  // namespace

Script& Script::state(State state, const char* file, int line) {
  return step(file, line, [=](Run& run) {
    if (run.state() == state) return;
    run.fail(std::string("the state is ") + std::string(name(run.state())) + ", not " +
             std::string(name(state)));
  });
}
Script& Script::readable(std::uint32_t bytes, const char* file, int line) {
  return step(file, line, [=](Run& run) {
    if (run.tcb().unread == bytes) return;
    run.fail(std::to_string(run.tcb().unread) + " bytes are readable, not " +
             std::to_string(bytes));
  });
}
Script& Script::opened(const char* file, int line) {
  return step(file, line, [](Run& run) {
    if (!run.opened()) run.fail("the handshake is not complete");
  });
}
Script& Script::peer_closed(const char* file, int line) {
  return step(file, line, [](Run& run) {
    if (!run.peer_closed()) run.fail("the peer's FIN was not reported");
  });
}
Script& Script::ends(Cause cause, const char* file, int line) {
  return step(file, line, [=](Run& run) {
    if (!run.cause()) {
      run.fail("it is not over");
    } else if (*run.cause() != cause) {
      run.fail("it ended: " + std::string(pollux::name(*run.cause())) + ", not " +
               std::string(pollux::name(cause)));
    }
  });
}
Script& Script::drops(Drop drop, const char* file, int line) {
  return step(file, line, [=](Run& run) {
    if (run.verdict().drop == drop) return;
    run.fail("discarded as " + std::string(pollux::name(run.verdict().drop)) + ", not " +
             std::string(pollux::name(drop)));
  });
}
Script& Script::verdict(std::function<bool(const tcp::Verdict&)> holds, const char* file,
                        int line) {
  return step(file, line, [holds = std::move(holds)](Run& run) {
    if (!holds(run.verdict())) run.fail("the verdict is another one");
  });
}
Script& Script::check(std::function<void(const Tcb&)> look, const char* file, int line) {
  return step(file, line, [=, look = std::move(look)](Run& run) {
    const testing::ScopedTrace trace(file, line, "the Tcb");
    look(run.tcb());
  });
}
Script& Script::flights(std::uint32_t count, const char* file, int line) {
  return step(file, line, [=](Run& run) {
    if (run.flights() == count) return;
    run.fail(std::to_string(run.flights()) + " flights are in use, not " + std::to_string(count));
  });
}

}  // namespace pollux::test
