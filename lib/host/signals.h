#pragma once

namespace pollux::host {

/// From now on the first SIGINT, SIGTERM or SIGHUP (unless that was ignored, as nohup does) asks
/// for an orderly end, and the second ends the process at once, as that signal would have without
/// us. A broken pipe is an error of the write, no signal. Call it once, before other threads start.
void install_signal_handlers();

/// Somebody asked for an orderly end. Cheap enough for every poll, and safe from any thread.
bool stop_requested() noexcept;

/// The same wish from inside the program: the time is up, a core failed.
void request_stop() noexcept;

}  // namespace pollux::host
