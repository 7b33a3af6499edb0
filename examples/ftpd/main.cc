// A read-only FTP server (RFC 959) of the files in one folder.

#include <cstdio>

#include "folder.h"
#include "host/run.h"
#include "server.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr,
                 "usage: ftpd DEVICE ADDRESS FOLDER, as in tap:ftp0 10.0.0.1/24 /srv/ftp\n");
    return 2;
  }
  const ftpd::Folder folder{argv[3]};
  if (!folder.good()) {
    std::fprintf(stderr, "error: %s: no folder that can be read; try: another\n", argv[3]);
    return 2;
  }
  ftpd::Server server{folder};
  return pollux::host::exit_code(
      pollux::host::run({.device = argv[1], .address = argv[2], .connections = 1'000}, server));
}
