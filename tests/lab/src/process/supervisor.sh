# Runs one server and ends it when standard input ends, however that came.
# $1: prefix of the files it writes (.pid .exit .log)   $2: seconds between TERM and KILL
# $3: folder under which a containerd of the server may live, or empty   rest: the command
# Standard output is the keeper's pipe: it only has to stay open, so nothing may be written to it.
state=$1 grace=$2 exec_root=$3
shift 3
trap : INT HUP TERM
{
    "$@" &
    echo $! >"$state.pid"
    wait $!
    echo $? >"$state.exit"
} </dev/null >"$state.log" 2>&1 &

# Read at once: whoever ends the lab in a hurry may remove its folder first.
until [ -s "$state.pid" ] || [ ! -d "${state%/*}" ]; do sleep 0.02; done
pid=$(cat "$state.pid")

while IFS= read -r _; do :; done

# true when the server's exit has been seen within the time
ended() {
    tries=$(($1 * 50))
    while [ ! -e "$state.exit" ]; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 0.02
    done
}
ended 0 || kill -TERM "$pid"
ended "$grace" || { kill -KILL "$pid"; ended 5; }

# A dockerd that was killed leaves its containerd behind.
if [ -n "$exec_root" ] && [ -s "$exec_root/containerd/containerd.pid" ]; then
    pid=$(cat "$exec_root/containerd/containerd.pid")
    signal=TERM tries=150
    while tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$exec_root"; do
        kill -"$signal" "$pid"
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || signal=KILL
        [ "$tries" -gt -100 ] || break
        sleep 0.02
    done
fi
if [ -n "$exec_root" ]; then
    home=${state%/*} points=
    while read -r _ _ _ _ point _; do
        case $point in "$home"/*) points="$point
$points" ;; esac
    done </proc/self/mountinfo
    echo "$points" | while IFS= read -r point; do
        [ -z "$point" ] || umount -l "$point"
    done
fi
