// Runs a program whose memory comes from some NUMA nodes, as `numactl --membind=NODES` does, or is
// spread over them, as with `--interleave=NODES`.
//   memory_policy bind|interleave NODE[,NODE...] PROGRAM [ARGUMENT...]
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <sstream>
#include <string>

int main(int count, char** words) {
  if (count < 4) {
    std::fputs("usage: memory_policy bind|interleave NODE[,NODE...] PROGRAM [ARGUMENT...]\n",
               stderr);
    return 2;
  }
  const int mode = words[1] == std::string{"bind"} ? MPOL_BIND : MPOL_INTERLEAVE;
  unsigned long nodes = 0;
  std::istringstream list{words[2]};
  for (std::string node; std::getline(list, node, ',');) nodes |= 1ul << std::stoul(node);
  if (syscall(SYS_set_mempolicy, mode, &nodes, sizeof nodes * CHAR_BIT) != 0) {
    std::perror("set_mempolicy");
    return 1;
  }
  execvp(words[3], words + 3);
  std::perror(words[3]);
  return 1;
}
