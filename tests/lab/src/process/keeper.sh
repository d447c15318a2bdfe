# Waits for the end of its standard input, which means that the lab's process
# and every supervisor is gone, then removes the paths it read from there.
trap : INT HUP TERM
while IFS= read -r path; do set -- "$@" "$path"; done
for path; do
    points=
    while read -r _ _ _ _ point _; do
        case $point in "$path"/*) points="$point
$points" ;; esac
    done </proc/self/mountinfo
    echo "$points" | while IFS= read -r point; do
        [ -z "$point" ] || umount -l "$point"
    done
    tries=100
    until rm -rf --one-file-system -- "$path" || [ "$tries" -eq 0 ]; do
        tries=$((tries - 1))
        sleep 0.05
    done
done 2>/dev/null
