#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>

/// What packetdrill calls instead of the kernel (its option --so_filename): for each system call a
/// function that takes `userdata` first, then the call's arguments, and returns and sets errno as
/// Linux does. Its layout is packetdrill's.
extern "C" struct packetdrill_interface {
  void* userdata;
  void (*free)(void*);
  int (*socket)(void*, int domain, int type, int protocol);
  int (*bind)(void*, int fd, const sockaddr* address, socklen_t size);
  int (*listen)(void*, int fd, int backlog);
  int (*accept)(void*, int fd, sockaddr* address, socklen_t* size);
  int (*connect)(void*, int fd, const sockaddr* address, socklen_t size);
  ssize_t (*read)(void*, int fd, void* to, std::size_t n);
  ssize_t (*readv)(void*, int fd, const iovec* to, int pieces);
  ssize_t (*recv)(void*, int fd, void* to, std::size_t n, int flags);
  ssize_t (*recvfrom)(void*, int fd, void* to, std::size_t n, int flags, sockaddr* from,
                      socklen_t* size);
  ssize_t (*recvmsg)(void*, int fd, msghdr* message, int flags);
  ssize_t (*write)(void*, int fd, const void* from, std::size_t n);
  ssize_t (*writev)(void*, int fd, const iovec* from, int pieces);
  ssize_t (*send)(void*, int fd, const void* from, std::size_t n, int flags);
  ssize_t (*sendto)(void*, int fd, const void* from, std::size_t n, int flags, const sockaddr* to,
                    socklen_t size);
  ssize_t (*sendmsg)(void*, int fd, const msghdr* message, int flags);
  int (*fcntl)(void*, int fd, int command, ...);
  int (*ioctl)(void*, int fd, unsigned long request, ...);
  int (*close)(void*, int fd);
  int (*shutdown)(void*, int fd, int how);
  int (*getsockopt)(void*, int fd, int level, int name, void* value, socklen_t* size);
  int (*setsockopt)(void*, int fd, int level, int name, const void* value, socklen_t size);
  int (*poll)(void*, pollfd* fds, nfds_t count, int timeout_ms);
  /// One IP datagram to the stack, which has dealt with it when this returns.
  int (*netdev_send)(void*, const void* datagram, std::size_t n);
  /// The next that the stack sends: `n` is the buffer's size, then the datagram's (0: none came).
  int (*netdev_receive)(void*, void* buffer, std::size_t* n, long long* time_usecs);
  int (*usleep)(void*, useconds_t usecs);
  int (*gettimeofday)(void*, timeval* time, struct timezone* zone);
  int (*epoll_create)(void*, int size);
  int (*epoll_ctl)(void*, int epfd, int operation, int fd, epoll_event* event);
  int (*epoll_wait)(void*, int epfd, epoll_event* events, int most, int timeout_ms);
  int (*pipe)(void*, int fds[2]);
  ssize_t (*splice)(void*, int in, off64_t* in_at, int out, off64_t* out_at, std::size_t n,
                    unsigned flags);
};

/// The plug-in's one symbol. `flags`: "a=b,c=d", or nullptr.
extern "C" void packetdrill_interface_init(const char* flags, packetdrill_interface* interface);
