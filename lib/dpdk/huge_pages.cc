#include "dpdk/huge_pages.h"

#include <dirent.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string_view>
#include <vector>

namespace pollux::dpdk {
namespace {

constexpr const char* folder = "/sys/kernel/mm/hugepages";

struct Kind {
  std::size_t page_bytes = 0;
  std::size_t reserved = 0;
  std::size_t free = 0;
};

std::size_t read_number(const std::string& path) {
  std::ifstream file(path);
  std::size_t value = 0;
  file >> value;
  return file ? value : 0;
}

/// Every size of huge page that the kernel knows, read from folders named hugepages-2048kB.
std::vector<Kind> kinds() {
  std::vector<Kind> found;
  DIR* const dir = opendir(folder);
  if (dir == nullptr) return found;
  constexpr std::string_view prefix = "hugepages-";
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix)) continue;
    std::size_t kib = 0;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), kib);
    if (kib == 0) continue;
    const std::string path = std::string(folder) + "/" + std::string(name);
    found.push_back({.page_bytes = kib << 10,
                     .reserved = read_number(path + "/nr_hugepages"),
                     .free = read_number(path + "/free_hugepages")});
  }
  closedir(dir);
  return found;
}

/// Maps `pages` pages without touching them: the kernel sets them aside or refuses at once, which
/// takes limits of the control group into account and needs no mount. Returns 0 or an errno.
int try_mapping(const Kind& kind, std::size_t pages) {
  const auto size_flag = static_cast<unsigned>(std::countr_zero(kind.page_bytes)) << 26;
  const int fd = memfd_create("pollux-huge-page-check", MFD_CLOEXEC | MFD_HUGETLB | size_flag);
  if (fd < 0) return errno;
  const std::size_t bytes = pages * kind.page_bytes;
  int failure = 0;
  void* const mapped = ftruncate(fd, static_cast<off_t>(bytes)) != 0
                           ? MAP_FAILED
                           : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) {
    failure = errno;
  } else {
    munmap(mapped, bytes);
  }
  close(fd);
  return failure;
}

/// What makes so many bytes of huge pages.
std::string reserve_command(std::size_t bytes) {
  constexpr std::size_t page = std::size_t{2} << 20;
  return "pollux-doctor hugepages reserve --node 0 --size 2M --count " +
         std::to_string((bytes + page - 1) / page);
}

std::string mebibytes(std::size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

HugePages HugePages::find(std::size_t bytes) {
  std::size_t reserved = 0;
  std::size_t free = 0;
  std::size_t needed = bytes;
  int failure = 0;
  for (const Kind& kind : kinds()) {
    reserved += kind.reserved * kind.page_bytes;
    free += kind.free * kind.page_bytes;
    if (needed == 0 || kind.free == 0) continue;
    const std::size_t wanted = (needed + kind.page_bytes - 1) / kind.page_bytes;
    const std::size_t pages = wanted < kind.free ? wanted : kind.free;
    if (const int error = try_mapping(kind, pages); error != 0) {
      failure = error;
      continue;
    }
    needed -= pages == wanted ? needed : pages * kind.page_bytes;
  }
  if (needed == 0) return {.usable = true, .reason = mebibytes(free) + " of huge pages are free"};
  if (reserved == 0) {
    return {.usable = false,
            .reason = "no huge pages are reserved; try: " + reserve_command(bytes)};
  }
  if (failure != 0) {
    return {.usable = false,
            .reason = std::string("huge pages cannot be mapped: ") + std::strerror(failure)};
  }
  return {.usable = false,
          .reason = "only " + mebibytes(free) + " of huge pages are free, " + mebibytes(bytes) +
                    " are needed; try: " + reserve_command(needed)};
}

}  // namespace pollux::dpdk
