// Runs a program whose memory comes from one NUMA node, as `numactl --membind=NODE` does.
//   bind_memory NODE PROGRAM [ARGUMENT...]
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>

int main(int count, char** words) {
  if (count < 3) {
    std::fputs("usage: bind_memory NODE PROGRAM [ARGUMENT...]\n", stderr);
    return 2;
  }
  const unsigned long nodes = 1ul << std::strtoul(words[1], nullptr, 10);
  if (syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, sizeof nodes * CHAR_BIT) != 0) {
    std::perror("set_mempolicy");
    return 1;
  }
  execvp(words[2], words + 2);
  std::perror(words[2]);
  return 1;
}
