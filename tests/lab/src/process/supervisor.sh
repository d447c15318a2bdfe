# Runs one server and ends it when standard input ends, however that came.
# $1: prefix of the files it writes (.pid .exit .log)   $2: seconds between TERM and KILL
# $3: folder under which a containerd of the server may live, or empty
# $4: prefix of the files of a server that has to end before this one, or empty   rest: the command
# Standard output is the keeper's pipe: it only has to stay open, so nothing may be written to it.
state=$1 grace=$2 exec_root=$3 before=$4
shift 4
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

# Its supervisor ends it now too, within its own grace.
tries=1500
while [ -n "$before" ] && [ -s "$before.pid" ] && [ ! -e "$before.exit" ] && [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    sleep 0.02
done

# true when the server's exit has been seen within the time
ended() {
    tries=$(($1 * 50))
    while [ ! -e "$state.exit" ]; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 0.02
    done
}
# Who was stopped sees a TERM only when it goes on.
ended 0 || { kill -TERM "$pid"; kill -CONT "$pid"; }
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
home=${state%/*} points=
while read -r _ _ _ _ point _; do
    case $point in "$home"/*) points="$point
$points" ;; esac
done </proc/self/mountinfo
echo "$points" | while IFS= read -r point; do
    [ -z "$point" ] || umount -l "$point"
done
