#include "base/memory.h"

#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "base/proc.h"

#if defined(POLLUX_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#endif

namespace pollux {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

std::size_t page_size() noexcept { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

constexpr std::size_t round_up(std::size_t value, std::size_t unit) noexcept {
  return (value + unit - 1) / unit * unit;
}

/// MADV_POPULATE_WRITE, where the C library does not know it yet (Linux 5.14).
constexpr int populate_write = 23;

/// Where this thread wants its memory from (set_mempolicy(2)) holds for these pages, whichever
/// thread touches them first. A kernel that refuses has but one node, or places them as they are
/// touched, which is nearly as good.
void keep_policy(void* start, std::size_t size) noexcept {
  constexpr std::size_t most_nodes = 1'024;
  std::array<unsigned long, most_nodes / (8 * sizeof(unsigned long))> nodes{};
  int mode = MPOL_DEFAULT;
  if (syscall(SYS_get_mempolicy, &mode, nodes.data(), most_nodes, nullptr, 0) != 0) return;
  if (mode != MPOL_DEFAULT) syscall(SYS_mbind, start, size, mode, nodes.data(), most_nodes, 0);
}

Error no_room(std::size_t bytes, int reason) {
  return {.kind = Error::Kind::machine,
          .what = "memory",
          .why = "cannot reserve " + std::to_string(bytes >> 20) + " MiB of address space (" +
                 std::strerror(reason) + ")",
          .remedy = "a smaller --connections, a higher ulimit -v, or vm.overcommit_memory=0"};
}

}  // namespace

Result<Reservation> Reservation::make(std::size_t bytes, bool huge) {
  if (bytes == 0) return Reservation{};
  if (bytes > std::numeric_limits<std::size_t>::max() - 2 * huge_page) {
    return no_room(bytes, ENOMEM);
  }
  const std::size_t size = round_up(bytes, huge ? huge_page : page_size());
  // mmap aligns to small pages only, so a huge reservation takes one huge page more than it needs
  // and gives back what lies before and after the aligned part.
  const std::size_t slack = huge ? huge_page : 0;
  void* const mapped = mmap(nullptr, size + slack, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return no_room(bytes, errno);
  auto* const start = static_cast<std::byte*>(mapped);
  const std::size_t past = reinterpret_cast<std::uintptr_t>(start) % huge_page;
  const std::size_t before = huge && past != 0 ? huge_page - past : 0;
  if (before != 0) munmap(start, before);
  if (slack != before) munmap(start + before + size, slack - before);
  keep_policy(start + before, size);
  // Advice, not a condition: a kernel without transparent huge pages refuses it, and all still
  // works, a little slower.
  if (huge) {
    madvise(start + before, size, MADV_HUGEPAGE);
    const std::size_t available = proc_bytes("/proc/meminfo", "MemAvailable:");
    if (size <= available / 2) madvise(start + before, size, populate_write);
  }
  return Reservation{start + before, size};
}

void Reservation::unmap() noexcept {
  if (data_ != nullptr) munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

std::size_t Reservation::resident() const noexcept {
  const std::size_t page = page_size();
  std::array<unsigned char, 4096> present;
  std::size_t pages = 0;
  for (std::size_t at = 0; at < size_; at += present.size() * page) {
    const std::size_t span = std::min(size_ - at, present.size() * page);
    if (mincore(data_ + at, span, present.data()) != 0) return pages * page;
    for (std::size_t i = 0; i < span / page; ++i) pages += present[i] & 1u;
  }
  return pages * page;
}

#if defined(POLLUX_ADDRESS_SANITIZER)
void mark_dead(const void* bytes, std::size_t size) noexcept {
  __asan_poison_memory_region(bytes, size);
}
void mark_live(const void* bytes, std::size_t size) noexcept {
  __asan_unpoison_memory_region(bytes, size);
}
#endif

}  // namespace pollux
