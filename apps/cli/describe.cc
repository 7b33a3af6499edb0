// describe man|bash PROGRAM: what is installed beside a program, made of its table of options.

#include <cstdio>
#include <string_view>

#include "cli/about.h"

int main(int argc, char** argv) {
  using namespace pollux::cli;
  const std::string_view form = argc == 3 ? argv[1] : "";
  for (const About* about : abouts) {
    if (argc != 3 || about->name != argv[2]) continue;
    if (form != "man" && form != "bash") break;
    std::fputs((form == "man" ? manual(*about) : bash_completion(*about)).c_str(), stdout);
    return 0;
  }
  std::fprintf(stderr, "usage: describe man|bash PROGRAM\n");
  return 2;
}
