#include <fmt/format.h>

#include "doctor/machine.h"
#include "doctor/mending.h"

namespace pollux::doctor {
namespace {

Error lacking(std::string what, std::string why, std::string remedy) {
  return {Error::Kind::machine, std::move(what), std::move(why), std::move(remedy)};
}

std::string call(std::string_view verb, const PagesRequest& request, std::uint64_t count) {
  return fmt::format("pollux-doctor hugepages {} --node {} --size {} --count {}", verb,
                     request.node, size_name(request.page_bytes), count);
}

/// The pages of a node, and how to change them.
struct Pool {
  const Root& root;
  std::string folder;
  std::uint64_t reserved = 0;
  std::uint64_t free = 0;

  static Result<Pool> find(const Root& root, const PagesRequest& request) {
    const std::string what =
        fmt::format("hugepages of {} on node {}", size_name(request.page_bytes), request.node);
    bool node_known = false;
    std::string known;
    for (const Node& node : nodes(root)) {
      known += fmt::format("{}{}", known.empty() ? "" : ", ", node.number);
      node_known = node_known || node.number == request.node;
    }
    if (!node_known) {
      return lacking(what, "this machine has no such node with memory", "--node " + known);
    }
    Pool out{.root = root, .folder = pages_folder(root, request.node, request.page_bytes)};
    if (!root.exists(out.folder)) {
      return lacking(what, "the kernel knows no pages of that size",
                     size_name(request.page_bytes) == "1G" ? "--size 2M" : "--size 1G");
    }
    out.look();
    return out;
  }

  void look() {
    reserved = static_cast<std::uint64_t>(root.number(folder + "/nr_hugepages").value_or(0));
    free = static_cast<std::uint64_t>(root.number(folder + "/free_hugepages").value_or(0));
  }

  Status set(std::uint64_t count, const std::string& command) {
    const Status written =
        root.write(folder + "/nr_hugepages", fmt::format("{}\n", count), command);
    if (written) look();
    return written;
  }
};

std::string line(const PagesRequest& request, std::uint64_t before, const Pool& pool) {
  return fmt::format("node {}: {} pages of {}, before {}; {} are free", request.node, pool.reserved,
                     size_name(request.page_bytes), before, pool.free);
}

}  // namespace

Result<std::string> reserve_pages(const Root& root, const PagesRequest& request) {
  Result<Pool> pool = Pool::find(root, request);
  if (!pool) return pool.error();
  const std::uint64_t before = pool->reserved;
  const std::uint64_t wanted = before + request.count.value_or(0);
  const std::string command = call("reserve", request, wanted - before);
  if (Status written = pool->set(wanted, command); !written) return written.error();
  if (pool->reserved < wanted) {
    // Free memory in pieces can be put together; where that is not allowed it is as it was.
    static_cast<void>(root.write("/proc/sys/vm/compact_memory", "1\n", command));
    if (Status written = pool->set(wanted, command); !written) return written.error();
  }
  if (pool->reserved >= wanted) return line(request, before, *pool);
  const std::uint64_t could = pool->reserved > before ? pool->reserved - before : 0;
  static_cast<void>(pool->set(before, command));
  return lacking(command,
                 fmt::format("the kernel finds {} such pages; memory is full, or in pieces", could),
                 could != 0 ? call("reserve", request, could)
                            : fmt::format("hugepagesz={0} hugepages={1} on the kernel's command "
                                          "line, and a restart",
                                          size_name(request.page_bytes), wanted));
}

Result<std::string> release_pages(const Root& root, const PagesRequest& request) {
  Result<Pool> pool = Pool::find(root, request);
  if (!pool) return pool.error();
  const std::uint64_t before = pool->reserved;
  const std::uint64_t count = request.count.value_or(pool->free);
  if (count > pool->free || count > before) {
    return lacking(call("release", request, count),
                   fmt::format("{} of {} are free", pool->free, before),
                   pool->free != 0 ? call("release", request, pool->free)
                                   : std::string{"ending what uses them"});
  }
  if (Status written = pool->set(before - count, call("release", request, count)); !written)
    return written.error();
  if (pool->reserved > before - count) {
    return lacking(
        call("release", request, count),
        fmt::format("{} are promised to somebody, and stay", pool->reserved - (before - count)),
        "ending what uses them");
  }
  return line(request, before, *pool);
}

}  // namespace pollux::doctor
