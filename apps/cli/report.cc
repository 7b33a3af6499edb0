#include "cli/report.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace pollux::cli {
namespace {

using Out = fmt::memory_buffer;

template <class... Args>
void line(Out& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
  out.push_back('\n');
}

std::string grouped_rate(double rate) {
  return grouped(static_cast<std::uint64_t>(std::llround(rate < 0 ? 0 : rate)));
}

/// "timeout 3, reset 1": those that are not zero, or nothing.
std::string listed(const Summary::Named& named) {
  std::string out;
  for (const auto& [name, count] : named) {
    if (count == 0) continue;
    if (!out.empty()) out += ", ";
    out += fmt::format("{} {}", name, grouped(count));
  }
  return out;
}

void connections(Out& out, const Summary& s) {
  const Summary::Connections& c = s.connections;
  line(out, "connections  {} completed of {} attempted, {} open at the end, {} aborted, peak {}",
       grouped(c.completed), grouped(c.attempted), grouped(c.open), grouped(c.aborted),
       grouped(c.peak_open));
  if (c.open_from_warmup != 0) {
    line(out, "             and {} that were opened in the warm-up, still open at the end",
         grouped(c.open_from_warmup));
  }
  if (c.not_set_up_in_warmup != 0) {
    line(out, "             and {} that were opened in the warm-up, never set up",
         grouped(c.not_set_up_in_warmup));
  }
  const std::string causes = failures_text(s.failures);
  line(out, "failed       {}{}{}", grouped(c.failed), causes.empty() ? "" : ": ", causes);
  if (c.held_back != 0) {
    line(out, "held back    in {} polls no port or memory was free for another connection",
         grouped(c.held_back));
  }
}

/// Those beside the load.
void others(Out& out, const Summary& s) {
  if (s.held) {
    line(out, "held         {} of {} open beside it, opened in {:.1f} s; {} lost since",
         grouped(s.held->open), grouped(s.held->asked), s.held->opened_in_s, grouped(s.held->lost));
  }
  if (s.beside) {
    const Summary::Beside& b = *s.beside;
    line(out,
         "beside       {} completed of {} attempted, {} failed, {} open; connect p50 {:.1f} us, "
         "p99 {:.1f} us",
         grouped(b.completed), grouped(b.attempted), grouped(b.failed), grouped(b.open()),
         b.connect.p50, b.connect.p99);
  }
}

void rates(Out& out, const Summary& s) {
  line(out, "cps          mean {}  min {}  max {}   in {:.1f} s", grouped_rate(s.cps.mean),
       grouped_rate(s.cps.min), grouped_rate(s.cps.max), s.duration_s);
  line(out, "requests     {} answered of {} sent, {} bad, {} a second",
       grouped(s.requests.answered), grouped(s.requests.sent), grouped(s.requests.bad),
       grouped_rate(s.requests.per_second));
}

void packets(Out& out, const Summary& s) {
  line(out, "packets      rx {}  tx {}   per connection: rx {:.2f}  tx {:.2f}",
       grouped(s.packets.rx), grouped(s.packets.tx), s.packets.rx_per_connection,
       s.packets.tx_per_connection);
  if (s.tcp.retransmitted != 0) {
    line(out, "retransmitted {} segments", grouped(s.tcp.retransmitted));
  }
  if (s.tcp.syn_cookies_sent != 0) {
    line(out, "SYN cookies  {} sent, {} of them came back", grouped(s.tcp.syn_cookies_sent),
         grouped(s.tcp.syn_cookies_accepted));
  }
  if (s.tcp.fast_opens_tried != 0) {
    line(out, "fast opens   {} tried, {} of them taken", grouped(s.tcp.fast_opens_tried),
         grouped(s.tcp.fast_opens_taken));
  }
  const std::string drops = listed(s.drops);
  line(out, "drops        {}", drops.empty() ? "none" : drops);
  const std::string send_drops = listed(s.send_drops);
  if (!send_drops.empty()) line(out, "not sent     {}", send_drops);
  const std::string device_drops = listed(s.device_drops);
  if (!device_drops.empty()) line(out, "by devices   {}", device_drops);
}

void latency(Out& out, std::string_view label, const Summary::Latency& l) {
  if (l.samples == 0) return;
  line(out, "  {:<11}{:>10.1f}{:>10.1f}{:>10.1f}{:>10.1f}{:>10.1f}{:>12.1f}", label, l.min, l.p50,
       l.p90, l.p99, l.p999, l.max);
}

void latencies(Out& out, const Summary& s) {
  if (s.connect.samples + s.first_byte.samples + s.close.samples == 0) return;
  line(out, "{:<13}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}", "latency, us", "min", "p50", "p90", "p99",
       "p99.9", "max");
  latency(out, "connect", s.connect);
  latency(out, "first byte", s.first_byte);
  latency(out, "close", s.close);
}

void cores(Out& out, const Summary& s) {
  for (const Summary::Core& core : s.cores) {
    line(out, "core {:<3}     {:<7} busy {:5.1f} %  {:.0f} cycles a packet, {:.0f} a connection",
         core.core, core.role, core.busy * 100, core.cycles_per_packet, core.cycles_per_connection);
  }
}

/// What a search has found.
void search(Out& out, const Summary& s) {
  if (!s.search) return;
  const Search& found = *s.search;
  for (std::size_t i = 0; i < found.steps.size(); ++i) out.append(step_line(i + 1, found.steps[i]));
  const Search::Step* const failed = found.lowest_failed();
  std::string above;
  switch (found.end) {
    case Search::End::failure:
      break;
    case Search::End::bound:
      above = ", as many as --cps allows";
      break;
    case Search::End::stopped:
      above = " when it was stopped";
      break;
  }
  if (failed != nullptr) {
    above += fmt::format("; at {}: {}", grouped(failed->rate), failed->why);
  }
  line(out, "search       {} connections a second without a failure{}", grouped(found.rate), above);
  line(out, "");
}

/// Whether the generator was the limit.
void generator(Out& out, const Summary& s) {
  if (!s.generator) return;
  const Summary::Generator& g = *s.generator;
  std::string late;
  if (g.late.samples != 0) {
    late = fmt::format("; opened late by {:.1f} us (p50), {:.1f} us (p99), {:.1f} us (most)",
                       g.late.p50, g.late.p99, g.late.max);
  }
  line(out, "generator    busy {:.1f} % of its time{}", g.busy * 100, late);
  if (g.limited) {
    line(out, "             and was the limit: {} were due at the end and not opened",
         grouped(g.behind));
  }
}

void machine(Out& out, const Summary& s) {
  line(out, "memory       {} bytes a connection, room for {}, {}",
       grouped(s.memory.bytes_per_connection), grouped(s.memory.connections_capacity),
       s.memory.huge_pages ? "huge pages" : "no huge pages");
  if (s.environment.steered) {
    line(out, "steering     {} frames handed over to the core of their flow, {} lost on the way",
         grouped(s.environment.handed_over), grouped(s.environment.lost_between_cores));
  }
  const Summary::Stalls& stalls = s.environment.stalls;
  line(out,
       "stalls       {:.2f} % of the time, longest {:.0f} us, {} over 1 ms (the machine's own)",
       stalls.share * 100, stalls.longest_us, grouped(stalls.over_1ms));
}

std::string text_of(const Out& out) { return std::string{out.data(), out.size()}; }

}  // namespace

std::string grouped(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string failures_text(const Summary::Failures& f) {
  return listed({{"refused", f.refused},
                 {"unreachable", f.unreachable},
                 {"no ARP answer", f.no_arp},
                 {"timeout", f.timeout},
                 {"reset", f.reset},
                 {"bad reply", f.bad_reply},
                 {"no resources", f.no_resources},
                 {"closed early", f.closed_early}});
}

std::string step_line(std::size_t number, const Search::Step& step) {
  return fmt::format(
      "step {:<3} {:>11} a second  {}  cps {:>11}  p99 {:>9.1f} us  busy {:5.1f} %{}{}\n", number,
      grouped(step.rate), step.passed() ? "passed" : "failed", grouped_rate(step.cps), step.p99_us,
      step.busy * 100, step.passed() ? "" : ": ", step.why);
}

std::string held_line(double elapsed_s, std::uint64_t open, std::uint64_t asked, double rate) {
  return fmt::format("{:7.1f} s  held {:>11} of {:>11}  {:>11} a second\n", elapsed_s,
                     grouped(open), grouped(asked), grouped_rate(rate));
}

std::string banner_line(std::string_view label, std::string_view text) {
  return fmt::format("{:<10} {}\n", fmt::format("{}:", label), text);
}

std::string taken_text(std::size_t taken, std::size_t huge, std::uint64_t connections,
                       std::size_t pipelines) {
  std::string text =
      fmt::format("{} MiB taken for {} connections", taken >> 20, grouped(connections));
  if (pipelines > 1) text += fmt::format(" on each of {} pipelines", pipelines);
  if (huge >= taken / 4 * 3) return text;
  return text + fmt::format(
                    ", only {} MiB of it in huge pages; try: echo madvise > "
                    "/sys/kernel/mm/transparent_hugepage/enabled",
                    huge >> 20);
}

std::string live_line(const Live& live) {
  return fmt::format(
      "{:7.1f} s  cps {:>11}  rps {:>11}  open {:>10}  failed {:>8}  drops {:>8}  "
      "busy {:5.1f} %{}\n",
      live.elapsed_s, grouped_rate(live.cps), grouped_rate(live.rps), grouped(live.open),
      grouped(live.failed), grouped(live.dropped), live.busy * 100,
      live.warming_up ? "  (warm-up)" : "");
}

std::string table(const Summary& summary) {
  Out out;
  line(out, "");
  line(out, "{}", summary.program);
  if (summary.profile) out.append(profile_text(*summary.profile));
  search(out, summary);
  connections(out, summary);
  others(out, summary);
  rates(out, summary);
  packets(out, summary);
  latencies(out, summary);
  cores(out, summary);
  generator(out, summary);
  machine(out, summary);
  return text_of(out);
}

std::string table(std::string_view scenario, const Summary& server, const Summary& client) {
  Out out;
  line(out, "");
  line(out, "pollux-bench, scenario {}, link {}", scenario, client.environment.link);
  if (client.profile) out.append(profile_text(*client.profile));
  search(out, client);
  connections(out, client);
  others(out, client);
  rates(out, client);
  packets(out, client);
  latencies(out, client);
  line(out, "server       {} connections completed, {} open", grouped(server.connections.completed),
       grouped(server.connections.open));
  packets(out, server);
  cores(out, server);
  cores(out, client);
  generator(out, client);
  machine(out, client);
  return text_of(out);
}

}  // namespace pollux::cli
