#pragma once

/// Inlined wherever it is called, where it is to be fast. A build with assertions leaves the choice
/// to the compiler: there, each copy would carry its checks, and take a fifth longer to compile.
#ifdef NDEBUG
#define POLLUX_INLINE [[gnu::always_inline]]
#else
#define POLLUX_INLINE
#endif
