#include "transfer_world.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/counters.h"
#include "pipeline/pipeline.h"
#include "sim/pcap.h"
#include "sim/world.h"
#include "text.h"

namespace pollux::world {

int polling = 0;

namespace {

using Stack = pipeline::Pipeline<sim::Device, TransferApp>;
static_assert(sim::Host<Stack>);

struct Host {
  Host(sim::Device& on, TransferOptions options, Ledger& ledger, std::uint64_t seed)
      : device(on), app(std::move(options), ledger, seed) {}
  sim::Device& device;
  TransferApp app;
  std::unique_ptr<Stack> stack;

  void poll(Instant now) {
    polling = 1;
    stack->poll(now);
    polling = 0;
  }
  std::optional<Instant> next_event() const { return stack->next_event(); }
  const std::string& name() const { return device.options().name; }
};

wire::MacAddress mac_of(std::uint32_t host) {
  return {{2, 0, 0, 0, 0, static_cast<std::uint8_t>(host + 1)}};
}
wire::Ipv4Address address_of(std::uint32_t host) {
  return wire::Ipv4Address{wire::Ipv4Address{10, 0, 0, 1}.value() + host};
}

std::string to_string(const Counters& counters) {
  std::string out;
  const auto all = [&](auto count) {
    using Kind = decltype(count);
    for (unsigned i = 0; i < static_cast<unsigned>(count); ++i) {
      const auto kind = static_cast<Kind>(i);
      if (counters[kind] != 0) out += text(" ", name(kind), "=", counters[kind]);
    }
  };
  all(Event::count_);
  all(Drop::count_);
  all(SendDrop::count_);
  return out;
}

std::string to_string(const sim::LinkCounts& counts) {
  return text("offered=", counts.offered, " arrived=", counts.arrived, " lost=", counts.lost,
              " queue_full=", counts.queue_full, " down=", counts.down,
              " duplicated=", counts.duplicated, " corrupted=", counts.corrupted,
              " reordered=", counts.reordered);
}

/// One world on its way.
class Run {
 public:
  Run(const TransferPlan& plan, TransferReport& report)
      : plan_(plan),
        report_(report),
        seeds_(plan.seed),
        ledger_(std::size_t{4} * plan.transfers.connections * (plan.clients + plan.servers)),
        world_(seeds_.next(),
               {.frames = plan.frames, .frame_room = plan.frame_room, .trace = true}) {}

  void all(const std::string& capture) {
    build();
    if (!report_.ok()) return;
    if (!capture.empty() && !start_capture(capture)) return;
    for (Host& host : hosts_) host.stack->start(world_.now());
    transfer();
    settle();
    check();
  }

 private:
  void problem(std::string text) { report_.problems.push_back(std::move(text)); }
  bool good(const Status& status) {
    if (status) return true;
    problem(status.error().what + ": " + status.error().why);
    return false;
  }

  void build() {
    const std::uint32_t count = plan_.clients + plan_.servers;
    for (std::uint32_t i = 0; i < count; ++i) add_host(i);
    for (const Host& host : hosts_) {
      if (!host.stack) return;
    }
    if (plan_.middlebox) {
      connect_by_middlebox();
    } else if (count == 2 && !plan_.hostile) {
      cables_.push_back(
          world_.connect(hosts_[0].device, hosts_[1].device, plan_.there, plan_.back));
    } else {
      sim::Switch& middle = world_.add_switch();
      for (Host& host : hosts_) {
        cables_.push_back(world_.connect(host.device, middle, plan_.there, plan_.back));
      }
      if (plan_.hostile) add_hostile(middle);
    }
    for (Host& host : hosts_) {
      world_.add_host(host, {&host.device}, {.name = host.name(), .wake_delay = plan_.wake_delay});
    }
  }

  void connect_by_middlebox() {
    sim::Device& left = world_.add_device({.name = "box, left", .mac = mac_of(0xF0)});
    sim::Device& right = world_.add_device({.name = "box, right", .mac = mac_of(0xF1)});
    sim::Switch& clients = world_.add_switch();
    sim::Switch& servers = world_.add_switch();
    Middlebox& box = middlebox_.emplace(left, right, *plan_.middlebox);
    cables_.push_back(world_.connect(left, clients, plan_.back, plan_.edge));
    cables_.push_back(world_.connect(right, servers, plan_.there, plan_.edge));
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
      const bool client = i < plan_.clients;
      cables_.push_back(
          world_.connect(hosts_[i].device, client ? clients : servers, plan_.edge, plan_.edge));
      client ? box.add_left({address_of(i), mac_of(i)}) : box.add_right({address_of(i), mac_of(i)});
    }
    world_.add_host(box, {&left, &right}, {.name = "box"});
  }

  void add_hostile(sim::Switch& middle) {
    const auto own = static_cast<std::uint32_t>(hosts_.size());
    sim::Device& device = world_.add_device({.name = "hostile", .mac = mac_of(own)});
    hostile_.emplace(
        device,
        HostileHost::Place{.own = address_of(own),
                           .target = {address_of(plan_.clients), mac_of(plan_.clients)},
                           .port = TransferApp::stranger_port,
                           .pattern_stream = TransferApp::stranger_stream,
                           .stream_bytes = TransferApp::stranger_bytes},
        *plan_.hostile, ledger_, seeds_.next());
    world_.connect(device, middle, {.delay = 100us}, {.delay = 100us});
    world_.add_host(*hostile_, {&device}, {.name = "hostile"});
  }

  void add_host(std::uint32_t number) {
    const bool client = number < plan_.clients;
    sim::DeviceOptions device = plan_.device;
    device.name = text(client ? "client" : "server", number);
    device.mac = mac_of(number);
    TransferOptions transfers = plan_.transfers;
    const std::uint32_t first = client ? plan_.clients : 0;
    const std::uint32_t last = client ? plan_.clients + plan_.servers : plan_.clients;
    if (number == 0 && plan_.hostile) {
      transfers.stranger = address_of(plan_.clients + plan_.servers);
    }
    if (client || plan_.two_way) {
      for (std::uint32_t i = first; i < last; ++i) transfers.targets.push_back({address_of(i), 0});
    } else {
      transfers.connections = 0;
    }
    Host& host = hosts_.emplace_back(world_.add_device(device), transfers, ledger_, seeds_.next());
    pipeline::Config config = plan_.stack;
    config.interface.addresses = {{.prefix = {address_of(number), 24}, .count = 1}};
    config.seed = seeds_.next();
    config.cookie_seed = number;
    if (!client && plan_.server_tcp) config.tcp = *plan_.server_tcp;
    auto stack = Stack::make(config, host.device, host.app, world_.now());
    if (!stack) return problem(stack.error().what + ": " + stack.error().why);
    host.stack = std::move(*stack);
  }

  bool start_capture(const std::string& path) {
    Result<sim::PcapWriter> writer = sim::PcapWriter::create(path);
    if (!writer) {
      problem(writer.error().what + ": " + writer.error().why);
      return false;
    }
    writer_.emplace(std::move(*writer));
    return good(world_.capture(&*writer_));
  }

  bool apps_done() const {
    for (const Host& host : hosts_) {
      if (!host.app.done()) return false;
    }
    return true;
  }
  bool done() const {
    if (hostile_ && !hostile_->done()) return false;
    for (const Host& host : hosts_) {
      if (!host.app.done() || host.stack->connections_in_use() != 0) return false;
    }
    return true;
  }
  std::uint64_t progress() const {
    std::uint64_t sum = 0;
    for (const Host& host : hosts_) sum += host.app.progress();
    return sum;
  }

  /// Runs until then; false when that is no use any more.
  bool run_until(Instant when) {
    while (world_.now() < when) {
      if (!good(world_.run_until(std::min(when, world_.now() + 200ms)))) return false;
      const std::uint64_t seen = progress();
      if (seen != seen_ || apps_done()) last_ = world_.now();
      seen_ = seen;
      longest_silence_ = std::max(longest_silence_, world_.now() - last_);
      if (!plan_.transfers.may_fail &&
          world_.now() - last_ > plan_.silence.value_or(longest_silence(plan_.stack.tcp))) {
        problem(text("nothing has happened since ", last_.time_since_epoch()));
        return false;
      }
    }
    return true;
  }

  void transfer() {
    for (const Happening& happening : plan_.happenings) {
      if (!run_until(Instant{happening.at})) return;
      happen(happening);
    }
    while (!done() && world_.now() < Instant{plan_.limit} && run_until(world_.now() + 200ms)) {
    }
    report_.ended = world_.now();
    for (const Host& host : hosts_) {
      if (!host.app.done()) {
        problem(
            text(host.name(), ": opened ", host.app.opened(), ", not all ended in ", plan_.limit));
      } else if (host.stack->connections_in_use() != 0) {
        problem(
            text(host.name(), ": ", host.stack->connections_in_use(), " connections left over"));
      }
    }
    if (hostile_ && !hostile_->done()) problem("the hostile peer was not done");
  }

  void happen(const Happening& happening) {
    switch (happening.kind) {
      case Happening::Kind::down:
      case Happening::Kind::up:
        for (sim::Cable& cable : cables_) cable.set_up(happening.kind == Happening::Kind::up);
        return;
      case Happening::Kind::pause:
        world_.pause(hosts_[happening.host], happening.time);
        return;
      case Happening::Kind::forget:
        for (std::uint32_t i = 0; i < plan_.clients; ++i) {
          may_be_lost_ += hosts_[i].stack->connections_in_use();
        }
        middlebox_->forget();
        return;
    }
  }

  /// TIME-WAIT and what is still on the way come to their end.
  void settle() {
    if (!good(world_.run_for(2 * plan_.stack.tcp.msl + 20min))) return;
    // Then no timer is left: of neighbours alone some may still be asked after.
    const Result<bool> idle = world_.run_until_idle(world_.now() + 1h);
    if (!idle || !*idle) problem("a host still wants something in the end");
  }

  void check() {
    for (const Host& host : hosts_) check(host);
    if (world_.frames().live() != 0) {
      problem(text(world_.frames().live(), " frames live at the end, ", world_.frames_under_way(),
                   " of them on their way"));
    }
    if (ledger_.wrong() != 0) problem(text(ledger_.wrong(), " wrong transfers"));
    if (!plan_.transfers.may_fail && ledger_.completed() != ledger_.begun()) {
      problem(text(ledger_.begun() - ledger_.completed(), " streams not complete"));
    }
    std::uint32_t opened = 0;
    std::uint32_t closed = 0;
    std::uint32_t unopened = 0;
    for (const Host& host : hosts_) {
      opened += host.app.opened();
      closed += host.app.closed();
      unopened += host.app.unopened();
      report_.counters +=
          text("\n  ", host.name(), ":", to_string(host.stack->counters()),
               " device_sent=", host.device.counts().sent,
               " device_received=", host.device.counts().received,
               " device_receive_full=", host.device.counts().receive_full,
               " cut=", host.device.counts().cut, " merged=", host.device.counts().merged);
      report_.frames += host.device.counts().sent;
    }
    if (!plan_.transfers.may_fail && closed != 2 * opened - unopened) {
      problem(text(opened, " connections had ", closed, " ends"));
    }
    for (const sim::Cable& cable : cables_) {
      report_.counters += text("\n  there: ", to_string(cable.there.counts()));
      report_.counters += text("\n  back:  ", to_string(cable.back.counts()));
    }
    report_.counters += text("\n  longest silence: ", longest_silence_);
    if (middlebox_) check_middlebox();
    if (hostile_) check_hostile();
    report_.ledger = ledger_.to_string();
    report_.connections = opened;
    report_.streams = ledger_.begun();
    report_.complete = ledger_.completed();
    report_.bytes = ledger_.bytes();
    report_.trace = world_.trace_hash();
  }

  void check_middlebox() {
    report_.counters +=
        text("\n  box: passed=", middlebox_->passed(), " changed=", middlebox_->changed(),
             " acks_dropped=", middlebox_->acks_dropped());
    if (!middlebox_->nat()) return;
    report_.counters += text(" translated=", middlebox_->nat()->translated(),
                             " refused=", middlebox_->nat()->refused());
    std::uint32_t failed = 0;
    for (std::uint32_t i = 0; i < plan_.clients; ++i) failed += hosts_[i].app.failed();
    if (failed > may_be_lost_) {
      problem(text(failed, " clients' connections failed, and ", may_be_lost_,
                   " were there when the table was lost"));
    }
  }

  void check_hostile() {
    report_.counters +=
        text("\n  hostile: opened=", hostile_->opened(), " complete=", hostile_->complete(),
             " reset=", hostile_->reset(), " lies=", hostile_->lies(),
             " lies_answered=", hostile_->lies_answered(), " bytes=", hostile_->bytes());
    const Hostility kind = plan_.hostile->kind;
    if (kind != Hostility::falls_silent && kind != Hostility::random_fields &&
        hostile_->complete() != hostile_->opened()) {
      problem(text(hostile_->opened() - hostile_->complete(), " hostile connections not complete"));
    }
    // One answer in half a second is enough (RFC 5961 s.7), and it may ride on text.
    if (kind == Hostility::acks_unsent && 2 * hostile_->lies_answered() < hostile_->opened()) {
      problem("acknowledgments of what was never sent were not answered");
    }
  }

  void check(const Host& host) {
    const Counters& counters = host.stack->counters();
    const std::string& who = host.name();
    const auto equal = [&](const char* what, std::uint64_t a, std::uint64_t b) {
      if (a != b) problem(text(who, ": ", what, ": ", a, " != ", b));
    };
    equal("received = delivered + dropped + held", counters[Event::frames_received],
          counters[Event::frames_delivered] + counters.dropped() + host.stack->frames_held());
    equal("received, by the device", counters[Event::frames_received],
          host.device.counts().received);
    equal("sent, by the device", counters[Event::frames_sent], host.device.counts().sent);
    equal("half-open entries left", host.stack->half_open_in_use(), 0);
    equal("TIME-WAIT entries left", host.stack->time_wait_in_use(), 0);
    equal("frames held by reassembly", host.stack->frames_held(), 0);
    equal("other entries left", host.stack->entries_in_use(), 0);
    equal("opened = ended", counters[Event::tcp_active_opens] + counters[Event::tcp_passive_opens],
          counters[Event::tcp_closed] + counters[Event::tcp_aborted]);
    // What a hostile peer leaves behind ends in this way, and rightly.
    if (!plan_.transfers.may_fail && !plan_.hostile) {
      equal("timed out", counters[Event::tcp_timed_out], 0);
    }
  }

  const TransferPlan& plan_;
  TransferReport& report_;
  Prng seeds_;
  Ledger ledger_;
  sim::World world_;
  std::optional<sim::PcapWriter> writer_;
  std::vector<sim::Cable> cables_;
  std::uint64_t seen_ = 0;  // progress(), and when it last changed
  Instant last_{};
  Duration longest_silence_{0};
  std::uint64_t may_be_lost_ = 0;  // clients' connections when a table was forgotten
  // After the world: they hold its frames.
  std::deque<Host> hosts_;
  std::optional<Middlebox> middlebox_;
  std::optional<HostileHost> hostile_;
};

}  // namespace

TransferReport run(const TransferPlan& plan, const std::string& capture) {
  TransferReport report;
  Run{plan, report}.all(capture);
  return report;
}

}  // namespace pollux::world
