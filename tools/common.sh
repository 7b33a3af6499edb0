# shellcheck shell=bash
# What tools/demo and tools/test share. Sourced, with the working folder at the top of the tree.

fail() {  # CODE WHAT WHY TRY
  echo "error: $2: $3; try: $4" >&2
  exit "$1"
}

# configure FOLDER [MESON OPTIONS...]: a build folder, made once; what it says is shown only when it
# fails.
configure() {
  local folder=$1 log
  shift
  [ -f "$folder/build.ninja" ] && return
  log=$(mktemp)
  meson setup "$folder" "$@" >"$log" 2>&1 || {
    cat "$log" >&2
    rm -f "$log"
    fail 1 "meson setup $folder" "it failed, see above" "rm -r $folder, then again"
  }
  rm -f "$log"
}

# compile FOLDER [TARGETS...]
compile() {
  local folder=$1 log
  shift
  log=$(mktemp)
  ninja -C "$folder" "$@" >"$log" 2>&1 || {
    grep -vE '^\[[0-9]+/[0-9]+\] (Compiling|Linking|Generating)' "$log" | tail -n 60 >&2
    rm -f "$log"
    fail 1 "build in $folder" "it failed, see above" "ninja -C $folder"
  }
  rm -f "$log"
}
