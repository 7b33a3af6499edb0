#include "dpdk/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_version.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <set>
#include <sstream>
#include <utility>

#include "dpdk/huge_pages.h"
#include "dpdk/list_of.h"
#include "dpdk/numa.h"
#include "dpdk/run_folder.h"

namespace pollux::dpdk {
namespace {

/// Rings, ports, virtual queues and the heaps' own bookkeeping. Of ordinary pages there is no more
/// later, and what is not touched costs nothing.
constexpr std::size_t eal_own_bytes = std::size_t{48} << 20;
/// Of huge pages, which are asked for on a node, and of which EAL takes more where it needs more.
/// What drivers of cards take differs widely; those of virtual devices take little.
std::size_t own_huge_bytes(const EalOptions& options, std::size_t cores) {
  if (!options.pci_devices.empty()) return eal_own_bytes;
  return std::min((16 + cores) << 20, eal_own_bytes);
}

std::vector<std::string> split_at_spaces(const std::vector<std::string>& texts) {
  std::vector<std::string> words;
  for (const std::string& text : texts) {
    std::istringstream stream(text);
    for (std::string word; stream >> word;) words.push_back(word);
  }
  return words;
}

/// Whether `option` is among the words, alone or with its value: a long one's comes after an equals
/// sign, that of a letter at once ("-m512").
bool has(const std::vector<std::string>& words, std::string_view option) {
  const bool letter = !option.starts_with("--");
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return word.starts_with(option) &&
           (letter || word.size() == option.size() || word[option.size()] == '=');
  });
}

/// Whether the user says how much memory to take.
bool says_how_much(const std::vector<std::string>& words) {
  return has(words, "-m") || has(words, "--socket-mem");
}

std::vector<unsigned> known_to_dpdk(std::vector<unsigned> cores) {
  std::erase_if(cores, [](unsigned core) { return core >= RTE_MAX_LCORE; });
  return cores;
}

Status check_cores(const std::vector<unsigned>& cores, const std::vector<unsigned>& allowed) {
  for (std::size_t i = 0; i < cores.size(); ++i) {
    const std::string what = "--cores: core " + std::to_string(cores[i]);
    if (std::find(cores.begin(), cores.begin() + static_cast<std::ptrdiff_t>(i), cores[i]) !=
        cores.begin() + static_cast<std::ptrdiff_t>(i)) {
      return Error{.what = what, .why = "it is named twice", .remedy = "each core once"};
    }
    if (cores[i] >= RTE_MAX_LCORE) {
      return Error{.what = what,
                   .why = "this DPDK knows cores below " + std::to_string(RTE_MAX_LCORE),
                   .remedy = "a lower number"};
    }
    if (std::find(allowed.begin(), allowed.end(), cores[i]) == allowed.end()) {
      return Error{.kind = Error::Kind::machine,
                   .what = what,
                   .why = "this process may not run there, only on " + list_of(allowed),
                   .remedy = "cores of that list, or another taskset or cpuset"};
    }
  }
  if (cores.size() >= RTE_MAX_LCORE) {
    return Error{.what = "--cores", .why = "too many cores", .remedy = "fewer"};
  }
  return std::monostate{};
}

/// Packets are to lie on the node of the core that they come to. What drivers take for themselves
/// they want on the node of their device, and do not make do with another.
std::vector<WantedPages> wanted_pages(const EalOptions& options, const std::vector<unsigned>& cores,
                                      const std::vector<unsigned>& allowed,
                                      const Topology& topology) {
  std::vector<WantedPages> out;
  const std::size_t sharing = std::min(cores.size(), options.memory_cores);
  const std::size_t count = sharing == 0 ? cores.size() : sharing;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back({.bytes = (options.memory_bytes + count - 1) / count,
                   .node = topology.memory_node_of(cores[i])});
  }
  std::set<int> drivers;
  if (topology.several()) {
    for (const std::string& address : options.pci_devices) drivers.insert(node_of_pci(address));
    if (options.virtual_devices) drivers.insert(topology.node_of_all(allowed));
    drivers.erase(-1);
  }
  const std::size_t own = own_huge_bytes(options, cores.size());
  for (const int node : drivers) {
    out.push_back({.bytes = own / drivers.size(), .node = node, .there_alone = true});
  }
  if (drivers.empty()) out.push_back({.bytes = own, .node = out.front().node});
  return out;
}

Error start_failure(int reason, const std::string& complaint, const EalOptions& options) {
  std::string why = complaint.empty() ? rte_strerror(reason) : complaint;
  if (!options.extra.empty()) {
    return {.what = "--eal", .why = std::move(why), .remedy = "without it, or see `man eal_args`"};
  }
  return {.kind = Error::Kind::machine,
          .what = "DPDK's environment does not start",
          .why = std::move(why),
          .remedy = "--no-huge, or --log-level debug to see all that it says"};
}

/// A driver that writes to the socket of a peer who is gone must get an error, not end the process.
/// A handler that the program has set stays.
void ignore_broken_pipes() {
  struct sigaction action {};
  if (sigaction(SIGPIPE, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) return;
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

}  // namespace

struct Eal::State {
  explicit State(LogLevel level) : log(LogSink::install(level)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  /// Does not call rte_eal_cleanup: in DPDK 22.11 it unmaps memory that its interrupt thread still
  /// reads, and what else it does the end of the process does too. The files are ours to remove.
  ~State() { wait(); }

  /// Sleeps until the jobs are done, because DPDK's own waiting spins on a processor that a worker
  /// may need.
  void wait() {
    for (std::size_t left = running; left != 0; left = running) running.wait(left);
    for (std::size_t i = 0; i < launched; ++i) rte_eal_wait_lcore(static_cast<unsigned>(i));
    launched = 0;
  }

  LogSink& log;
  std::vector<unsigned> cores;
  HugePages memory;
  std::vector<WantedPages> drivers;  // of that
  RunFolder folder;
  std::function<void(std::size_t)> job;
  std::size_t launched = 0;
  std::atomic<std::size_t> up{0};
  std::atomic<std::size_t> running{0};

  static int run(void* self) {
    auto& state = *static_cast<State*>(self);
    state.up.fetch_add(1);
    while (state.up.load() < state.launched) sched_yield();
    state.job(rte_lcore_id());
    if (state.running.fetch_sub(1) == 1) state.running.notify_all();
    return 0;
  }
};

std::vector<unsigned> allowed_cores() {
  std::vector<unsigned> allowed;
  constexpr unsigned most = 8192;  // what the kernel can be built for
  cpu_set_t* const set = CPU_ALLOC(most);
  if (set == nullptr) return allowed;
  const std::size_t size = CPU_ALLOC_SIZE(most);
  if (sched_getaffinity(0, size, set) == 0) {
    for (unsigned core = 0; core < most; ++core) {
      if (CPU_ISSET_S(core, size, set)) allowed.push_back(core);
    }
  }
  CPU_FREE(set);
  return allowed;
}

Result<std::vector<unsigned>> worker_cores(const std::vector<unsigned>& named,
                                           const std::vector<unsigned>& allowed) {
  const std::vector<unsigned> usable = known_to_dpdk(allowed);
  if (usable.empty()) {
    return Error{.kind = Error::Kind::machine,
                 .what = "--cores",
                 .why = "this process may run on no core below " + std::to_string(RTE_MAX_LCORE),
                 .remedy = "another taskset or cpuset"};
  }
  if (named.empty()) return std::vector{usable.front()};
  if (const Status checked = check_cores(named, usable); !checked) return checked.error();
  return named;
}

Result<std::vector<std::string>> eal_arguments(const EalOptions& options,
                                               const std::vector<unsigned>& allowed, bool huge,
                                               const std::string& file_prefix,
                                               const std::vector<std::size_t>& node_mib) {
  const auto chosen = worker_cores(options.cores, allowed);
  if (!chosen) return chosen.error();
  const std::vector<unsigned>& cores = *chosen;

  // Worker i is DPDK's lcore i whatever its processor, and the main thread is one lcore more, free
  // to run on all of them: it only prints and waits.
  std::string lcores;
  for (std::size_t i = 0; i < cores.size(); ++i) {
    lcores += std::to_string(i) + "@" + std::to_string(cores[i]) + ",";
  }
  const std::string main = std::to_string(cores.size());
  lcores += main + "@(" + list_of(known_to_dpdk(allowed)) + ")";

  const std::vector<std::string> extra = split_at_spaces(options.extra);
  for (const char* const taken : {"-l", "-c", "--lcores", "--main-lcore"}) {
    if (!has(extra, taken)) continue;
    return Error{.what = std::string("--eal ") + taken,
                 .why = "Pollux places the threads itself",
                 .remedy = "--cores"};
  }
  std::vector<std::string> words{"pollux", "--lcores=" + lcores, "--main-lcore=" + main,
                                 "--file-prefix=" + file_prefix, "--no-shconf"};
  if (!options.telemetry && !has(extra, "--telemetry")) words.emplace_back("--no-telemetry");
  if (options.pci_devices.empty() && !has(extra, "-a") && !has(extra, "--allow")) {
    words.insert(words.end(), {"--no-pci", "--iova-mode=va"});
  }
  for (const std::string& address : options.pci_devices) words.push_back("--allow=" + address);
  if (says_how_much(extra)) {
    // The user knows better.
  } else if (huge && !node_mib.empty()) {
    // -m is shared out by lcores, which are taken for the processors of these numbers.
    words.push_back("--socket-mem=" + list_of(node_mib));
  } else {
    const std::size_t own = huge ? own_huge_bytes(options, cores.size()) : eal_own_bytes;
    const std::size_t bytes = options.memory_bytes + own;
    words.insert(words.end(), {"-m", std::to_string((bytes + (1u << 20) - 1) >> 20)});
  }
  if (huge) {
    // memfd instead of files in a mount: nothing to clean up, no mount needed, no root needed. One
    // memfd a segment list, so that memif and vhost-user can hand them to their peers.
    words.insert(words.end(), {"--in-memory", "--single-file-segments"});
  } else if (!has(extra, "--no-huge")) {
    words.emplace_back("--no-huge");
  }
  words.insert(words.end(), extra.begin(), extra.end());
  return words;
}

Eal::Eal(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Eal::Eal(Eal&&) noexcept = default;
Eal& Eal::operator=(Eal&&) noexcept = default;

Eal::~Eal() = default;

Result<Eal> Eal::start(const EalOptions& options) {
  auto state = std::make_unique<State>(options.log_level);
  const std::vector<unsigned> allowed = allowed_cores();
  Result<std::vector<unsigned>> cores = worker_cores(options.cores, allowed);
  if (!cores) return cores.error();
  state->cores = *std::move(cores);
  const std::vector<std::string> extra = split_at_spaces(options.extra);
  if (options.no_huge || has(extra, "--no-huge")) {
    state->memory.reason = "--no-huge";
  } else {
    const Topology topology = Topology::find();
    const auto wanted = wanted_pages(options, state->cores, allowed, topology);
    state->memory = HugePages::find(wanted, topology);
    if (!state->memory.usable && says_how_much(extra)) {
      // Whether there is so much, EAL says.
      const WantedPages any{.bytes = 1};
      if (HugePages some = HugePages::find({&any, 1}, topology); some.usable) {
        state->memory = std::move(some);
      }
    }
    if (!state->memory.usable && has(extra, "--socket-mem")) {
      const auto [why, remedy] = why_and_remedy(state->memory.reason);
      return Error{.kind = Error::Kind::machine,
                   .what = "--eal --socket-mem",
                   .why = why,
                   .remedy = remedy.empty() ? "without it" : remedy};
    }
    if (state->memory.usable) {
      std::copy_if(wanted.begin(), wanted.end(), std::back_inserter(state->drivers),
                   [](const WantedPages& each) { return each.there_alone; });
    }
  }
  Result<std::vector<std::string>> words = eal_arguments(
      options, allowed, state->memory.usable, RunFolder::file_prefix(), state->memory.node_mib);
  if (!words) return words.error();

  ignore_broken_pipes();
  std::vector<char*> arguments;
  for (std::string& word : *words) arguments.push_back(word.data());
  std::string printed;
  int used = 0;
  {
    const HushedOutput hushed(!state->log.verbose());
    used = rte_eal_init(static_cast<int>(arguments.size()), arguments.data());
    printed = hushed.line_after("pollux: ");  // getopt's, of an option that is not known
  }
  if (used < 0) {
    const int reason = rte_errno;
    const std::string complaint = state->log.complaint();
    return start_failure(reason, printed.empty() ? complaint : printed, options);
  }
  state->folder.adopt(rte_eal_get_runtime_dir());
  // Those of cards have started, and have a part of it.
  for (WantedPages& each : state->drivers) {
    rte_malloc_socket_stats taken{};
    if (rte_malloc_get_socket_stats(each.node, &taken) != 0) continue;
    each.bytes -= std::min<std::size_t>(each.bytes, taken.heap_allocsz_bytes);
  }
  return Eal{std::move(state)};
}

bool Eal::huge_pages() const noexcept { return state_->memory.usable; }
std::string_view Eal::memory_reason() const noexcept { return state_->memory.reason; }
std::string_view Eal::memory_remedy() const noexcept { return state_->memory.remedy; }
std::span<const WantedPages> Eal::drivers_pages() const noexcept { return state_->drivers; }
const std::vector<unsigned>& Eal::cores() const noexcept { return state_->cores; }
std::string Eal::version() { return rte_version(); }
const std::string& Eal::folder() const noexcept { return state_->folder.path(); }
LogSink& Eal::log() const noexcept { return state_->log; }

void Eal::launch(std::size_t n, std::function<void(std::size_t)> job) {
  POLLUX_ASSERT(n <= state_->cores.size());
  wait();
  state_->job = std::move(job);
  state_->launched = n;
  state_->up = 0;
  state_->running = n;
  for (std::size_t i = 0; i < n; ++i) {
    rte_eal_remote_launch(&State::run, state_.get(), static_cast<unsigned>(i));
  }
}

void Eal::wait() { state_->wait(); }

}  // namespace pollux::dpdk
