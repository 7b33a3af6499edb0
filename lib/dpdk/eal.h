#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dpdk/log.h"

namespace pollux::dpdk {

struct WantedPages;

/// What DPDK's environment is started with.
struct EalOptions {
  /// One worker for each, in this order, pinned to that processor; empty: the first that this
  /// process may run on.
  std::vector<unsigned> cores = {};
  /// Do without huge pages even where there are some.
  bool no_huge = false;
  /// What the packet pools need (Pool::bytes_for); what EAL needs for itself is added. Each of the
  /// cores has an equal share of it, which is taken of its NUMA node, or of the first so many alone
  /// (0: of all).
  std::size_t memory_bytes = std::size_t{64} << 20;
  std::size_t memory_cores = 0;
  /// Addresses of the PCI devices that are touched; without any the bus is left alone.
  std::vector<std::string> pci_devices = {};
  /// Others are opened too. Their drivers take memory for themselves of the node that the main
  /// thread is on, where all processors that it may run on are on one.
  bool virtual_devices = false;
  /// Open DPDK's telemetry socket.
  bool telemetry = false;
  LogLevel log_level = LogLevel::error;
  /// Each is split at spaces and handed on as it is, after what Pollux says itself.
  std::vector<std::string> extra = {};
};

/// The processors of the workers: those named, or the first of `allowed`, which this process may
/// use. Fails where one is not among them or is named twice, or where there is none.
Result<std::vector<unsigned>> worker_cores(const std::vector<unsigned>& named,
                                           const std::vector<unsigned>& allowed);

/// What Eal::start hands to rte_eal_init, program name first. `allowed` are the processors that
/// this process may use; `node_mib` are the MiB of huge pages to take of each NUMA node, empty
/// where there is but one. Fails as worker_cores() does.
Result<std::vector<std::string>> eal_arguments(const EalOptions& options,
                                               const std::vector<unsigned>& allowed, bool huge,
                                               const std::string& file_prefix,
                                               const std::vector<std::size_t>& node_mib = {});

/// The processors that this process may run on, lowest first.
std::vector<unsigned> allowed_cores();

/// DPDK's environment: memory, worker threads, devices. One a process, once: it can be neither
/// started twice nor tried again after a failure. Whatever uses it must be gone before it.
///
/// Leaves nothing behind: huge pages are taken without files (--in-memory), so that a process that
/// is killed leaves at most one empty folder, which the next one removes.
class Eal {
 public:
  /// Also ignores SIGPIPE from then on, unless the program handles it.
  static Result<Eal> start(const EalOptions& options);
  Eal(Eal&&) noexcept;
  Eal& operator=(Eal&&) noexcept;
  ~Eal();

  /// Whether packet memory lies in huge pages, and why: a clause for the banner.
  bool huge_pages() const noexcept;
  std::string_view memory_reason() const noexcept;
  /// The command that reserves huge pages where they are too few, so that what belongs to one NUMA
  /// node lies on another; empty where there are enough on each.
  std::string_view memory_remedy() const noexcept;
  /// What drivers need of huge pages on the nodes of their devices: pools keep it free for them.
  std::span<const WantedPages> drivers_pages() const noexcept;
  /// The processors of the workers, in the order of EalOptions::cores.
  const std::vector<unsigned>& cores() const noexcept;
  /// "DPDK 22.11.11".
  static std::string version();
  /// A folder of this process's own, for sockets; goes with it, and empty if there is none.
  const std::string& folder() const noexcept;
  /// DPDK's messages since start, for errors of devices.
  LogSink& log() const noexcept;

  /// Calls job(i) on worker i for each i < n (n <= cores().size()), all at once: none begins before
  /// all are up. The calling thread goes on; wait() returns when every job has returned.
  void launch(std::size_t n, std::function<void(std::size_t)> job);
  void wait();

 private:
  struct State;
  explicit Eal(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace pollux::dpdk
