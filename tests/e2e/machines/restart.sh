# What a restart does to a clock that is kept.
reference_server
install_ours
printf 'driftfile /var/lib/ntp/ntp.drift\nserver 10.9.0.1 iburst minpoll 3 maxpoll 4\n' >/etc/ntp.conf
systemctl restart ntp
until_it is_within 20
sleep 90
# The largest of twelve looks, in milliseconds.
worst() {
    for _ in $(seq 12); do
        correction
        sleep 2
    done | awk '{ x = $1 < 0 ? -$1 : $1; if (x > worst) worst = x } END { printf "%.2f", worst * 1000 }'
}
steps() { journalctl -u ntp --no-pager | grep -c 'stepping the clock' || :; }
stepped=$(steps)
before=$(worst)
systemctl restart ntp
after=$(worst)
echo "SHOW largest of twelve corrections: $before ms before the restart, $after ms after it"
awk -v before="$before" -v after="$after" 'BEGIN { exit !(after < before + 10) }'
test "$(steps)" = "$stepped"
