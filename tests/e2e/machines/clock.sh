# The tutorial on a clock that is wrong: 0.3 s, then, as -g allows it, an hour.
reference_server
install_ours
systemctl stop ntp
echo 'server 10.9.0.1 iburst' >>/etc/ntp.conf
md5sum /etc/ntp.conf >before
for wrong in 0.3 -3600; do
    rm -f /run/ntp/panicgate
    put_ahead "$wrong"
    was=$(correction)
    began=$(cut -d. -f1 /proc/uptime)
    systemctl restart ntp
    until_it is_within 20
    echo "SHOW $wrong s: within 20 ms after $(($(cut -d. -f1 /proc/uptime) - began)) s, correction $(correction) s (was $was)"
    follows 10.9.0.1
    systemctl stop ntp
done
systemctl start ntp
until_it follows 10.9.0.1
until_it ntpq -c why
ntpq verify --wait 60
journalctl -u ntp --no-pager | grep 'confined to its own folders and calls'
grep -x 'Seccomp:.*2' /proc/"$(systemctl show -P MainPID ntp)"/status
md5sum -c before
score=$(systemd-analyze security --no-pager ntp | sed -n 's/.*level.*: \([0-9.]*\) .*/\1/p')
echo "SHOW security $score on the running service"
test "$(echo "$score" | tr -d .)" -le 25
# Beyond the panic threshold, once it has been right: it ends, says why, and is not started again by itself.
put_ahead 7200
until_it sh -c '! systemctl is-active ntp'
test "$(systemctl show -P ExecMainStatus ntp)" = 4
test "$(systemctl show -P NRestarts ntp)" = 0
journalctl -u ntp --no-pager | grep 'beyond the panic threshold: set it roughly by hand, or remove /run/ntp/panicgate'
rm /run/ntp/panicgate
systemctl start ntp
until_it is_within 20
