#include "runner.h"

#include <dlfcn.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>

#include "calls.h"
#include "connection.h"

namespace pollux::interpreter {
namespace {

constexpr Usecs second = 1'000'000;

std::string seconds(Usecs time) {
  std::array<char, 40> out{};
  std::snprintf(out.data(), out.size(), "%.6f s", static_cast<double>(time) / second);
  return out.data();
}

/// Whether the thread sleeps in the kernel: the call that it makes has blocked.
bool sleeps(int thread) {
  std::ifstream file(joined("/proc/self/task/", thread, "/stat"));
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  return name_end != std::string::npos && line.substr(name_end).starts_with(") S");
}

/// A call that blocks, in a thread of its own.
struct Blocked {
  const Event* event = nullptr;
  Prepared prepared;
  Usecs end = 0;  // when it should return
  std::atomic<int> thread_id{0};
  std::atomic<bool> returned{false};
  long result = 0;
  int error = 0;
  Usecs returned_at = 0;
  std::thread thread;
};

class Run {
 public:
  Run(const Script& script, const Stack& stack) : script_(script), held_(stack) {}

  std::optional<Failure> run() {
    start_ = clock();
    for (const Event& event : script_.events) {
      event_ = &event;
      std::string what = attempt([&] { return happen(event); });
      if (!what.empty()) return failed(event, what);
    }
    end_ = now();
    std::string what = attempt([&] { return finish_blocked(); });
    if (what.empty()) what = attempt([&] { return nothing_more(); });
    if (!what.empty()) return failed(*event_, what);
    return std::nullopt;
  }

 private:
  // --- Time, from the script's start on ---

  Usecs clock() {
    timeval time{};
    stack_.gettimeofday(stack_.userdata, &time, nullptr);
    return Usecs{time.tv_sec} * second + time.tv_usec;
  }
  Usecs now() { return clock() - start_; }

  void await(Usecs when) {
    constexpr Usecs longest = 1'000 * second;
    for (Usecs left = when - now(); left > 0; left = when - now()) {
      stack_.usleep(stack_.userdata, static_cast<useconds_t>(std::min(left, longest)));
    }
  }

  /// The range in which the event is to happen.
  std::pair<Usecs, Usecs> due(const Event& event) {
    const Time& time = event.time;
    if (time.kind == Time::Kind::absolute) return {time.from, time.until};
    // Packets to the stack that follow each other keep their distance, whatever comes between.
    const auto inbound = [](const Event* each) {
      const auto* const packet = each == nullptr ? nullptr : std::get_if<Packet>(&each->what);
      return packet != nullptr && packet->inbound;
    };
    const Usecs base = inbound(last_) && inbound(&event) ? last_due_ : now();
    return {base + time.from, base + time.until};
  }

  static std::string check_time(const std::string& what, Usecs is, Usecs from, Usecs until) {
    if (is >= from - tolerance && is <= until + tolerance) return {};
    const std::string range =
        from == until ? seconds(from) : joined(seconds(from), " to ", seconds(until));
    return joined(what, " at ", seconds(is), ", not at ", range);
  }

  // --- Events ---

  template <class Act>
  std::string attempt(Act act) {
    try {
      return act();
    } catch (const std::string& wrong) {
      return wrong;
    }
  }

  std::string happen(const Event& event) {
    if (blocked_ && blocked_->returned) {
      if (std::string what = finish_blocked(); !what.empty()) return what;
    }
    const auto [from, until] = due(event);
    last_due_ = from;
    last_ = &event;
    if (const auto* const call = std::get_if<Call>(&event.what)) {
      const bool relative = event.time.kind == Time::Kind::relative;
      return make(event, *call, from,
                  call->end.value_or(0) + (relative ? from - event.time.from : 0));
    }
    const auto& packet = std::get<Packet>(event.what);
    if (!packet.inbound) return expect(packet, from, until);
    await(from);
    const std::vector<std::byte> datagram = connection_.build(packet);
    stack_.netdev_send(stack_.userdata, datagram.data(), datagram.size());
    return check_time("it happens", now(), from, until);
  }

  std::string make(const Event& event, const Call& call, Usecs from, Usecs end) {
    if (blocked_ && (call.end || blocked_->end <= from + tolerance)) {
      if (std::string what = finish_blocked(); !what.empty()) return what;
    }
    await(from);
    if (std::string late = check_time("it happens", now(), from, from); !late.empty()) return late;
    Prepared prepared = calls_.prepare(call);
    if (call.end) return start_blocked(event, std::move(prepared), end);
    errno = 0;
    const long result = prepared.invoke();
    return calls_.conclude(call, prepared, result, errno);
  }

  // --- Calls that block ---

  std::string start_blocked(const Event& event, Prepared prepared, Usecs end) {
    blocked_ = std::make_shared<Blocked>();
    blocked_->event = &event;
    blocked_->prepared = std::move(prepared);
    blocked_->end = end;
    // The thread has its own hold: one that never returns outlives the script.
    blocked_->thread = std::thread([self = blocked_, stack = held_] {
      self->thread_id = static_cast<int>(::syscall(SYS_gettid));
      errno = 0;
      self->result = self->prepared.invoke();
      self->error = errno;
      timeval time{};
      stack->gettimeofday(stack->userdata, &time, nullptr);
      self->returned_at = Usecs{time.tv_sec} * second + time.tv_usec;
      self->returned = true;
    });
    while (!blocked_->returned && (blocked_->thread_id == 0 || !sleeps(blocked_->thread_id))) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return {};
  }

  /// The script says that it is over by then.
  std::string finish_blocked() {
    if (!blocked_) return {};
    // Its limit is counted from when it was called: some microseconds after it was due.
    constexpr Usecs late = 100;
    await(blocked_->end + late);
    const auto blocked = std::exchange(blocked_, nullptr);
    for (int i = 0; i < 1'000 && !blocked->returned; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const Event* const under_way = std::exchange(event_, blocked->event);
    if (!blocked->returned) {
      blocked->thread.detach();
      return joined("it has not returned at ", seconds(blocked->end));
    }
    blocked->thread.join();
    const auto& call = std::get<Call>(blocked->event->what);
    std::string what = calls_.conclude(call, blocked->prepared, blocked->result, blocked->error);
    if (!what.empty()) return what;
    what = check_time("it returns", blocked->returned_at - start_, blocked->end, blocked->end);
    if (what.empty()) event_ = under_way;
    return what;
  }

  // --- What the stack sends ---

  struct Sent {
    Arrival arrival;
    Usecs when = 0;
  };

  /// The connection's next segment that has been sent by about `limit`. The stack looks ten seconds
  /// ahead at a time.
  std::optional<Sent> hear(Usecs limit) {
    constexpr Usecs ahead = 10 * second;
    std::array<std::byte, 65'536> buffer;
    while (true) {
      const Usecs before = now();
      if (limit - before > ahead / 2) await(limit - ahead / 2);
      std::size_t n = buffer.size();
      long long when = 0;
      const int result = stack_.netdev_receive(stack_.userdata, buffer.data(), &n, &when);
      if (result != 0 || n < 20) {
        if (now() > limit) return std::nullopt;
        continue;
      }
      auto read = read_datagram(std::span{buffer}.first(n));
      if (const auto* const what = std::get_if<std::string>(&read)) {
        throw joined("the stack sends ", *what);
      }
      auto& arrival = std::get<Arrival>(read);
      if (connection_.owns(arrival)) return Sent{std::move(arrival), when - start_};
    }
  }

  std::string expect(const Packet& packet, Usecs from, Usecs until) {
    const auto& expected = std::get<Tcp>(packet.what);
    connection_.expect(expected);
    const bool any = event_->time.kind == Time::Kind::any;
    const auto sent = hear(any ? now() + 60 * second : until + tolerance);
    if (!sent) return "nothing is sent";
    const Tcp came = connection_.translated(sent->arrival, expected);
    const std::string told = joined(to_text(came), " at ", seconds(sent->when));
    std::string what = difference(expected, came);
    if (what.empty()) what = connection_.check_text(sent->arrival);
    if (what.empty() && packet.ecn) what = check_ecn(*packet.ecn, sent->arrival.ecn);
    if (what.empty() && !any) what = check_time("it is sent", sent->when, from, until);
    return what.empty() ? what : joined("came ", told, ": ", what);
  }

  static std::string check_ecn(std::uint8_t should, std::uint8_t is) {
    if (should == Packet::either_ect ? is == 1 || is == 2 : is == should) return {};
    return joined("its ECN bits are ", unsigned{is});
  }

  /// Nothing was sent in the script's time that it does not have.
  std::string nothing_more() {
    const auto sent = hear(end_);
    if (!sent || sent->when > end_) return {};
    const Tcp came = connection_.translated(sent->arrival, {});
    return joined("after it came, and is not in the script: ", to_text(came), " at ",
                  seconds(sent->when));
  }

  std::optional<Failure> failed(const Event& at, const std::string& what) {
    const Event& event = event_ == nullptr ? at : *event_;
    if (blocked_) blocked_->thread.detach();
    return Failure{event.line, joined("expected ", event.text, "; ", what)};
  }

  const Script& script_;
  const Stack held_;
  packetdrill_interface& stack_ = *held_;
  Connection connection_;
  Calls calls_{stack_, connection_};
  Usecs start_ = 0;
  Usecs end_ = 0;
  const Event* event_ = nullptr;  // that is under way
  const Event* last_ = nullptr;
  Usecs last_due_ = 0;
  std::shared_ptr<Blocked> blocked_;
};

}  // namespace

Stack load(const std::string& path, const std::string& flags, std::string& error) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* const init = library == nullptr ? nullptr : dlsym(library, "packetdrill_interface_init");
  if (init == nullptr) {
    error = dlerror();
    return nullptr;
  }
  auto* const calls = new packetdrill_interface{};
  reinterpret_cast<void (*)(const char*, packetdrill_interface*)>(init)(flags.c_str(), calls);
  return Stack{calls, [](packetdrill_interface* each) {
                 each->free(each->userdata);
                 delete each;
               }};
}

std::optional<Failure> run(const Script& script, const Stack& stack) {
  return Run{script, stack}.run();
}

}  // namespace pollux::interpreter
