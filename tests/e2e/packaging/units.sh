install_ours
without_clock
reference_server
printf 'server 10.9.0.1 iburst\n' >/etc/ntp.conf
systemctl restart ntp
# A unit that waits for the clock.
systemctl start ntp-wait
systemctl is-active ntp-wait
systemctl enable ntp-wait
test -L /etc/systemd/system/time-sync.target.wants/ntp-wait.service
# Its own walls stand inside those of the unit.
journalctl -u ntp --no-pager
journalctl -u ntp --no-pager | grep 'confined to its own folders and calls'
grep -x 'Seccomp:.*2' /proc/"$(systemctl show -P MainPID ntp)"/status
# What is left open to the daemon, beside the others; 10 is everything.
SHOWN=$(systemd-analyze security --no-pager ntp | tail -1)
echo "SHOW ours, running:$SHOWN"
score=$(echo "$SHOWN" | sed -n 's/.*: \([0-9.]*\) .*/\1/p')
test "$(echo "$score" | tr -d .)" -le 25
# The switch of timedatectl is ours.
timedatectl set-ntp false
fails_with 3 systemctl is-active ntp
fails_with 1 systemctl is-enabled ntp
timedatectl set-ntp true
until_it systemctl is-active ntp
systemctl is-enabled ntp
# The table of leap seconds comes with tzdata; nobody restarts for it.
pid=$(systemctl show -P MainPID ntp)
dpkg-trigger --no-await --by-package=tzdata /usr/share/zoneinfo/leap-seconds.list || dpkg-trigger --no-await /usr/share/zoneinfo/leap-seconds.list
dpkg --triggers-only -a
until_it sh -c 'journalctl -u ntp --no-pager | grep "read anew"'
test "$(systemctl show -P MainPID ntp)" = "$pid"
