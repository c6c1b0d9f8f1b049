#container
# The clock is the host's: honest words, an exit status, no loop of restarts; and serving is still possible.
install_ours
fails_with 3 systemctl is-active ntp
fails_with 1 systemctl restart ntp
test "$(systemctl show -P NRestarts ntp)" = 0
test "$(systemctl show -P ExecMainStatus ntp)" = 3
journalctl -u ntp --no-pager | grep 'this looks like a container'
journalctl -u ntp --no-pager | grep -- '--clock=none'
echo 'NTPD_OPTS="--clock=none"' >/etc/default/ntp
systemctl restart ntp
systemctl is-active ntp
ntpq -c rv | grep version
