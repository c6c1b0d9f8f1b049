# What befalls machines: each time the daemon goes on by itself, in the same process, and says so.
reference_server
install_ours
printf 'driftfile /var/lib/ntp/ntp.drift\nserver 10.9.0.1 iburst minpoll 3 maxpoll 4\n' >/etc/ntp.conf
printf 'statsdir /var/log/ntpstats/\nstatistics peerstats\n' >>/etc/ntp.conf
mkdir -p /var/log/ntpstats
mount -t tmpfs -o size=64k,mode=755 tmpfs /var/log/ntpstats
chown ntp:ntp /var/log/ntpstats
systemctl restart ntp
until_it is_within 20
pid=$(systemctl show -P MainPID ntp)
says() { journalctl -u ntp --no-pager | grep -- "$1"; }
# Another program sets the clock.
put_ahead 5
until_it is_within 20
until_it says 'somebody else has set the clock'
# The interface goes and comes.
ip link set eth0 down
until_it says 'cannot be asked'
ip link set eth0 up
sleep 1
until_it sh -c "journalctl -u ntp --no-pager | grep -A9 'cannot be asked' | grep '10.9.0.1:123: answers'"
until_it follows 10.9.0.1
until_it is_within 20
# The disk that it writes to all the time is full, then good. (tests/cli/state.rs goes through what it writes seldom, and
# through disks that cannot be written to.)
head -c 65536 /dev/zero >/var/log/ntpstats/filler || true
# Nor is there room left in the last page of a file that it has open.
head -c 8192 /dev/zero >>/var/log/ntpstats/peerstats || true
until_it says 'statistics are not written: No space left'
rm /var/log/ntpstats/filler
until_it says 'statistics are written again'
until_it is_within 20
test "$(systemctl show -P MainPID ntp)" = "$pid"
# Killed, five times: what it has written is whole, and the unit starts it again.
systemctl reset-failed
for _ in $(seq 5); do
    kill -HUP "$(systemctl show -P MainPID ntp)"
    kill -9 "$(systemctl show -P MainPID ntp)"
    until_it systemctl is-active ntp
    sleep 5.5
    until_it systemctl is-active ntp
done
until_it follows 10.9.0.1
until_it is_within 20
if journalctl -u ntp --no-pager | grep 'starting without it'; then exit 1; fi
